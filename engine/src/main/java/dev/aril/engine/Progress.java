package dev.aril.engine;

import java.util.function.Consumer;

/** Hears how far a long task has come. */
public interface Progress {
    /** Something worth a line. */
    void line(String text);

    /**
     * @param task what is being done, the same words until it is done
     * @param share 0 to 1; 1 is told once, at the end
     */
    void share(String task, double share);

    /** Lines alone: a task's shares in tenths. */
    static Progress lines(Consumer<String> to) {
        return new Progress() {
            private int told = -1;

            @Override
            public void line(String text) {
                to.accept(text);
            }

            @Override
            public void share(String task, double share) {
                int tenth = (int) (10 * share);
                if (tenth != told) {
                    told = tenth;
                    to.accept(task + ": " + 10 * tenth + " %");
                }
            }
        };
    }
}
