package dev.aril;

import java.nio.file.Path;

/** Where this checkout is; the build says so. */
final class Installation {
    static final Path HOME = Path.of(System.getProperty("aril.home")).toAbsolutePath().normalize();

    private Installation() {}
}
