package dev.aril.engine.quantize;

import dev.aril.engine.model.ModelConfig;
import dev.aril.engine.text.TextFile;
import dev.aril.engine.text.Tokenizer;
import java.io.IOException;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.List;
import java.util.stream.IntStream;

/** A text's ids in pieces that a model reads one at a time. */
public final class TokenWindows {
    /** Shorter pieces are left out. */
    private static final int LEAST = 64;

    /** Longer contexts are not calibrated on. */
    private static final int LONGEST = 2048;

    private TokenWindows() {}

    /**
     * A calibration text's.
     *
     * @param text UTF-8
     * @param tokens of it that are read, at most
     * @throws IllegalArgumentException if there are too few
     * @throws IOException if it is not UTF-8
     */
    static List<int[]> of(Path checkpoint, ModelConfig config, byte[] text, int tokens)
            throws IOException {
        int[] ids;
        try (Tokenizer tokenizer = Tokenizer.open(checkpoint)) {
            ids = tokenizer.encode(TextFile.decode(text, "the calibration text"));
        }
        ids = Arrays.copyOf(ids, Math.min(ids.length, tokens));
        int length = Math.min(config.contextLength(), LONGEST) - 1;
        List<int[]> windows = cut(ids, config.bosId(), length);
        if (windows.isEmpty()) {
            throw new IllegalArgumentException(
                    "the calibration text has "
                            + ids.length
                            + " tokens; at least "
                            + LEAST
                            + " are needed");
        }
        return windows;
    }

    /**
     * Consecutive windows of at most length ids, the begin-of-sequence id before each.
     *
     * @param bos -1 if nothing begins a sequence
     */
    public static List<int[]> cut(int[] ids, int bos, int length) {
        List<int[]> windows = new ArrayList<>();
        for (int from = 0; from < ids.length; from += length) {
            int to = Math.min(ids.length, from + length);
            if (to - from >= LEAST) {
                int[] own = Arrays.copyOfRange(ids, from, to);
                windows.add(
                        bos < 0
                                ? own
                                : IntStream.concat(IntStream.of(bos), IntStream.of(own)).toArray());
            }
        }
        return windows;
    }
}
