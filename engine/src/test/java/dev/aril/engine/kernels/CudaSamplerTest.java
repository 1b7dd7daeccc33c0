package dev.aril.engine.kernels;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.within;

import dev.aril.engine.Gpu;
import dev.aril.engine.TokenLogprobs;
import dev.aril.engine.kernels.Kernels.Matrix;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.Collections;
import java.util.List;
import java.util.Objects;
import java.util.Random;
import java.util.stream.IntStream;
import org.jspecify.annotations.Nullable;
import org.junit.jupiter.api.AfterAll;
import org.junit.jupiter.api.BeforeAll;
import org.junit.jupiter.api.Tag;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.TestInstance;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.CsvSource;

/** The GPU draws the ids that the CPU draws from the same logits. */
@Tag("gpu")
@TestInstance(TestInstance.Lifecycle.PER_CLASS)
class CudaSamplerTest {
    private Kernels kernels;

    @BeforeAll
    void needsAGpu() {
        Gpu.isNeeded();
        kernels = new CudaKernels(1L << 30);
    }

    @AfterAll
    void close() {
        if (kernels != null) {
            kernels.close();
        }
    }

    private int[] sample(Sampling.Case c) {
        Matrix logits = kernels.matrix(c.draws().size(), c.vocabulary());
        kernels.write(logits, c.logits());
        kernels.sample(logits, c.draws());
        return kernels.sampled();
    }

    private static int[] expected(Sampling.Case c) {
        Sampler sampler = new Sampler(c.vocabulary());
        int[] ids = new int[c.draws().size()];
        Arrays.setAll(
                ids,
                r ->
                        c.draws().get(r).given() >= 0
                                ? c.draws().get(r).given()
                                : sampler.sample(c.logits(), r * c.vocabulary(), c.draws().get(r)));
        return ids;
    }

    /** Those of the last sampling, against their definition on the logits as they came. */
    private void checkLogprobs(Sampling.Case c, int[] ids) {
        @Nullable TokenLogprobs[] logprobs = kernels.logprobs();
        if (c.draws().stream().noneMatch(Draw::scored)) {
            assertThat(logprobs).isEmpty();
            return;
        }
        assertThat(logprobs).hasSameSizeAs(ids);
        for (int r = 0; r < ids.length; r++) {
            Draw draw = c.draws().get(r);
            TokenLogprobs told = logprobs[r];
            if (!draw.scored() || ids[r] == Kernels.DIVERGED) {
                assertThat(told).isNull();
                continue;
            }
            TokenLogprobs expected =
                    TokenLogprobs.of(
                            c.logits(), r * c.vocabulary(), c.vocabulary(), ids[r], draw.top());
            Objects.requireNonNull(told);
            assertThat(told.id()).isEqualTo(ids[r]);
            assertThat(told.topIds()).as("row %s, %s", r, draw).isEqualTo(expected.topIds());
            near(told.logprob(), expected.logprob());
            for (int t = 0; t < expected.topIds().length; t++) {
                near(told.topLogprobs()[t], expected.topLogprobs()[t]);
            }
        }
    }

    private static void near(float told, float expected) {
        if (Float.isInfinite(expected)) {
            assertThat(told).isEqualTo(expected);
        } else {
            assertThat(told).isCloseTo(expected, within(0x1p-20f + 0x1p-22f * Math.abs(expected)));
        }
    }

    @ParameterizedTest
    @CsvSource({
        "1, 1",
        "5, 31",
        "17, 1000",
        "64, 1000",
        "65, 4097",
        "16, 32000",
        "64, 32001",
        "3, 128256"
    })
    void drawsWhatTheCpuDraws(int rows, int vocabulary) {
        Random random = new Random(rows);
        for (int round = 0; round < 5; round++) {
            Sampling.Case c = Sampling.random(random, rows, vocabulary);
            int[] ids = sample(c);
            assertThat(ids).isEqualTo(expected(c));
            checkLogprobs(c, ids);
        }
    }

    @Test
    void saysWhichRowsDiverged() {
        float[] logits = new float[5 * 40];
        logits[3] = 1;
        logits[40 + 39] = Float.NaN;
        logits[80] = Float.POSITIVE_INFINITY;
        Arrays.fill(logits, 120, 160, Float.NEGATIVE_INFINITY);
        logits[160 + 7] = 2;
        Draw some = new Draw(1e-9, 0.9, 0, 3, 1, 1, 1, 0, 0, new int[0], new int[0]);
        List<Draw> draws = List.of(Draw.greedy(), some, some, Draw.greedy(), some);
        assertThat(sample(new Sampling.Case(40, logits, draws)))
                .containsExactly(3, Kernels.DIVERGED, Kernels.DIVERGED, Kernels.DIVERGED, 7);
    }

    /** More penalties than a step has room for: the rows at the end are the host's. */
    @Test
    void takesAnyNumberOfPenalties() {
        int vocabulary = 20_000;
        Random random = new Random(4);
        Sampling.Case c = Sampling.random(random, 40, vocabulary);
        List<Draw> draws = new ArrayList<>();
        int[] all = IntStream.range(0, vocabulary).toArray();
        int[] counts = new int[vocabulary];
        Arrays.fill(counts, 1);
        for (Draw d : c.draws()) {
            draws.add(
                    new Draw(
                            d.temperature(),
                            d.topP(),
                            d.minP(),
                            d.topK(),
                            d.seed(),
                            d.position(),
                            1.3,
                            0.5,
                            0.25,
                            all,
                            counts,
                            new float[] {3, -3},
                            5,
                            Draw.DRAWN));
        }
        Sampling.Case lengthy = new Sampling.Case(vocabulary, c.logits(), draws);
        int[] ids = sample(lengthy);
        assertThat(ids).isEqualTo(expected(lengthy));
        checkLogprobs(lengthy, ids);
    }

    /** A row's id does not depend on how many rows there are. */
    @Test
    void neighboursChangeNothing() {
        Sampling.Case c = Sampling.random(new Random(8), 70, 3000);
        int[] together = sample(c);
        for (int r = 0; r < 70; r += 23) {
            Sampling.Case alone =
                    new Sampling.Case(
                            3000,
                            Arrays.copyOfRange(c.logits(), r * 3000, (r + 1) * 3000),
                            Collections.singletonList(c.draws().get(r)));
            assertThat(sample(alone)).containsExactly(together[r]);
        }
    }
}
