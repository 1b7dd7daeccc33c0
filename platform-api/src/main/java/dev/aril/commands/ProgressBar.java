package dev.aril.commands;

import dev.aril.engine.Progress;
import java.io.PrintStream;
import java.time.Duration;
import java.util.Locale;
import java.util.function.LongSupplier;

/**
 * Progress for people: a terminal has one line that is drawn again, with the time that is left; a
 * file gets a line for each tenth.
 */
final class ProgressBar implements Progress {
    private static final int WIDTH = 30;
    private static final long REDRAWN_AFTER_NANOS = Duration.ofMillis(200).toNanos();

    private final PrintStream out;
    private final boolean terminal;
    private final LongSupplier nanoTime;
    private String task = "";
    private long started;
    private long drawn;
    private int tenth;
    private boolean open;

    ProgressBar(PrintStream out, boolean terminal, LongSupplier nanoTime) {
        this.out = out;
        this.terminal = terminal;
        this.nanoTime = nanoTime;
    }

    /** On standard error, which is no terminal when it is sent to a file. */
    static ProgressBar onError() {
        // Java tells of both streams together, and only where there is a terminal at all
        boolean terminal = System.console() != null && System.console().isTerminal();
        return new ProgressBar(System.err, terminal, System::nanoTime);
    }

    @Override
    public void line(String text) {
        end();
        out.println(text);
    }

    @Override
    public void share(String what, double share) {
        long now = nanoTime.getAsLong();
        if (!what.equals(task)) {
            end();
            task = what;
            started = now;
            drawn = now - REDRAWN_AFTER_NANOS;
            tenth = 0;
        }
        boolean done = share >= 1;
        if (terminal && (done || now - drawn >= REDRAWN_AFTER_NANOS)) {
            drawn = now;
            open = true;
            int full = (int) Math.round(WIDTH * Math.clamp(share, 0, 1));
            String bar = "#".repeat(full) + "-".repeat(WIDTH - full);
            // blanks over what a longer line has left
            out.print("\r" + task + " [" + bar + "] " + told(share, now) + "      ");
            out.flush();
        } else if (!terminal && (int) (10 * share) > tenth) {
            tenth = (int) (10 * share);
            out.println(task + ": " + told(share, now));
        }
        if (done) {
            end();
        }
    }

    private String told(double share, long now) {
        String percent = String.format(Locale.ROOT, "%3.0f %%", 100 * share);
        if (share <= 0) {
            return percent;
        }
        long elapsed = now - started;
        return share >= 1
                ? percent + ", " + time(elapsed)
                : percent + ", " + time((long) (elapsed * (1 - share) / share)) + " left";
    }

    static String time(long nanos) {
        long seconds = Math.ceilDiv(nanos, 1_000_000_000L);
        return seconds < 60
                ? seconds + " s"
                : seconds < 3600
                        ? seconds / 60 + " min " + seconds % 60 + " s"
                        : seconds / 3600 + " h " + seconds / 60 % 60 + " min";
    }

    /** Leaves the bar's line, if there is one. */
    private void end() {
        if (open) {
            out.println();
            open = false;
        }
        task = "";
    }
}
