@NullMarked
package dev.aril.tenancy;

import org.jspecify.annotations.NullMarked;
