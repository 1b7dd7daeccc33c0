@NullMarked
package dev.aril;

import org.jspecify.annotations.NullMarked;
