package dev.aril.engine.kernels;

import java.util.Arrays;

/** The order of an adapter's values in device memory; {@code lora.cuh} tells it. */
final class LoraPacking {
    /** Ranks. */
    static final int OCTET = 8;

    /** Columns of a tile of a. */
    static final int COLUMNS = 32;

    /** Outputs of a tile of b. */
    static final int OUTPUTS = 32;

    /** Values of a tile: 8 ranks by 32 columns or outputs. */
    static final int TILE = 256;

    /** Of four neighbours in INT8, so that a mask finds the first two in bytes 0 and 2. */
    private static final int[] PLACE = {0, 2, 1, 3};

    private LoraPacking() {}

    static int octets(int rank) {
        return (rank + OCTET - 1) / OCTET;
    }

    static int outputTiles(int out) {
        return (out + OUTPUTS - 1) / OUTPUTS;
    }

    /** An octet of a: [in / 32] tiles. */
    static short[] a(LowRank pair, int octet) {
        int in = pair.in();
        short[] to = new short[OCTET * in];
        int ranks = Math.min(OCTET, pair.rank() - octet * OCTET);
        for (int g = 0; g < ranks; g++) {
            int from = (octet * OCTET + g) * in;
            for (int tile = 0; tile < in / COLUMNS; tile++) {
                int at = tile * TILE + g * COLUMNS;
                for (int k = 0; k < COLUMNS; k++) {
                    to[at + k] = Bf16Bits.nearest(pair.a()[from + tile * COLUMNS + k]);
                }
            }
        }
        return to;
    }

    /** Tiles first .. end - 1 of b: [tiles][octets]. */
    static short[] b(LowRank pair, int first, int end) {
        int rank = pair.rank();
        int octets = octets(rank);
        short[] to = new short[(end - first) * octets * TILE];
        int last = Math.min(end * OUTPUTS, pair.out());
        for (int n = first * OUTPUTS; n < last; n++) {
            int tile = n / OUTPUTS - first;
            // lane 4 g + t has outputs 4 g .. 4 g + 3 of ranks 2 t and 2 t + 1
            int lane = n % OUTPUTS / 4 * 4;
            int output = n % 4 * 2;
            for (int r = 0; r < rank; r++) {
                int at = (tile * octets + r / OCTET) * TILE + (lane + r % OCTET / 2) * 8;
                to[at + output + (r & 1)] = Bf16Bits.nearest(pair.b()[n * rank + r]);
            }
        }
        return to;
    }

    static byte[] a(Int8Pair pair, int octet) {
        int in = pair.pair().in();
        byte[] to = new byte[OCTET * in];
        int ranks = Math.min(OCTET, pair.pair().rank() - octet * OCTET);
        for (int g = 0; g < ranks; g++) {
            for (int k = 0; k < in; k++) {
                int at = k / COLUMNS * TILE + g * COLUMNS + (k % COLUMNS & ~3) + PLACE[k & 3];
                to[at] = (byte) pair.a(octet * OCTET + g, k);
            }
        }
        return to;
    }

    static byte[] b(Int8Pair pair, int first, int end) {
        int rank = pair.pair().rank();
        int octets = octets(rank);
        byte[] to = new byte[(end - first) * octets * TILE];
        int last = Math.min(end * OUTPUTS, pair.pair().out());
        for (int n = first * OUTPUTS; n < last; n++) {
            int tile = n / OUTPUTS - first;
            int lane = n % OUTPUTS / 4 * 4;
            int half = n % 4 / 2 * 4;
            for (int r = 0; r < rank; r++) {
                int at = (tile * octets + r / OCTET) * TILE + (lane + r % OCTET / 2) * 8;
                to[at + half + PLACE[n % 2 * 2 + (r & 1)]] = (byte) pair.b(n, r);
            }
        }
        return to;
    }

    /** One scale a rank, 0 for those that fill up. */
    static float[] aScales(Int8Pair pair) {
        float[] to = new float[octets(pair.pair().rank()) * OCTET];
        for (int r = 0; r < pair.pair().rank(); r++) {
            to[r] = pair.rankScale(r);
        }
        return to;
    }

    /** One scale an output, 0 for those that fill up. */
    static short[] bScales(Int8Pair pair) {
        return Arrays.copyOf(pair.bScales(), outputTiles(pair.pair().out()) * OUTPUTS);
    }
}
