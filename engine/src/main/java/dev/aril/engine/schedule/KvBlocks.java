package dev.aril.engine.schedule;

import java.util.Arrays;
import java.util.BitSet;
import java.util.Collection;

/** Which KV blocks are free? A block holds the keys and values of a fixed number of positions. */
public final class KvBlocks {
    private final int blockTokens;
    private final int[] freeList;
    private int free;

    /**
     * @param count how many blocks the cache holds
     * @param blockTokens positions a block holds
     */
    public KvBlocks(int count, int blockTokens) {
        if (count < 1 || blockTokens < 1) {
            throw new IllegalArgumentException(
                    "the KV cache needs at least one block of at least one position, not "
                            + count
                            + " of "
                            + blockTokens);
        }
        this.blockTokens = blockTokens;
        this.freeList = new int[count];
        // the lowest number is taken first
        Arrays.setAll(freeList, i -> count - 1 - i);
        this.free = count;
    }

    public int count() {
        return freeList.length;
    }

    public int blockTokens() {
        return blockTokens;
    }

    public int free() {
        return free;
    }

    /** Positions all blocks hold together. */
    public long positions() {
        return (long) freeList.length * blockTokens;
    }

    /** Blocks that so many positions take. */
    public int needed(int positions) {
        return Math.ceilDiv(positions, blockTokens);
    }

    /**
     * Gives a sequence the blocks it lacks for its first {@code positions}, all or none.
     *
     * @return false if there are not enough, with nothing changed
     */
    boolean grow(Sequence sequence, int positions) {
        int lacking = needed(positions) - sequence.blockCount();
        if (lacking > free) {
            return false;
        }
        for (int i = 0; i < lacking; i++) {
            sequence.addBlock(freeList[--free]);
        }
        return true;
    }

    /** Takes back all of a sequence's blocks. */
    void release(Sequence sequence) {
        int[] table = sequence.blockTable();
        for (int i = sequence.blockCount() - 1; i >= 0; i--) {
            freeList[free++] = table[i];
        }
        sequence.dropBlocks();
    }

    /**
     * @param holders all sequences that may hold blocks
     * @throws IllegalStateException if a block is lost, or held twice
     */
    void checkIntegrity(Collection<Sequence> holders) {
        BitSet seen = new BitSet();
        for (int i = 0; i < free; i++) {
            see(seen, freeList[i], "the free list");
        }
        for (Sequence sequence : holders) {
            for (int i = 0; i < sequence.blockCount(); i++) {
                see(seen, sequence.blockTable()[i], sequence.id());
            }
        }
        if (seen.cardinality() != count()) {
            throw new IllegalStateException(
                    count() - seen.cardinality() + " KV blocks are neither free nor held");
        }
    }

    private void see(BitSet seen, int block, String where) {
        if (block < 0 || block >= count() || seen.get(block)) {
            throw new IllegalStateException(
                    "KV block " + block + " of " + where + " is held twice or does not exist");
        }
        seen.set(block);
    }
}
