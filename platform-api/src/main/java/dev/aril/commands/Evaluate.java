package dev.aril.commands;

import dev.aril.engine.Device;
import dev.aril.engine.Engine;
import dev.aril.engine.EngineSettings;
import dev.aril.engine.measure.Ablation;
import dev.aril.engine.measure.Evaluation;
import dev.aril.engine.measure.ExactMatch;
import dev.aril.engine.measure.MultipleChoice;
import dev.aril.engine.measure.Perplexity;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Locale;
import java.util.Map;
import java.util.concurrent.Callable;
import org.jspecify.annotations.Nullable;
import picocli.CommandLine.Command;
import picocli.CommandLine.Option;
import picocli.CommandLine.Parameters;
import tools.jackson.databind.json.JsonMapper;

/** {@code evaluate}: what a model, and its quantization, is worth. */
@Command(
        name = "evaluate",
        description = {
            "Prints a model's perplexity on a text; with --cases the share of chat cases that an",
            "adapter answers exactly; with --choices the share of questions answered rightly; with",
            "--ablation what each part of the recipes is worth for a checkpoint. The demonstration",
            "model is imported when it is needed."
        },
        mixinStandardHelpOptions = true)
public final class Evaluate implements Callable<Integer> {
    @Parameters(
            paramLabel = "MODEL",
            arity = "0..1",
            description = {
                "an imported model's name or directory, for example novella-11m-bf16; with",
                "--ablation a Hugging Face model's (default: ${DEFAULT-VALUE})"
            })
    private String model = "novella-11m";

    @Option(
            names = "--text",
            description = "a UTF-8 text; --ablation takes several (default: Pride and Prejudice)")
    private List<Path> texts = List.of();

    @Option(names = "--adapter", description = "a PEFT adapter's directory")
    private @Nullable Path adapter;

    @Option(names = "--cases", description = "JSON lines with user and assistant")
    private @Nullable Path cases;

    @Option(
            names = "--choices",
            description = "JSON lines with question, choices and answer, the right one's index")
    private @Nullable Path choices;

    @Option(names = "--ablation", description = "print the table of recipes for this checkpoint")
    private boolean ablation;

    @Option(
            names = "--calibration",
            description = "a text for --ablation; default: the bundled one")
    private @Nullable Path calibration;

    @Option(
            names = "--device",
            description = "cpu or cuda, for --text and --choices (default: ${DEFAULT-VALUE})")
    private String deviceName = "cpu";

    @Option(names = "--json", description = "print one JSON object")
    private boolean json;

    @Override
    public Integer call() throws Exception {
        check();
        Installation here = Installation.here();
        List<Path> read =
                texts.isEmpty()
                        ? List.of(here.checkpoint().resolve("text/heldout-pride.txt"))
                        : texts;
        read.forEach(text -> file("--text", text));
        file("--cases", cases);
        file("--choices", choices);
        file("--calibration", calibration);
        if (adapter != null && !Files.isDirectory(adapter)) {
            throw new IllegalArgumentException("--adapter: there is no directory " + adapter);
        }
        if (ablation) {
            ablation(here, read);
            return 0;
        }
        Map<String, Object> result = new LinkedHashMap<>();
        result.put("model", model);
        Path directory = here.model(model);
        if (cases != null && adapter != null) {
            cases(directory, adapter, cases, result);
        } else {
            score(directory, read.getFirst(), result);
        }
        if (json) {
            System.out.println(JsonMapper.shared().writeValueAsString(result));
        } else {
            result.forEach((key, value) -> System.out.println(key + ": " + shown(value)));
        }
        return 0;
    }

