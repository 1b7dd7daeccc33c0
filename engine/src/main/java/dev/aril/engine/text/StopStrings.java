package dev.aril.engine.text;

import java.util.List;

/**
 * Ends a streamed text at the first stop string. Text that may be the beginning of one is held back
 * until it is known, so that none of a stop string's text is ever sent. The first to be complete
 * counts; of several complete at the same character, the longest.
 *
 * <p>Each stop string is followed by its failure function (Knuth, Morris, Pratt 1977), so that the
 * cost is the same for every character.
 */
public final class StopStrings {
    private final String[] stops;

    /** [stop][length]: the longest proper border of the stop's first so many characters. */
    private final int[][] borders;

    /** [stop]: how many characters of it the text ends with. */
    private final int[] matched;

    private final StringBuilder held = new StringBuilder();
    private boolean found;

    /**
     * @throws IllegalArgumentException if one is empty or holds half a surrogate pair
     */
    public StopStrings(List<String> stops) {
        this.stops = stops.toArray(String[]::new);
        this.matched = new int[this.stops.length];
        this.borders = new int[this.stops.length][];
        for (int s = 0; s < this.stops.length; s++) {
            String stop = this.stops[s];
            if (stop.isEmpty() || stop.codePoints().anyMatch(StopStrings::isSurrogate)) {
                throw new IllegalArgumentException(
                        "stop must hold non-empty, well-formed strings, not half a surrogate pair");
            }
            borders[s] = borders(stop);
        }
    }

    private static boolean isSurrogate(int codePoint) {
        return codePoint >= Character.MIN_SURROGATE && codePoint <= Character.MAX_SURROGATE;
    }

    private static int[] borders(String stop) {
        int[] border = new int[stop.length() + 1];
        int length = 0;
        for (int i = 1; i < stop.length(); i++) {
            while (length > 0 && stop.charAt(i) != stop.charAt(length)) {
                length = border[length];
            }
            if (stop.charAt(i) == stop.charAt(length)) {
                length++;
            }
            border[i + 1] = length;
        }
        return border;
    }

    /**
     * Takes the next text.
     *
     * @return what can be sent now; once {@link #found}, the last there is
     */
    public String accept(String text) {
        if (found) {
            return "";
        }
        for (int i = 0; i < text.length(); i++) {
            held.append(text.charAt(i));
            int longest = completed(text.charAt(i));
            if (longest > 0) {
                found = true;
                held.setLength(held.length() - longest);
                return finish();
            }
        }
        int back = 0;
        for (int length : matched) {
            back = Math.max(back, length);
        }
        String sent = held.substring(0, held.length() - back);
        held.delete(0, sent.length());
        return sent;
    }

    /** The longest stop string that this character completes; 0 if none. */
    private int completed(char c) {
        int longest = 0;
        for (int s = 0; s < stops.length; s++) {
            int length = matched[s];
            while (length > 0 && stops[s].charAt(length) != c) {
                length = borders[s][length];
            }
            matched[s] = stops[s].charAt(length) == c ? length + 1 : 0;
            if (matched[s] == stops[s].length()) {
                longest = Math.max(longest, matched[s]);
                // leave no full match behind: there is no character after it to compare with
                matched[s] = borders[s][matched[s]];
            }
        }
        return longest;
    }

    /** Whether a stop string was found: the text has ended. */
    public boolean found() {
        return found;
    }

    /** What is still held back, at the end of the text. */
    public String finish() {
        String rest = held.toString();
        held.setLength(0);
        return rest;
    }
}
