package dev.aril.engine.text;

import java.time.Duration;

/** How much one rendering may take: time, text, items, depth. */
final class TemplateLimits {
    /** Characters of any one text, the output too. */
    static final int TEXT = 32 << 20;

    /** Elements of any one list, rounds of any one loop. */
    static final int ITEMS = 10_000;

    /** Macros within macros, lists within lists. */
    static final int DEPTH = 32;

    private final long deadline;
    private int calls;

    TemplateLimits(Duration time) {
        this.deadline = System.nanoTime() + time.toNanos();
    }

    /** One more step. */
    void step() {
        if (System.nanoTime() - deadline > 0) {
            throw new TemplateFault("rendering takes too long");
        }
    }

    void enterCall() {
        if (++calls > DEPTH) {
            throw new TemplateFault("its macros call each other more than " + DEPTH + " deep");
        }
    }

    void leaveCall() {
        calls--;
    }

    static void text(long characters) {
        if (characters > TEXT) {
            throw new TemplateFault("a text of more than " + TEXT + " characters");
        }
    }

    static void items(long count) {
        if (count > ITEMS) {
            throw new TemplateFault("more than " + ITEMS + " items");
        }
    }

    static void depth(int depth) {
        if (depth > DEPTH) {
            throw new TemplateFault("values more than " + DEPTH + " deep in each other");
        }
    }
}