    /** What cannot be asked together. */
    private void check() {
        if (cases != null && adapter == null) {
            throw new IllegalArgumentException("--cases needs the --adapter that answers them");
        }
        int asked = (texts.isEmpty() ? 0 : 1) + (cases == null ? 0 : 1) + (choices == null ? 0 : 1);
        if (asked > 1) {
            throw new IllegalArgumentException("give one of --text, --cases and --choices");
        }
        if (texts.size() > 1 && !ablation) {
            throw new IllegalArgumentException("only --ablation takes several --text");
        }
        if (ablation && (adapter != null || choices != null)) {
            throw new IllegalArgumentException(
                    "--ablation measures texts: leave out --adapter, --cases and --choices");
        }
    }

    private static void file(String option, @Nullable Path path) {
        if (path != null && !Files.isReadable(path)) {
            throw new IllegalArgumentException(option + ": there is no file " + path);
        }
    }

    private Device device() {
        return switch (deviceName) {
            case "cpu" -> Device.CPU;
            case "cuda" -> Device.CUDA;
            default ->
                    throw new IllegalArgumentException(
                            "--device must be cpu or cuda, not \"" + deviceName + "\"");
        };
    }

    private static String shown(Object value) {
        return value instanceof Double d
                ? String.format(Locale.ROOT, "%.3f", d)
                : String.valueOf(value);
    }

    private static void cases(Path directory, Path adapter, Path cases, Map<String, Object> result)
            throws Exception {
        try (Engine engine = Engine.start(directory, EngineSettings.defaults())) {
            ExactMatch match = ExactMatch.of(engine, adapter, cases);
            result.put("recipe", engine.model().recipe());
            result.put("adapter", String.valueOf(adapter.getFileName()));
            result.put("cases", match.cases());
            result.put("matches", match.matches());
            result.put("score", match.score());
        }
    }

    private void score(Path directory, Path text, Map<String, Object> result) throws Exception {
        ProgressBar progress = ProgressBar.onError();
        try (Evaluation evaluation = Evaluation.open(directory, adapter, device())) {
            result.put("recipe", evaluation.recipe());
            if (adapter != null) {
                result.put("adapter", String.valueOf(adapter.getFileName()));
            }
            if (choices != null) {
                MultipleChoice score = evaluation.choices(choices, progress);
                result.put("questions", score.questions());
                result.put("score", score.accuracy());
                result.put("score_by_length", score.accuracyByLength());
                return;
            }
            Perplexity perplexity = evaluation.perplexity(text, progress);
            result.put("text", String.valueOf(text.getFileName()));
            result.put("tokens", perplexity.tokens());
            result.put("perplexity", perplexity.value());
        }
    }

    private void ablation(Installation here, List<Path> read) throws Exception {
        List<Ablation.Line> lines = new ArrayList<>();
        if (!json) {
            StringBuilder head = new StringBuilder(String.format("%-42s", model));
            for (Path text : read) {
                head.append(String.format("%24s", text.getFileName()));
            }
            System.out.println(head);
        }
        Ablation.run(
                here.checkpoint(model),
                calibration == null ? here.calibration() : calibration,
                read,
                ProgressBar.onError(),
                line -> {
                    lines.add(line);
                    if (!json) {
                        System.out.println(row(line, lines.getFirst()));
                    }
                });
        if (json) {
            Map<String, Object> result = new LinkedHashMap<>();
            result.put("model", model);
            result.put("texts", read.stream().map(t -> String.valueOf(t.getFileName())).toList());
            result.put("lines", lines);
            System.out.println(JsonMapper.shared().writeValueAsString(result));
        }
    }

    /** Perplexities, and what they are of the first line's. */
    private static String row(Ablation.Line line, Ablation.Line first) {
        StringBuilder row = new StringBuilder(String.format("%-42s", line.label()));
        for (int i = 0; i < line.perplexities().size(); i++) {
            double value = line.perplexities().get(i).value();
            double ratio = value / first.perplexities().get(i).value();
            row.append(
                    String.format(
                            Locale.ROOT,
                            "%24s",
                            String.format(Locale.ROOT, "%.3f (%.3f)", value, ratio)));
        }
        return row.toString();
    }
}
