@NullMarked
package dev.aril.api;

import org.jspecify.annotations.NullMarked;
