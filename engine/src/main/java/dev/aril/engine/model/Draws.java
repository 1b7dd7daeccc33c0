package dev.aril.engine.model;

import dev.aril.engine.SamplingParams;
import dev.aril.engine.kernels.Draw;
import dev.aril.engine.schedule.Sequence;
import dev.aril.engine.schedule.TokenCounts;

/** What a sequence asks of the sampler for its next id. */
public final class Draws {
    private static final int[] NONE = {};

    private Draws() {}

    public static Draw of(Sequence sequence) {
        SamplingParams p = sequence.sampling();
        TokenCounts counts = sequence.counts();
        return new Draw(
                p.temperature(),
                p.topP(),
                p.minP(),
                p.topK(),
                sequence.seed(),
                sequence.completionLength(),
                p.repetitionPenalty(),
                p.presencePenalty(),
                p.frequencyPenalty(),
                counts == null ? NONE : counts.ids(),
                counts == null ? NONE : counts.counts());
    }
}
