package dev.aril.engine.measure;

import dev.aril.engine.Device;
import dev.aril.engine.measure.Workload.Arrivals;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.EnumSet;
import java.util.List;
import java.util.Locale;
import java.util.Set;
import java.util.function.Function;
import java.util.stream.Collectors;
import org.jspecify.annotations.Nullable;

/** What {@code bench} is asked to do, from its command line. */
final class BenchmarkOptions {
    static final String USAGE =
            """
            usage: bench [MODEL] [FLAG...]

            Measures what this machine can: streams on the CPU, single kernels, whole decode steps
            and prompts of random weights in a model's shape, and a workload served through the
            engine's door. Prints Markdown tables; bench/README.md says how to read them.

              MODEL              the imported model of the cpu part (default novella-11m)
              --only PART,...    cpu, kernels, decode, prefill, serving
                                 (default: kernels,decode,prefill,serving with a GPU, else cpu,serving)
              --shape SHAPE,...  llama-2-7b, llama-3-8b, novella-11m
                                 (default: llama-2-7b,llama-3-8b with a GPU, else novella-11m)
              --device DEVICE    cuda or cpu (default: cuda where a GPU can be used)
              --baseline         measure PyTorch in bf16 in the same run, where there is one
              --json             print the rows as JSON lines, and nothing else
              --record           append the rows to bench/results/DEVICE.jsonl
              --commit ID        the commit to record (default: what git says)
              --table            print the recorded rows as tables, and measure nothing
              --batch N,...      sequences of a decode step (default 1,16,64)
              --context N        positions of each (default 512)
              --prompt-tokens N  tokens of the prefill part's prompt (default 2048)
              --rank N           rank of the adapters, 1 to 256 (default 16)
              --warm-up SECONDS  steps before those that are measured (default 0, on the CPU 3)

            of the serving part:
              --popularity P,... none, identical, uniform, skewed, distinct (default: all)
              --clients N        that send one request after the other (default 64, on the CPU 16)
              --rate R           requests a second instead, at random
              --requests N       (default 256, on the CPU 48)
              --prompt LENGTHS   tokens: N, lognormal:MEDIAN:SIGMA or uniform:FIRST:LAST
                                 (default lognormal:98:1, whose mean is 161)
              --output LENGTHS   the same of the answers (default lognormal:245:0.8, mean 338)
              --longest N        tokens a prompt or an answer has at most (default 1024, and half
                                 the model's context)
              --seed N           (default 1)
            """;

    /** What can be measured. */
    enum Part {
        CPU,
        KERNELS,
        DECODE,
        PREFILL,
        SERVING;

        String label() {
            return name().toLowerCase(Locale.ROOT);
        }
    }

    static final int MOST_REQUESTS = 1_000_000;
    private static final int MOST_RANK = 256;

    private @Nullable String model;
    private Set<Part> parts = EnumSet.noneOf(Part.class);
    private List<Shape> shapes = List.of();
    private @Nullable Device device;
    private boolean baseline;
    private boolean json;
    private boolean record;
    private boolean table;
    private boolean help;
    private @Nullable String commit;
    private int[] batches = {1, 16, 64};
    private int context = 512;
    private int promptTokens = 2048;
    private int rank = 16;
    private @Nullable Double warmUp;
    private List<Popularity> popularities = List.of(Popularity.values());
    private @Nullable Arrivals arrivals;
    private @Nullable Integer requests;
    private Lengths prompt = new Lengths.LogNormal(98, 1);
    private Lengths output = new Lengths.LogNormal(245, 0.8);
    private int longest = 1024;
    private long seed = 1;

    private BenchmarkOptions() {}

