package dev.aril.engine.kernels;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;

import org.junit.jupiter.api.Test;

/** The definition, against numbers worked out by hand. */
class ReferenceKernelsTest {
    @Test
    void nibblesAreTwosComplementLowHalfFirst() {
        byte[] nibbles = {(byte) 0x9F, 0x17};
        LinearWeights.Int4 w =
                new LinearWeights.Int4(
                        1, 8, 4, 4, nibbles, new short[1], new byte[4], new float[1]);
        assertThat(new int[] {w.code(0, 0), w.code(0, 1), w.code(0, 2), w.code(0, 3)})
                .containsExactly(-1, -7, 7, 1);
    }

    @Test
    void minusEightIsRefused() {
        for (byte pair : new byte[] {(byte) 0x80, 0x18}) {
            assertThatThrownBy(() ->
                            new LinearWeights.Int4(
                                    1,
                                    8,
                                    4,
                                    4,
                                    new byte[] {0, pair},
                                    new short[1],
                                    new byte[4],
                                    new float[1]))
                    .hasMessage("INT4 weights are -7 to 7, not -8");
        }
    }

    @Test
    void cacheCodesKeepZeroAndTheRange() {
        KvCodes codes = KvCodes.of(new float[] {-1, 0, 2, 0.4f}, 0, 4);
        // range 3 in 15 steps of 0.2; zero point 5
        assertThat(codes.zero()).isEqualTo(5);
        assertThat(codes.codes()).containsExactly(0, 5, 15, 7);
        assertThat(codes.scaleValue()).isCloseTo(0.2f, org.assertj.core.data.Offset.offset(1e-4f));
        // all positive: the range reaches down to 0, so 4 bits hold the zero point
        KvCodes positive = KvCodes.of(new float[] {3, 4}, 0, 2);
        assertThat(positive.zero()).isZero();
        assertThat(positive.codes()[1]).isEqualTo((byte) 15);
    }
}
