package dev.aril.engine.schedule;

/**
 * One sequence's rows in a batch.
 *
 * @param firstRow its first row in the batch
 * @param rows at least 1: how many positions of the sequence this step computes
 * @param samples the last row is the sequence's last token, so its logits choose the next one; a
 *     prefill chunk that ends before the prompt does samples nothing
 */
public record Span(Sequence sequence, int firstRow, int rows, boolean samples) {
    /** The row whose logits are wanted, if it {@link #samples}. */
    public int lastRow() {
        return firstRow + rows - 1;
    }
}