    /**
     * @param gpu whether this machine has one that can be used: the defaults depend on it
     * @throws IllegalArgumentException naming what is wrong and what can be given
     */
    static BenchmarkOptions parse(List<String> arguments, boolean gpu) {
        BenchmarkOptions options = new BenchmarkOptions();
        List<String> rest = new ArrayList<>(arguments);
        while (!rest.isEmpty()) {
            String word = rest.removeFirst();
            int equals = word.startsWith("--") ? word.indexOf('=') : -1;
            if (equals > 0) {
                rest.addFirst(word.substring(equals + 1));
                word = word.substring(0, equals);
                if (!options.value(word, rest)) {
                    throw new IllegalArgumentException(
                            options.flag(word) ? word + " takes no value" : unknown(word));
                }
            } else if (word.startsWith("-")) {
                if (!options.flag(word) && !options.value(word, rest)) {
                    throw new IllegalArgumentException(unknown(word));
                }
            } else if (options.model == null) {
                options.model = word;
            } else {
                throw new IllegalArgumentException(
                        "one model can be measured at a time, not "
                                + options.model
                                + " and "
                                + word);
            }
        }
        if (options.table && arguments.size() > 1) {
            throw new IllegalArgumentException(
                    "--table prints what was recorded and goes with no other argument");
        }
        options.complete(gpu);
        return options;
    }

    private static String unknown(String flag) {
        return "there is no flag " + flag + "; bench --help lists them";
    }

    private boolean flag(String word) {
        switch (word) {
            case "--baseline" -> baseline = true;
            case "--json" -> json = true;
            case "--record" -> record = true;
            case "--table" -> table = true;
            case "--help", "-h" -> help = true;
            default -> {
                return false;
            }
        }
        return true;
    }

    private boolean value(String flag, List<String> rest) {
        switch (flag) {
            case "--only" -> parts = EnumSet.copyOf(list(flag, rest, BenchmarkOptions::part));
            case "--shape" -> shapes = list(flag, rest, Shape::named);
            case "--device" -> device = device(next(flag, rest));
            case "--commit" -> commit = next(flag, rest);
            case "--batch" ->
                    batches =
                            list(flag, rest, word -> whole(flag, word, 1, 1024)).stream()
                                    .mapToInt(Integer::intValue)
                                    .toArray();
            case "--context" -> context = whole(flag, next(flag, rest), 2, 1 << 20);
            case "--prompt-tokens" -> promptTokens = whole(flag, next(flag, rest), 1, 1 << 20);
            case "--rank" -> rank = whole(flag, next(flag, rest), 1, MOST_RANK);
            case "--warm-up" -> warmUp = number(flag, next(flag, rest), 0, 3600);
            case "--popularity" -> popularities = list(flag, rest, Popularity::named);
            case "--clients" ->
                    arrivals = new Arrivals.Clients(whole(flag, next(flag, rest), 1, 4096));
            case "--rate" ->
                    arrivals = new Arrivals.Poisson(number(flag, next(flag, rest), 0.001, 1e6));
            case "--requests" -> requests = whole(flag, next(flag, rest), 1, MOST_REQUESTS);
            case "--prompt" -> prompt = Lengths.parse(flag, next(flag, rest));
            case "--output" -> output = Lengths.parse(flag, next(flag, rest));
            case "--longest" -> longest = whole(flag, next(flag, rest), 1, 1 << 20);
            case "--seed" ->
                    seed = whole(flag, next(flag, rest), Integer.MIN_VALUE, Integer.MAX_VALUE);
            default -> {
                return false;
            }
        }
        return true;
    }

    private static String next(String flag, List<String> rest) {
        if (rest.isEmpty()) {
            throw new IllegalArgumentException(flag + " needs a value; bench --help tells which");
        }
        return rest.removeFirst();
    }

    private static <T> List<T> list(String flag, List<String> rest, Function<String, T> each) {
        return Arrays.stream(next(flag, rest).split(",", -1)).map(each).distinct().toList();
    }

    private static int whole(String flag, String word, int least, int most) {
        try {
            int value = Integer.parseInt(word);
            if (value >= least && value <= most) {
                return value;
            }
        } catch (NumberFormatException e) {
            // told below
        }
        throw new IllegalArgumentException(
                flag
                        + " must be a whole number from "
                        + least
                        + " to "
                        + most
                        + ", not \""
                        + word
                        + "\"");
    }

