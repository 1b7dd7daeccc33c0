package dev.aril.engine.kernels;

/**
 * The rows of one step: prefill chunks and decodes of different sequences, side by side.
 *
 * @param tokens [count] ids
 * @param positions [count] in their sequences
 * @param spans in row order, covering all rows
 * @param segments runs of rows with an adapter, in row order; rows in none have no adapter
 */
public record Rows(int[] tokens, int[] positions, Span[] spans, Segment[] segments) {
    /**
     * Consecutive rows of one sequence, at consecutive positions.
     *
     * @param blocks the sequence's KV blocks: position p lies in block {@code blocks[p / 16]}
     */
    public record Span(int firstRow, int count, int[] blocks) {}

    /** Consecutive rows with the same adapter: a segment of SGMV (arXiv 2310.18547). */
    public record Segment(int firstRow, int count, Kernels.Adapter adapter) {}

    public int count() {
        return tokens.length;
    }
}
