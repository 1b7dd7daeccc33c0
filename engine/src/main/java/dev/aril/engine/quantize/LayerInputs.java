package dev.aril.engine.quantize;

import dev.aril.engine.kernels.Matrices;
import dev.aril.engine.model.DecoderLayer;
import dev.aril.engine.model.Projection;
import java.util.EnumMap;
import java.util.HashMap;
import java.util.Map;
import java.util.function.IntPredicate;

/** The inputs of one layer's projections, as calibration sees them. */
final class LayerInputs implements DecoderLayer.Observer, AutoCloseable {
    private final Matrices matrices;
    private final int most;
    private final boolean shared;
    private final IntPredicate experts;
    private final Map<Projection, SecondMoment> moments = new EnumMap<>(Projection.class);
    private final Map<Integer, Map<Projection, SecondMoment>> ofExperts = new HashMap<>();

    /**
     * @param most rows that are seen at once
     * @param shared whether the inputs that are no expert's own are wanted
     * @param experts whose inputs are wanted
     */
    LayerInputs(Matrices matrices, int most, boolean shared, IntPredicate experts) {
        this.matrices = matrices;
        this.most = most;
        this.shared = shared;
        this.experts = experts;
    }

    @Override
    public void input(Projection reader, float[] plain, int rows) {
        if (shared) {
            add(moments, reader, plain, rows);
        }
    }

    @Override
    public void expertInput(int expert, Projection reader, float[] plain, int rows) {
        if (experts.test(expert)) {
            add(
                    ofExperts.computeIfAbsent(expert, e -> new EnumMap<>(Projection.class)),
                    reader,
                    plain,
                    rows);
        }
    }

    private void add(Map<Projection, SecondMoment> to, Projection reader, float[] plain, int rows) {
        to.computeIfAbsent(reader, r -> new SecondMoment(matrices, plain.length / rows, most))
                .add(plain, rows);
    }

    /**
     * @param reader Q, O, GATE or DOWN
     */
    SecondMoment of(Projection reader) {
        SecondMoment moment = moments.get(reader);
        if (moment == null) {
            throw new IllegalStateException("calibration has not seen " + reader);
        }
        return moment;
    }

    /**
     * Of an expert; with no rows if none chose it.
     *
     * @param reader GATE or DOWN
     */
    SecondMoment of(int expert, Projection reader, int columns) {
        return ofExperts
                .computeIfAbsent(expert, e -> new EnumMap<>(Projection.class))
                .computeIfAbsent(reader, r -> new SecondMoment(matrices, columns, most));
    }

    @Override
    public void close() {
        moments.values().forEach(SecondMoment::close);
        ofExperts.values().forEach(own -> own.values().forEach(SecondMoment::close));
    }
}
