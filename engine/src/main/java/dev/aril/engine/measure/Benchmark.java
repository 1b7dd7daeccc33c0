package dev.aril.engine.measure;

import dev.aril.cuda.OutOfDeviceMemory;
import dev.aril.engine.AdapterRejected;
import dev.aril.engine.Device;
import dev.aril.engine.Engine;
import dev.aril.engine.EngineSettings;
import dev.aril.engine.kernels.CudaKernels;
import dev.aril.engine.measure.BenchmarkOptions.Part;
import dev.aril.engine.model.ModelConfig;
import java.io.IOException;
import java.io.PrintStream;
import java.io.UncheckedIOException;
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.Path;
import java.time.LocalDate;
import java.time.ZoneOffset;
import java.util.ArrayList;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Locale;
import java.util.Map;
import java.util.Optional;

/** The {@code bench} command: measures what was asked for, prints it, and records it. */
public final class Benchmark {
    /** The server's own, but for a queue that takes a whole workload. */
    private static final EngineSettings SETTINGS =
            new EngineSettings(0, 0, BenchmarkOptions.MOST_REQUESTS, 0, 0, 0);

    // rows of the kernels part's operations
    private static final int[] GEMM_ROWS = {1, 16, 64, 128, 256, 1024, 4096};
    private static final int[] OP_ROWS = {1, 16, 64, 2048};
    private static final int[] HEAD_ROWS = {1, 16, 64};
    private static final int[] LORA_ROWS = {1, 16, 64};
    private static final int[] LORA_RANKS = {16, 64};

    /** Prompts, tokens. */
    private static final int[] PROMPTS = {512, 2048};

    /** Sequences and their lengths; the largest caches last. */
    private static final int[][] CACHES = {
        {1, 1024}, {16, 1024}, {64, 1024}, {64, 4096}, {16, 32768}
    };

    /** Finds a model by what the user calls it. */
    public interface Models {
        Path folder(String nameOrDirectory) throws IOException;
    }

    /**
     * Where the command runs.
     *
     * @param home the repository's folder, which holds {@code bench/}
     * @param adapters PEFT directories of adapters for the model
     * @param out gets the result and nothing else
     * @param err gets what goes on
     */
    public record Place(
            Path home, Models models, List<Path> adapters, PrintStream out, PrintStream err) {
        public Place {
            adapters = List.copyOf(adapters);
        }
    }

    private final Place place;
    private final BenchmarkOptions options;
    private final long start = System.nanoTime();
    private final List<Row> rows = new ArrayList<>();
    private final Results results;
    private final String commit;
    private TorchBaseline torch = TorchBaseline.NONE;

    private Benchmark(Place place, BenchmarkOptions options) throws IOException {
        this.place = place;
        this.options = options;
        this.results = new Results(place.home().resolve("bench/results"));
        String given = options.commit();
        this.commit = given == null ? commit(place.home()) : given;
    }

    /**
     * @param arguments see {@link #usage}
     * @throws IllegalArgumentException if one is not understood, saying what would be
     */
    public static void run(List<String> arguments, Place place)
            throws IOException, AdapterRejected {
        Optional<String> noGpu = CudaKernels.unusable();
        BenchmarkOptions options = BenchmarkOptions.parse(arguments, noGpu.isEmpty());
        if (options.help()) {
            place.out().print(usage());
        } else if (options.table()) {
            Results results = new Results(place.home().resolve("bench/results"));
            place.out().print(FiguresTable.recorded(results.read()));
        } else if (options.device() == Device.CUDA && noGpu.isPresent()) {
            throw new IllegalArgumentException("--device cuda: " + noGpu.get());
        } else {
            new Benchmark(place, options).run();
        }
    }

    /** For people: all arguments. */
    public static String usage() {
        return BenchmarkOptions.USAGE;
    }

    /**
     * The command without the rest of the program, in the repository's folder, or with that in the
     * property {@code aril.home}. The model must be a directory then.
     */
    public static void main(String[] arguments) throws IOException, AdapterRejected {
        PrintStream out = System.out;
        System.setOut(System.err); // whatever else is printed is no result
        Path home = Path.of(System.getProperty("aril.home", "."));
        Path demonstration = home.resolve("models/novella-11m/adapters");
        List<Path> adapters =
                List.of("sql", "sherlock", "shakespeare").stream()
                        .map(demonstration::resolve)
                        .toList();
        try {
            run(
                    List.of(arguments),
                    new Place(home, Benchmark::directory, adapters, out, System.err));
        } catch (IllegalArgumentException | IOException e) {
            System.err.println("bench: " + e.getMessage());
            System.exit(1);
        }
    }

    private static Path directory(String model) {
        Path directory = Path.of(model);
        if (!Files.exists(directory.resolve("aril.json"))) {
            throw new IllegalArgumentException(
                    model
                            + " is no imported model's directory; give one, or leave out the cpu part");
        }
        return directory;
    }

    private void run() throws IOException, AdapterRejected {
        if (options.baseline()) {
            baseline();
        }
        if (options.has(Part.CPU)) {
            Path model = place.models().folder(options.model());
            CpuStreams.run(model, place.adapters(), this::progress).forEach(this::take);
        }
        if (options.has(Part.KERNELS)) {
            kernels();
        }
        if (options.has(Part.DECODE) || options.has(Part.PREFILL)) {
            StepBenchmark steps =
                    new StepBenchmark(
                            options.device(),
                            torch,
                            options.batches(),
                            options.context(),
                            options.promptTokens(),
                            options.rank(),
                            options.warmUpSeconds(),
                            this::take,
                            this::progress);
            for (Shape shape : options.shapes()) {
                steps.run(shape, options.has(Part.DECODE), options.has(Part.PREFILL));
            }
        }
        if (options.has(Part.SERVING)) {
            serving();
        }
        if (!options.json()) {
            place.out().print(FiguresTable.of(rows));
        }
    }

