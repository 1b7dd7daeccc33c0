package dev.aril.engine.measure;

import dev.aril.engine.kernels.Kernels.Adapter;
import dev.aril.engine.model.Forward;
import dev.aril.engine.quantize.TokenWindows;
import dev.aril.engine.text.Tokenizer;
import java.util.Arrays;
import java.util.List;
import java.util.function.DoubleConsumer;
import org.jspecify.annotations.Nullable;

/**
 * Perplexity of a text: its first 480,000 characters encoded without special tokens, the first
 * 60,000 ids cut into windows of contextLength - 1, the begin-of-sequence id before each, windows
 * shorter than 64 dropped, the negative log-likelihood averaged over all ids.
 *
 * @param tokens ids scored
 */
public record Perplexity(double value, int tokens) {
    private static final int CHARACTERS = 480_000;
    private static final int TOKENS = 60_000;

    /** Cut from a text; the same for each model with the same tokenizer. */
    static List<int[]> windows(String text, Tokenizer tokenizer, int bos, int contextLength) {
        int characters = Math.min(CHARACTERS, text.codePointCount(0, text.length()));
        String head = text.substring(0, text.offsetByCodePoints(0, characters));
        int[] ids = tokenizer.encode(head);
        return TokenWindows.cut(
                Arrays.copyOf(ids, Math.min(ids.length, TOKENS)), bos, contextLength - 1);
    }

    /**
     * @param adapter null for the model alone
     * @param progress gets the share that is scored
     */
    public static Perplexity of(
            Forward forward,
            @Nullable Adapter adapter,
            Tokenizer tokenizer,
            String text,
            DoubleConsumer progress) {
        Scorer scorer = new Scorer(forward);
        List<int[]> windows =
                windows(
                        text,
                        tokenizer,
                        forward.config().bosId(),
                        forward.config().contextLength());
        if (windows.isEmpty()) {
            throw new IllegalArgumentException("the text has fewer than 64 tokens");
        }
        double sum = 0;
        int tokens = 0;
        for (int w = 0; w < windows.size(); w++) {
            for (double logProbability : scorer.score(windows.get(w), adapter)) {
                sum -= logProbability;
                tokens++;
            }
            progress.accept((w + 1.0) / windows.size());
        }
        return new Perplexity(Math.exp(sum / tokens), tokens);
    }
}