    private static double number(String flag, String word, double least, double most) {
        try {
            double value = Double.parseDouble(word);
            if (value >= least && value <= most) {
                return value;
            }
        } catch (NumberFormatException e) {
            // told below
        }
        throw new IllegalArgumentException(
                flag + " must be from " + least + " to " + most + ", not \"" + word + "\"");
    }

    private static Part part(String word) {
        for (Part part : Part.values()) {
            if (part.label().equals(word)) {
                return part;
            }
        }
        throw new IllegalArgumentException(
                "--only must be some of "
                        + Arrays.stream(Part.values())
                                .map(Part::label)
                                .collect(Collectors.joining(","))
                        + ", not \""
                        + word
                        + "\"");
    }

    private static Device device(String word) {
        return switch (word) {
            case "cuda" -> Device.CUDA;
            case "cpu" -> Device.CPU;
            default ->
                    throw new IllegalArgumentException(
                            "--device must be cuda or cpu, not \"" + word + "\"");
        };
    }

    private void complete(boolean gpu) {
        if (device == null) {
            device = gpu ? Device.CUDA : Device.CPU;
        }
        boolean cuda = device == Device.CUDA;
        if (parts.isEmpty()) {
            parts =
                    cuda
                            ? EnumSet.complementOf(EnumSet.of(Part.CPU))
                            : EnumSet.of(Part.CPU, Part.SERVING);
        }
        if (parts.contains(Part.KERNELS) && !cuda) {
            throw new IllegalArgumentException(
                    "--only kernels measures a GPU's kernels; leave it out with --device cpu or"
                            + " where there is no GPU");
        }
        if (shapes.isEmpty()) {
            shapes =
                    cuda ? List.of(Shape.LLAMA_2_7B, Shape.LLAMA_3_8B) : List.of(Shape.NOVELLA_11M);
        }
        for (Shape shape : shapes) {
            if (parts.contains(Part.DECODE) && context > shape.config().contextLength()) {
                throw new IllegalArgumentException(
                        "--context must be at most "
                                + shape.config().contextLength()
                                + " for "
                                + shape.label()
                                + ", not "
                                + context);
            }
        }
        if (arrivals == null) {
            arrivals = new Arrivals.Clients(cuda ? 64 : 16);
        }
        if (warmUp == null) {
            warmUp = cuda ? 0.0 : 3.0; // the virtual machine compiles what runs often
        }
        if (requests == null) {
            requests = cuda ? 256 : 48;
        }
    }

    String model() {
        return model == null ? "novella-11m" : model;
    }

    boolean has(Part part) {
        return parts.contains(part);
    }

    List<Shape> shapes() {
        return shapes;
    }

    Device device() {
        return device == null ? Device.CPU : device;
    }

    boolean baseline() {
        return baseline;
    }

    boolean json() {
        return json;
    }

    boolean record() {
        return record;
    }

    boolean table() {
        return table;
    }

    boolean help() {
        return help;
    }

    @Nullable String commit() {
        return commit;
    }

    int[] batches() {
        return batches.clone();
    }

    int context() {
        return context;
    }

    int promptTokens() {
        return promptTokens;
    }

    int rank() {
        return rank;
    }

    double warmUpSeconds() {
        return warmUp == null ? 0 : warmUp;
    }

    List<Popularity> popularities() {
        return popularities;
    }

    /** The serving part's workload for a shape. */
    Workload.Plan plan(Shape shape, Popularity popularity) {
        return new Workload.Plan(
                requests == null ? 1 : requests,
                arrivals == null ? new Arrivals.Clients(1) : arrivals,
                prompt,
                output,
                Math.min(longest, shape.config().contextLength() / 2),
                popularity,
                seed);
    }
}