    /** Before the engine takes the device's memory. */
    private void baseline() throws IOException {
        List<String> parts = new ArrayList<>();
        if (options.has(Part.KERNELS)) {
            parts.addAll(List.of("peak", "gemm", "head", "attention", "lora"));
        }
        if (options.has(Part.DECODE)) {
            parts.add("decode");
        }
        if (options.has(Part.PREFILL)) {
            parts.add("prefill");
        }
        String missing =
                parts.isEmpty()
                        ? "none of the parts has one"
                        : options.device() == Device.CUDA
                                ? TorchBaseline.missing()
                                : "it is one of GPUs";
        if (missing != null) {
            progress("the baseline is skipped: " + missing);
            return;
        }
        Path script = place.home().resolve("bench/torch_baseline.py");
        torch = TorchBaseline.run(script, parts, this::progress);
        for (Row row : torch.rows()) {
            String bench = "torch-" + row.bench();
            take(row.with("bench", bench));
        }
    }

    private void kernels() {
        try (Meter meter = Meter.open(options.device())) {
            progress("measuring the copy rate");
            double rate = meter.copyBytesPerSecond();
            take(Row.of("copy").with("gb_per_s", rate / 1e9));
            KernelBench bench =
                    new KernelBench(
                            meter,
                            new Roofline(rate, torch.opsPerSecond()),
                            torch,
                            row -> {
                                progress(row.json());
                                take(row);
                            });
            List<ModelConfig> shapes = options.shapes().stream().map(Shape::config).toList();
            room(() -> new GemmBenchmark(bench, GEMM_ROWS, OP_ROWS, HEAD_ROWS).run(shapes));
            for (int width : shapes.stream().mapToInt(ModelConfig::hidden).distinct().toArray()) {
                room(() -> new LoraBenchmark(bench, width).run(LORA_ROWS, LORA_RANKS));
            }
            AttentionBenchmark attention = new AttentionBenchmark(bench, 32, 128);
            for (int kvHeads : new int[] {32, 8}) {
                for (int length : PROMPTS) {
                    room(() -> attention.prefill(length, kvHeads));
                }
                for (int[] size : CACHES) {
                    room(() -> attention.decode(size[0], size[1], kvHeads));
                }
            }
        }
    }

    /** Measures, unless the device has too little memory for it. */
    private void room(Runnable measured) {
        try {
            measured.run();
        } catch (OutOfDeviceMemory e) {
            progress("left out, the device has too little memory: " + e.getMessage());
        }
    }

    private void serving() throws IOException {
        try (RandomModel models = new RandomModel()) {
            for (Shape shape : options.shapes()) {
                progress("starting an engine on random weights in the shape of " + shape.label());
                try (Engine engine = models.start(shape, SETTINGS, options.device())) {
                    serve(engine, shape, models);
                }
            }
        }
    }

    private void serve(Engine engine, Shape shape, RandomModel models) throws IOException {
        double warmUp = options.warmUpSeconds();
        int set = 0;
        for (Popularity popularity : options.popularities()) {
            Workload.Plan plan = options.plan(shape, popularity);
            int adapters = popularity.counts(plan.requests()).length;
            progress(shape.label() + ": serving " + plan.requests() + ", " + popularity.label());
            try {
                Row row =
                        new ServingBenchmark(engine, (long) (1e9 * warmUp))
                                .run(plan, models.adapters(shape, options.rank(), set++, adapters));
                Row setting = Row.of("serving").with("shape", shape.label());
                take((adapters > 0 ? setting.with("rank", options.rank()) : setting).and(row));
                warmUp = 0; // it is warm now
            } catch (InterruptedException e) {
                Thread.currentThread().interrupt();
                throw new IOException("interrupted", e);
            }
        }
    }

    /** A row is printed and recorded at once: an interrupted run keeps what it has. */
    private void take(Row measured) {
        Map<String, Object> stamp = new LinkedHashMap<>();
        stamp.put("date", LocalDate.now(ZoneOffset.UTC).toString());
        stamp.put("commit", commit);
        stamp.put("device", Meter.name(options.device()));
        if (options.device() == Device.CPU || measured.bench().equals("streams")) {
            stamp.put("cores", (long) Runtime.getRuntime().availableProcessors());
        }
        Row row = measured.after(stamp);
        rows.add(row);
        if (options.json()) {
            place.out().println(row.json());
        }
        if (options.record()) {
            try {
                results.append(row);
            } catch (IOException e) {
                throw new UncheckedIOException(e);
            }
        }
    }

    private void progress(String line) {
        place.err().printf(Locale.ROOT, "%6.1f s  %s%n", (System.nanoTime() - start) / 1e9, line);
    }

    /** The commit that was built, as git knows it; "unknown" outside a clone. */
    private static String commit(Path home) throws IOException {
        Process git;
        try {
            git =
                    new ProcessBuilder("git", "describe", "--always", "--dirty")
                            .directory(home.toFile())
                            .redirectError(ProcessBuilder.Redirect.DISCARD)
                            .start();
        } catch (IOException e) {
            return "unknown"; // no git here
        }
        String out =
                new String(git.getInputStream().readAllBytes(), StandardCharsets.UTF_8).strip();
        try {
            return git.waitFor() == 0 ? out : "unknown";
        } catch (InterruptedException e) {
            Thread.currentThread().interrupt();
            throw new IOException("interrupted", e);
        }
    }
}
