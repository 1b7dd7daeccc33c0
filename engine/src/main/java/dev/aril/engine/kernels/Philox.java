package dev.aril.engine.kernels;

/**
 * Philox4x32-10, a counter-based random generator: a draw is a function of key and counter, so no
 * draw depends on how many others were made before. From "Parallel Random Numbers: As Easy as 1, 2,
 * 3" (Salmon, Moraes, Dror, Shaw, SC 2011).
 */
final class Philox {
    private static final int ROUNDS = 10;
    private static final long M0 = 0xD2511F53L;
    private static final long M1 = 0xCD9E8D57L;
    private static final int W0 = 0x9E3779B9;
    private static final int W1 = 0xBB67AE85;
    private static final long LOW = 0xFFFFFFFFL;

    private Philox() {}

    /**
     * 64 random bits.
     *
     * @param seed the key
     * @param position the counter
     */
    static long bits(long seed, long position) {
        int[] block = {(int) position, (int) (position >>> 32), 0, 0};
        encrypt(block, (int) seed, (int) (seed >>> 32));
        return (block[0] & LOW) << 32 | (block[1] & LOW);
    }

    /**
     * @param block [4] the counter; becomes the output
     */
    static void encrypt(int[] block, int key0, int key1) {
        int k0 = key0;
        int k1 = key1;
        for (int round = 0; round < ROUNDS; round++) {
            long p0 = M0 * (block[0] & LOW);
            long p1 = M1 * (block[2] & LOW);
            int c0 = (int) (p1 >>> 32) ^ block[1] ^ k0;
            int c2 = (int) (p0 >>> 32) ^ block[3] ^ k1;
            block[0] = c0;
            block[1] = (int) p1;
            block[2] = c2;
            block[3] = (int) p0;
            k0 += W0;
            k1 += W1;
        }
    }
}
