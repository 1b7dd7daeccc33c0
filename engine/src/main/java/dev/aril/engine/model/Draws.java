package dev.aril.engine.model;

import dev.aril.engine.SamplingParams;
import dev.aril.engine.kernels.Draw;
import dev.aril.engine.schedule.Sequence;
import dev.aril.engine.schedule.Tally;

/** What a sequence asks of the sampler. */
public final class Draws {
    private static final int[] NONE = {};

    private Draws() {}

    /** For the id that follows all the sequence has. */
    public static Draw of(Sequence sequence) {
        SamplingParams p = sequence.sampling();
        Tally tally = sequence.tally();
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
                tally == null ? NONE : tally.ids(),
                tally == null ? NONE : tally.counts());
    }
}
