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
                counts == null ? NONE : counts.counts(),
                sequence.biases(),
                p.logprobs() == null ? Draw.NOT_SCORED : p.logprobs(),
                Draw.DRAWN);
    }

    /**
     * A prompt's id that is there already, for its logprobs.
     *
     * @param position of the row before it
     */
    public static Draw given(Sequence sequence, int position) {
        Integer top = sequence.sampling().logprobs();
        return Draw.given(sequence.token(position + 1), top == null ? 0 : top);
    }
}
