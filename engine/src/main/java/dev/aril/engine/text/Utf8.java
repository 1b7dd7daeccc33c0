package dev.aril.engine.text;

/**
 * UTF-8 to text, byte by byte. What is no UTF-8 becomes one U+FFFD for each longest beginning of a
 * character, as the WHATWG's Encoding Standard and Rust's lossy conversion have it (Java's own
 * decoder counts encoded surrogates otherwise).
 */
final class Utf8 {
    private static final char REPLACEMENT = '\uFFFD';

    private int codePoint;

    /** Bytes still missing; zero between characters. */
    private int missing;

    /** What the next byte may be. */
    private int least = 0x80;

    private int most = 0xBF;

    void accept(byte[] bytes, StringBuilder out) {
        for (byte b : bytes) {
            accept(b & 0xFF, out);
        }
    }

    private void accept(int b, StringBuilder out) {
        if (missing > 0) {
            if (b >= least && b <= most) {
                codePoint = codePoint << 6 | (b & 0x3F);
                least = 0x80;
                most = 0xBF;
                if (--missing == 0) {
                    out.appendCodePoint(codePoint);
                }
                return;
            }
            finish(out);
        }
        begin(b, out);
    }

    private void begin(int b, StringBuilder out) {
        if (b < 0x80) {
            out.append((char) b);
        } else if (b >= 0xC2 && b <= 0xDF) {
            missing = 1;
            codePoint = b & 0x1F;
        } else if (b >= 0xE0 && b <= 0xEF) {
            missing = 2;
            codePoint = b & 0x0F;
            // neither overlong forms nor surrogates
            least = b == 0xE0 ? 0xA0 : 0x80;
            most = b == 0xED ? 0x9F : 0xBF;
        } else if (b >= 0xF0 && b <= 0xF4) {
            missing = 3;
            codePoint = b & 0x07;
            least = b == 0xF0 ? 0x90 : 0x80;
            most = b == 0xF4 ? 0x8F : 0xBF;
        } else {
            out.append(REPLACEMENT);
        }
    }

    /** An incomplete character ends here. */
    void finish(StringBuilder out) {
        if (missing > 0) {
            out.append(REPLACEMENT);
            missing = 0;
            least = 0x80;
            most = 0xBF;
        }
    }
}
