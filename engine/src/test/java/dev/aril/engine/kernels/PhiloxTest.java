package dev.aril.engine.kernels;

import static org.assertj.core.api.Assertions.assertThat;

import org.junit.jupiter.api.Test;

class PhiloxTest {
    /** The known-answer vectors published with Random123, "philox4x32 10". */
    @Test
    void givesThePublishedAnswers() {
        check(
                new int[] {0, 0, 0, 0},
                0,
                0,
                new int[] {0x6627e8d5, 0xe169c58d, 0xbc57ac4c, 0x9b00dbd8});
        check(
                new int[] {-1, -1, -1, -1},
                -1,
                -1,
                new int[] {0x408f276d, 0x41c83b0e, 0xa20bc7c6, 0x6d5451fd});
        check(
                new int[] {0x243f6a88, 0x85a308d3, 0x13198a2e, 0x03707344},
                0xa4093822,
                0x299f31d0,
                new int[] {0xd16cfe09, 0x94fdcceb, 0x5001e420, 0x24126ea1});
    }

    private static void check(int[] counter, int key0, int key1, int[] expected) {
        Philox.encrypt(counter, key0, key1);
        assertThat(counter).containsExactly(expected);
    }

    @Test
    void theBitsAreTheFirstTwoWordsOfTheBlock() {
        assertThat(Philox.bits(0, 0)).isEqualTo(0x6627e8d5e169c58dL);
        assertThat(Philox.bits(1L << 32, 0)).isNotEqualTo(Philox.bits(0, 0));
        assertThat(Philox.bits(0, 1L << 32)).isNotEqualTo(Philox.bits(0, 0));
    }
}
