package dev.aril.engine.measure;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.within;

import dev.aril.engine.Device;
import dev.aril.engine.Engine;
import dev.aril.engine.EngineSettings;
import dev.aril.engine.Gpu;
import dev.aril.engine.ModelImport;
import dev.aril.engine.kernels.CpuKernels;
import dev.aril.engine.kernels.CudaKernels;
import dev.aril.engine.kernels.Kernels;
import dev.aril.engine.kernels.Kernels.Adapter;
import dev.aril.engine.kernels.Rows;
import dev.aril.engine.model.Checkpoint;
import dev.aril.engine.model.Forward;
import dev.aril.engine.model.ModelFiles;
import dev.aril.engine.model.PeftAdapter;
import dev.aril.engine.text.Tokenizer;
import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.HashMap;
import java.util.List;
import java.util.Map;
import java.util.Random;
import java.util.regex.Pattern;
import org.jspecify.annotations.Nullable;
import org.junit.jupiter.api.BeforeAll;
import org.junit.jupiter.api.Tag;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.ValueSource;
import tools.jackson.databind.JsonNode;
import tools.jackson.databind.json.JsonMapper;

/** The whole model on the GPU, against the CPU and against recorded outputs. */
@Tag("gpu")
class CudaModelTest {
    private static final Path MODEL = Path.of("../models/novella-11m");
    private static final String[] ADAPTERS = {"sherlock", "shakespeare", "sql"};
    private static final long GPU_BYTES = 4L << 30;

    @TempDir static Path folder;
    private static Path imported = Path.of("");

    @BeforeAll
    static void importOnce() throws IOException {
        Gpu.isNeeded();
        imported = folder.resolve("novella");
        ModelImport.run(MODEL, MODEL.resolve("text/calibration.txt"), "w4a4", imported, line -> {});
    }

    @ParameterizedTest
    @ValueSource(strings = {"base", "sherlock", "shakespeare", "sql"})
    void plainRecipeReproducesTheRecordedOutputs(String name) throws Exception {
        JsonNode cases =
                JsonMapper.shared()
                        .readTree(Files.readAllBytes(MODEL.resolve("golden/golden.json")))
                        .path(name);
        assertThat(cases.size()).isPositive();
        try (Checkpoint checkpoint = Checkpoint.open(MODEL);
                Kernels kernels = new CudaKernels(GPU_BYTES)) {
            Forward forward = new Forward(checkpoint, kernels, Scorer.CHUNK, 0);
            Adapter adapter = name.equals("base") ? null : load(forward, name);
            double worst = 0;
            for (JsonNode recorded : cases) {
                int[] ids =
                        recorded.path("input_ids")
                                .valueStream()
                                .mapToInt(JsonNode::asInt)
                                .toArray();
                double[] actual = new Scorer(forward).score(ids, adapter);
                JsonNode expected = recorded.path("prompt_logprobs");
                assertThat(expected.size()).isEqualTo(actual.length);
                for (int i = 0; i < actual.length; i++) {
                    double value = expected.path(i).asDouble();
                    worst = Math.max(worst, Math.abs(actual[i] - value));
                    assertThat(actual[i]).isCloseTo(value, within(0.02));
                }
            }
            report("golden log-probabilities, " + name + ", largest difference " + worst);
        }
    }

    @Test
    void perplexityIsTheCpus() throws Exception {
        String text = Files.readString(MODEL.resolve("text/heldout-pride.txt"));
        double[] values = new double[2];
        try (ModelFiles files = ModelFiles.open(imported);
                Tokenizer tokenizer = Tokenizer.open(imported)) {
            for (int i = 0; i < 2; i++) {
                try (Kernels kernels = i == 0 ? new CpuKernels(0) : new CudaKernels(GPU_BYTES)) {
                    Forward forward = new Forward(files, kernels, Scorer.CHUNK, 0);
                    values[i] = Perplexity.of(forward, null, tokenizer, text, share -> {}).value();
                }
            }
        }
        report("perplexity of w4a4: CPU " + values[0] + ", GPU " + values[1]);
        assertThat(values[1]).isCloseTo(values[0], within(0.005 * values[0]));
    }

    /**
     * A difference in the last place rounds a code the other way now and then, and then an answer
     * may change for better or worse: on the 200 recorded cases alone the two scores differ by up
     * to 2.5 points from one build to the next, so each is also asked with other numbers.
     */
    @Test
    void adapterAnswersAsOnTheCpu() throws Exception {
        Path sql = MODEL.resolve("adapters/sql");
        Path cases = folder.resolve("sql.jsonl");
        Files.write(cases, withOtherNumbers(MODEL.resolve("golden/sql-test.jsonl")));
        double[] scores = new double[2];
        for (int i = 0; i < 2; i++) {
            Device device = i == 0 ? Device.CPU : Device.CUDA;
            try (Engine engine = Engine.start(imported, EngineSettings.defaults(), device)) {
                scores[i] = ExactMatch.of(engine, sql, cases).score();
            }
        }
        report("exact match of sql: CPU " + scores[0] + ", GPU " + scores[1]);
        assertThat(scores[1]).isCloseTo(scores[0], within(0.0201));
    }

