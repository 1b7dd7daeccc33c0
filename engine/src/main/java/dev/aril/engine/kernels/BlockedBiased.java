package dev.aril.engine.kernels;

import dev.aril.engine.kernels.HostMemory.HostActivation;
import java.util.Arrays;

/**
 * Weights with a bias, which is added to the finished product.
 *
 * @param bias [blocks, COLUMNS]
 */
record BlockedBiased(BlockedLinear weights, float[] bias) implements BlockedLinear {
    /**
     * @param bias [out]
     */
    static BlockedBiased of(BlockedLinear weights, float[] bias) {
        return new BlockedBiased(weights, Arrays.copyOf(bias, weights.blocks() * COLUMNS));
    }

    @Override
    public int out() {
        return weights.out();
    }

    @Override
    public int in() {
        return weights.in();
    }

    @Override
    public void tile(HostActivation x, int firstRow, int rows, int block, float[] tile) {
        weights.tile(x, firstRow, rows, block, tile);
        for (int r = 0; r < rows; r++) {
            for (int c = 0; c < COLUMNS; c += Lanes.WIDTH) {
                int at = r * COLUMNS + c;
                Lanes.load(tile, at).add(Lanes.load(bias, block * COLUMNS + c)).intoArray(tile, at);
            }
        }
    }
}
