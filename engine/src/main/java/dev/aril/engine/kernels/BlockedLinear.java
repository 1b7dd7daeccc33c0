package dev.aril.engine.kernels;

import dev.aril.engine.kernels.HostMemory.HostActivation;

/**
 * Weights in blocks of {@link #COLUMNS} outputs, so that vector lanes are outputs: an output's sum
 * runs over the inputs in their order in one lane, needs no lane reduction, and is the same however
 * many rows are computed beside it.
 */
sealed interface BlockedLinear extends Kernels.Linear
        permits BlockedInt4, BlockedBf16, BlockedBiased {
    /** Outputs in a block. */
    int COLUMNS = 4 * Lanes.WIDTH;

    /** Rows of a tile: what a thread computes with a block of weights while it has it at hand. */
    int ROWS = 32;

    default int blocks() {
        return (out() + COLUMNS - 1) / COLUMNS;
    }

    /**
     * y = w·x for rows firstRow .. firstRow + rows - 1 and one block's outputs.
     *
     * @param rows 1 .. {@link #ROWS}
     * @param tile [ROWS, COLUMNS] overwritten
     */
    void tile(HostActivation x, int firstRow, int rows, int block, float[] tile);
}
