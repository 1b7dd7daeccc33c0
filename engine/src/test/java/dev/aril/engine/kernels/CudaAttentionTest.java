package dev.aril.engine.kernels;

import static org.assertj.core.api.Assertions.assertThat;

import dev.aril.engine.kernels.CudaAttention.Lists;
import java.nio.ByteBuffer;
import java.nio.ByteOrder;
import org.junit.jupiter.api.Test;

/** The lists that attention's kernels work through; no device needed. */
class CudaAttentionTest {
    /** A row at position 600, a prompt's last 70 of 100 rows, two rows at 15 and 16. */
    private static Rows rows() {
        int[] positions = new int[73];
        positions[0] = 600;
        for (int r = 1; r < 71; r++) {
            positions[r] = 29 + r;
        }
        positions[71] = 15;
        positions[72] = 16;
        return new Rows(
                new int[73],
                positions,
                new Rows.Span[] {
                    new Rows.Span(0, 1, new int[38]),
                    new Rows.Span(1, 70, new int[7]),
                    new Rows.Span(71, 2, new int[2])
                },
                new Rows.Segment[0]);
    }

    private static int[] tables() {
        int[] tables = new int[73];
        for (int r = 1; r < 73; r++) {
            tables[r] = r < 71 ? 38 : 45;
        }
        return tables;
    }

    private static int[] at(ByteBuffer from, int offset, int count) {
        int[] values = new int[count];
        for (int i = 0; i < count; i++) {
            values[i] = from.getInt(offset + 4 * i);
        }
        return values;
    }

    @Test
    void decodeRowsAreCutIntoChunksAndPromptsIntoTiles() {
        Lists lists = Lists.of(rows());
        assertThat(lists).isEqualTo(new Lists(73, 5, 2, 70));
        assertThat(lists.slots()).isEqualTo(75);
        int at = 32;
        ByteBuffer to = ByteBuffer.allocate(at + lists.bytes()).order(ByteOrder.nativeOrder());
        CudaAttention.write(rows(), lists, to, at, tables());

        assertThat(at(to, at, 4)).containsExactly(0, 3, 5, 1); // slots of the first two rows
        assertThat(at(to, at + 8 * 70, 6)).containsExactly(74, 1, 3, 1, 4, 1);
        int items = at + 592; // 73 pairs, rounded up to 16 bytes
        assertThat(at(to, items, 4)).containsExactly(0, 0, 0, 256 | 16 << 16);
        // the page of position 600 is written in this step
        assertThat(at(to, items + 32, 4)).containsExactly(0, 2, 32, 89 | 5 << 16);
        // a span's later rows may not look ahead of what its first row writes
        assertThat(at(to, items + 64, 4)).containsExactly(72, 0, 45, 17);
        // the tile with the longer context first
        assertThat(at(to, items + 80, 8)).containsExactly(65, 6, 94, 38, 1, 64, 30, 38);
    }

    @Test
    void aLargerStepsPlacesHoldASmallerOnesLists() {
        Lists place = new Lists(1, 2, 0, 0).upTo(8);
        assertThat(place).isEqualTo(new Lists(8, 8, 0, 0));
        assertThat(new Lists(5, 17, 0, 0).upTo(8)).isEqualTo(new Lists(8, 32, 0, 0));
        Rows one =
                new Rows(
                        new int[1],
                        new int[] {256},
                        new Rows.Span[] {new Rows.Span(0, 1, new int[17])},
                        new Rows.Segment[0]);
        ByteBuffer to = ByteBuffer.allocate(place.bytes()).order(ByteOrder.nativeOrder());
        CudaAttention.write(one, place, to, 0, new int[1]);
        assertThat(at(to, 0, 2)).containsExactly(0, 2);
        assertThat(at(to, 64, 4)).containsExactly(0, 0, 0, 256 | 16 << 16);
        assertThat(at(to, 80, 4)).containsExactly(0, 1, 16, 1);
    }
}