    /** Each case as it is and, where it has numbers, nine times with others of as many digits. */
    private static List<String> withOtherNumbers(Path cases) throws IOException {
        Random random = new Random(5);
        List<String> all = new ArrayList<>();
        for (String line : Files.readAllLines(cases)) {
            all.add(line);
            for (int i = 0; i < 9 && line.matches(".*\\b[0-9]+\\b.*"); i++) {
                Map<String, String> others = new HashMap<>();
                all.add(
                        Pattern.compile("\\b[0-9]+\\b")
                                .matcher(line)
                                .replaceAll(number ->
                                        others.computeIfAbsent(
                                                number.group(), n -> number(n.length(), random))));
            }
        }
        return all;
    }

    private static String number(int digits, Random random) {
        int least = (int) Math.pow(10, digits - 1);
        return Integer.toString(least + random.nextInt(9 * least));
    }

    /** Prompts and decode steps of eight sequences, four with adapters, side by side and alone. */
    @Test
    void neighboursNeverChangeABit() throws Exception {
        try (ModelFiles files = ModelFiles.open(imported);
                Kernels kernels = new CudaKernels(GPU_BYTES)) {
            Forward forward = new Forward(files, kernels, 1024, 64 << 20);
            List<@Nullable Adapter> adapters = new ArrayList<>();
            for (int i = 0; i < 8; i++) {
                adapters.add(i < 4 ? load(forward, ADAPTERS[i % 3]) : null);
            }
            int[] lengths = {1, 7, 130, 33, 64, 17, 250, 3};
            Random random = new Random(11);
            int[][] ids = new int[8][];
            for (int i = 0; i < 8; i++) {
                ids[i] = random.ints(lengths[i] + 1, 8, 4096).toArray();
            }
            int vocabulary = forward.config().vocabulary();
            // prompts, then one more token each
            for (int step = 0; step < 2; step++) {
                List<float[]> alone = new ArrayList<>();
                for (int i = 0; i < 8; i++) {
                    alone.add(run(forward, adapters, ids, step, i, i + 1));
                }
                float[] together = run(forward, adapters, ids, step, 0, 8);
                for (int i = 0; i < 8; i++) {
                    assertThat(Arrays.copyOfRange(together, i * vocabulary, (i + 1) * vocabulary))
                            .isEqualTo(alone.get(i));
                }
            }
        }
    }

    /** Logits of the last row of sequences from .. to - 1. */
    private static float[] run(
            Forward forward,
            List<@Nullable Adapter> adapters,
            int[][] ids,
            int step,
            int from,
            int to) {
        List<Integer> tokens = new ArrayList<>();
        List<Integer> positions = new ArrayList<>();
        List<Rows.Span> spans = new ArrayList<>();
        List<Rows.Segment> segments = new ArrayList<>();
        int[] sampled = new int[to - from];
        for (int i = from; i < to; i++) {
            int first = step == 0 ? 0 : ids[i].length - 1;
            int end = step == 0 ? ids[i].length - 1 : ids[i].length;
            int row = tokens.size();
            for (int p = first; p < end; p++) {
                tokens.add(ids[i][p]);
                positions.add(p);
            }
            int[] blocks = new int[17];
            for (int b = 0; b < blocks.length; b++) {
                blocks[b] = b * 8 + i;
            }
            spans.add(new Rows.Span(row, end - first, blocks));
            Adapter adapter = adapters.get(i);
            if (adapter != null) {
                segments.add(new Rows.Segment(row, end - first, adapter));
            }
            sampled[i - from] = tokens.size() - 1;
        }
        return forward.run(
                new Rows(
                        tokens.stream().mapToInt(x -> x).toArray(),
                        positions.stream().mapToInt(x -> x).toArray(),
                        spans.toArray(Rows.Span[]::new),
                        segments.toArray(Rows.Segment[]::new)),
                sampled);
    }

    private static Adapter load(Forward forward, String name) throws Exception {
        try (PeftAdapter file =
                PeftAdapter.read(MODEL.resolve("adapters").resolve(name), forward.config())) {
            return forward.load(file);
        }
    }

    private static void report(String line) {
        System.out.println("[gpu] " + line);
    }
}
