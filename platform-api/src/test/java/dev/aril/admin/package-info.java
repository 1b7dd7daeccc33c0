@NullMarked
package dev.aril.admin;

import org.jspecify.annotations.NullMarked;
