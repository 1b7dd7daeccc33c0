package dev.aril.engine.quantize;

import dev.aril.engine.kernels.Rows;
import dev.aril.engine.model.Forward;
import dev.aril.engine.model.LayerWeights.ChannelOrders;
import dev.aril.engine.model.Projection;
import java.util.Arrays;
import java.util.Comparator;
import java.util.EnumMap;
import java.util.List;
import java.util.Map;
import java.util.function.IntConsumer;

/**
 * How much each input channel of the projections carries on a calibration text: the sum of its
 * squared values over all tokens. Ascending order puts channels of like energy into the same group
 * and the strongest ones last, where they become the outlier group (Atom, arXiv 2310.19102, section
 * 4.1).
 */
final class ChannelEnergy {
    /** Rows computed at once. */
    static final int CHUNK = 256;

    private final List<Map<Projection, double[]>> layers;

    private ChannelEnergy(List<Map<Projection, double[]>> layers) {
        this.layers = layers;
    }

    /**
     * Runs the unquantized model over the windows.
     *
     * @param windows token ids, each at most a context long
     * @param progress called with the number of windows done
     */
    static ChannelEnergy measure(Forward forward, List<int[]> windows, IntConsumer progress) {
        List<Map<Projection, double[]>> layers =
                java.util.stream.IntStream.range(0, forward.config().layers())
                        .<Map<Projection, double[]>>mapToObj(l -> new EnumMap<>(Projection.class))
                        .toList();
        forward.observe((layer, reader, plain, rows) -> {
            int columns = plain.length / rows;
            double[] energy = layers.get(layer).computeIfAbsent(reader, p -> new double[columns]);
            for (int r = 0; r < rows; r++) {
                for (int c = 0; c < columns; c++) {
                    double x = plain[r * columns + c];
                    energy[c] += x * x;
                }
            }
        });
        int[] blocks = new int[forward.kvBlocks()];
        Arrays.setAll(blocks, i -> i);
        for (int w = 0; w < windows.size(); w++) {
            int[] ids = windows.get(w);
            for (int from = 0; from < ids.length; from += CHUNK) {
                int count = Math.min(CHUNK, ids.length - from);
                int[] positions = new int[count];
                int first = from;
                Arrays.setAll(positions, i -> first + i);
                Rows.Span[] span = {new Rows.Span(0, count, blocks)};
                forward.run(
                        new Rows(
                                Arrays.copyOfRange(ids, from, from + count),
                                positions,
                                span,
                                new Rows.Segment[0]),
                        new int[0]);
            }
            progress.accept(w + 1);
        }
        return new ChannelEnergy(layers);
    }

    ChannelOrders orders(int layer) {
        Map<Projection, double[]> energy = layers.get(layer);
        return new ChannelOrders(
                ascending(energy.get(Projection.Q)),
                ascending(energy.get(Projection.O)),
                ascending(energy.get(Projection.GATE)),
                ascending(energy.get(Projection.DOWN)));
    }

    /** Channels from the weakest to the strongest; equals keep their order. */
    private static int[] ascending(double @org.jspecify.annotations.Nullable [] energy) {
        if (energy == null) {
            throw new IllegalStateException("no calibration rows were seen");
        }
        Integer[] order = new Integer[energy.length];
        Arrays.setAll(order, i -> i);
        Arrays.sort(order, Comparator.comparingDouble(i -> energy[i]));
        return Arrays.stream(order).mapToInt(i -> i).toArray();
    }
}
