package dev.aril.engine.model;

/** Uploaded text, fit to be quoted in a message: short, and plain ASCII without quotes. */
final class Printable {
    private static final int LONGEST = 120;

    private Printable() {}

    static String of(String text) {
        StringBuilder out = new StringBuilder();
        for (int i = 0; i < text.length() && out.length() < LONGEST; i++) {
            char c = text.charAt(i);
            out.append(c >= ' ' && c < 0x7f && c != '"' ? c : '?');
        }
        return text.length() > LONGEST ? out + "..." : out.toString();
    }
}
