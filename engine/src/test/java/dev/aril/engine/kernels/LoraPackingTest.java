package dev.aril.engine.kernels;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.within;

import java.util.Random;
import org.junit.jupiter.api.Test;

/** Every value lies where lora.cuh says a lane finds it. */
class LoraPackingTest {
    private static final int RANK = 11;
    private static final int IN = 96;
    private static final int OUT = 76;

    private static LowRank pair() {
        Random random = new Random(3);
        float[] a = new float[RANK * IN];
        float[] b = new float[OUT * RANK];
        for (int i = 0; i < a.length; i++) {
            a[i] = Bf16Bits.toFloat((short) (Float.floatToRawIntBits(random.nextFloat()) >>> 16));
        }
        for (int i = 0; i < b.length; i++) {
            b[i] = Bf16Bits.toFloat((short) (Float.floatToRawIntBits(-random.nextFloat()) >>> 16));
        }
        return new LowRank(RANK, a, b);
    }

    @Test
    void bf16() {
        LowRank pair = pair();
        for (int r = 0; r < 16; r++) {
            short[] octet = LoraPacking.a(pair, r / 8);
            for (int k = 0; k < IN; k++) {
                int lane = r % 8 * 4 + k % 32 / 8;
                float stored = Bf16Bits.toFloat(octet[k / 32 * 256 + lane * 8 + k % 8]);
                assertThat(stored).isEqualTo(r < RANK ? pair.a()[r * IN + k] : 0);
            }
        }
        short[] tiles = LoraPacking.b(pair, 1, 3);
        for (int n = 32; n < 96; n++) {
            for (int r = 0; r < 16; r++) {
                int lane = n % 32 / 4 * 4 + r % 8 / 2;
                int tile = (n / 32 - 1) * 2 + r / 8;
                float stored = Bf16Bits.toFloat(tiles[tile * 256 + lane * 8 + n % 4 * 2 + r % 2]);
                boolean there = n < OUT && r < RANK;
                assertThat(stored).isEqualTo(there ? pair.b()[n * RANK + r] : 0);
            }
        }
    }

    @Test
    void int8() {
        Int8Pair pair = Int8Pair.of(pair());
        int[] place = {0, 2, 1, 3};
        byte[] octet = LoraPacking.a(pair, 1);
        for (int r = 8; r < RANK; r++) {
            for (int k = 0; k < IN; k++) {
                int lane = r % 8 * 4 + k % 32 / 8;
                int at = k / 32 * 256 + lane * 8 + k % 8 / 4 * 4 + place[k % 4];
                assertThat((int) octet[at]).isEqualTo(pair.a(r, k));
            }
        }
        byte[] tiles = LoraPacking.b(pair, 0, 3);
        for (int n = 0; n < OUT; n++) {
            for (int r = 0; r < RANK; r++) {
                int lane = n % 32 / 4 * 4 + r % 8 / 2;
                int word = n % 4 / 2 * 4 + place[n % 2 * 2 + r % 2];
                int at = (n / 32 * 2 + r / 8) * 256 + lane * 8 + word;
                assertThat((int) tiles[at]).isEqualTo(pair.b(n, r));
                float value = pair.b(n, r) * Bf16Bits.toFloat(pair.bScales()[n]);
                float exact = pair.pair().b()[n * RANK + r];
                assertThat(value * pair.magnitudes()[r]).isCloseTo(exact, within(0.02f));
            }
        }
        assertThat(pair.error()).isBetween(1e-4, 0.02);
    }
}
