package dev.aril.engine.schedule;

import java.util.List;
import java.util.stream.IntStream;

/**
 * What one step computes: the rows of all its spans, those of one adapter side by side, those of
 * the base model last. A batch is a snapshot, but its sequences' block tables are read live: run it
 * before the scheduler is asked again.
 *
 * @param spans in row order
 * @param tokens [rows]: the id of each row
 * @param positions [rows]: where in its sequence each row stands; its KV goes there
 * @param spanOfRow [rows]: index into {@code spans}
 */
public record Batch(
        List<Span> spans, LoraSegments segments, int[] tokens, int[] positions, int[] spanOfRow) {
    public Batch {
        spans = List.copyOf(spans);
        if (positions.length != tokens.length || spanOfRow.length != tokens.length) {
            throw new IllegalArgumentException("tokens, positions and spanOfRow are a row each");
        }
    }

    public int rows() {
        return tokens.length;
    }

    public boolean isEmpty() {
        return tokens.length == 0;
    }

    /** How many spans sample: rows of logits the step gives. */
    public int samples() {
        int samples = 0;
        for (Span span : spans) {
            samples += span.samples() ? 1 : 0;
        }
        return samples;
    }

    /**
     * Rows whose logits are wanted for the logprob of the prompt's next id; none of them samples.
     * To be asked before the batch is committed.
     */
    public int[] scored() {
        IntStream.Builder rows = IntStream.builder();
        for (Span span : spans) {
            Sequence sequence = span.sequence();
            for (int i = 0; sequence.scoresPrompt() && i < span.rows(); i++) {
                if (positions[span.firstRow() + i] + 1 < sequence.promptLength()) {
                    rows.add(span.firstRow() + i);
                }
            }
        }
        return rows.build().toArray();
    }

    /** The id of a row. */
    public int token(int row) {
        return tokens[row];
    }

    /** The position of a row in its sequence. */
    public int position(int row) {
        return positions[row];
    }
}
