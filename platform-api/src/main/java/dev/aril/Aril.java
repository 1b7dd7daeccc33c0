package dev.aril;

/** The program's one entry: picks the command. */
public final class Aril {
    private Aril() {}

    public static void main(String[] args) {
        throw new IllegalStateException("not built yet");
    }
}
