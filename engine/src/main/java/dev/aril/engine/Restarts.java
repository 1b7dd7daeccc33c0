package dev.aril.engine;

import java.time.Duration;

/** May a failed device be set up once more? Not if the last time did not help for long. */
final class Restarts {
    /** A device that fails again so soon will do so again. */
    static final Duration QUIET = Duration.ofMinutes(1);

    private long last;
    private boolean any;

    /**
     * @param now on the clock of {@link System#nanoTime}
     */
    boolean allowed(long now) {
        return !any || now - last >= QUIET.toNanos();
    }

    /** A restart has ended. */
    void ended(long now) {
        last = now;
        any = true;
    }
}
