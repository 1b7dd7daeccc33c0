package dev.aril.engine.kernels;

/** A projection's weights as the packed format holds them; see {@code engine/FORMAT.md}. */
public sealed interface LinearWeights {
    int out();

    int in();

    /**
     * Full precision.
     *
     * @param bits [out, in] bf16
     */
    record Bf16(int out, int in, short[] bits) implements LinearWeights {}

    /**
     * INT4 groups and an INT8 outlier group; columns are in channel order, INT4 groups rotated.
     *
     * @param nibbles [out, (in - outliers) / 2] two's complement, the even column in the low half;
     *     -7 to 7, because a sign and three bits are what the GPU unpacks fastest
     * @param scales [out, groups] half precision
     * @param outlierCodes [out, outliers] INT8
     * @param outlierScales [out]
     */
    record Int4(
            int out,
            int in,
            int group,
            int outliers,
            byte[] nibbles,
            short[] scales,
            byte[] outlierCodes,
            float[] outlierScales)
            implements LinearWeights {
        /**
         * @throws IllegalArgumentException if a code is -8
         */
        public Int4 {
            for (byte pair : nibbles) {
                if ((pair & 0x0F) == 0x08 || (pair & 0xF0) == 0x80) {
                    throw new IllegalArgumentException("INT4 weights are -7 to 7, not -8");
                }
            }
        }

        public int groups() {
            return (in - outliers) / group;
        }

        /** The INT4 code of a column before the outliers. */
        public int code(int row, int column) {
            int pair = nibbles[(row * (in - outliers) + column) >> 1];
            return (column & 1) == 0 ? (byte) (pair << 4) >> 4 : pair >> 4;
        }
    }
}
