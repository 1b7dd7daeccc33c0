package dev.aril.engine.schedule;

/**
 * Runs of consecutive rows that share an adapter.
 *
 * @param starts [segments + 1]: segment i covers rows starts[i] to starts[i + 1] - 1, without gaps
 *     from row 0 on; rows from the last start on have no adapter
 * @param slots [segments]: the resident adapter's slot, ascending
 */
public record LoraSegments(int[] starts, int[] slots) {
    public LoraSegments {
        if (starts.length != slots.length + 1 || starts[0] != 0) {
            throw new IllegalArgumentException(
                    slots.length + " segments need one start more, the first at row 0");
        }
    }

    /** How many; zero if every row is the base model's. */
    public int count() {
        return slots.length;
    }

    /** Rows that have an adapter: 0 to this, exclusive. */
    public int rows() {
        return starts[slots.length];
    }
}
