@NullMarked
package dev.aril.cuda;

import org.jspecify.annotations.NullMarked;
