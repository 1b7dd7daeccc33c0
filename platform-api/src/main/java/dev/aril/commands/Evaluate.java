package dev.aril.commands;

import dev.aril.engine.Engine;
import dev.aril.engine.EngineSettings;
import dev.aril.engine.measure.ExactMatch;
import dev.aril.engine.measure.Perplexity;
import java.nio.file.Path;
import java.util.LinkedHashMap;
import java.util.Locale;
import java.util.Map;
import java.util.concurrent.Callable;
import org.jspecify.annotations.Nullable;
import picocli.CommandLine.Command;
import picocli.CommandLine.Option;
import picocli.CommandLine.Parameters;
import tools.jackson.databind.json.JsonMapper;

/** {@code evaluate}: perplexity of a text, or how many chat cases an adapter answers exactly. */
@Command(
        name = "evaluate",
        description = {
            "Prints a model's perplexity on a text, or with --adapter and --cases the share of",
            "chat cases answered exactly. The demonstration model is imported when it is needed."
        },
        mixinStandardHelpOptions = true)
public final class Evaluate implements Callable<Integer> {
    @Parameters(
            paramLabel = "MODEL",
            arity = "0..1",
            description = "novella-11m, novella-11m-bf16, or an imported model's directory")
    private String model = "novella-11m";

    @Option(names = "--text", description = "a UTF-8 text; default: Pride and Prejudice")
    private @Nullable Path text;

    @Option(names = "--adapter", description = "a PEFT adapter's directory")
    private @Nullable Path adapter;

    @Option(names = "--cases", description = "JSON lines with user and assistant")
    private @Nullable Path cases;

    @Option(names = "--json", description = "print one JSON object")
    private boolean json;

    @Override
    public Integer call() throws Exception {
        if ((adapter == null) != (cases == null)) {
            throw new IllegalArgumentException("--adapter and --cases go together");
        }
        Installation here = Installation.here();
        Path directory = here.model(model);
        Map<String, Object> result = new LinkedHashMap<>();
        result.put("model", model);
        if (adapter != null && cases != null) {
            try (Engine engine = Engine.start(directory, EngineSettings.defaults())) {
                ExactMatch match = ExactMatch.of(engine, adapter, cases);
                result.put("recipe", engine.model().recipe());
                result.put("cases", match.cases());
                result.put("matches", match.matches());
                result.put("score", match.score());
            }
        } else {
            Path file = text == null ? here.checkpoint().resolve("text/heldout-pride.txt") : text;
            Perplexity perplexity =
                    Perplexity.of(
                            directory,
                            file,
                            (done, all) -> System.err.print("\rwindow " + done + " of " + all));
            System.err.println();
            result.put("text", String.valueOf(file.getFileName()));
            result.put("tokens", perplexity.tokens());
            result.put("perplexity", perplexity.value());
        }
        if (json) {
            System.out.println(JsonMapper.shared().writeValueAsString(result));
        } else {
            result.forEach((key, value) ->
                    System.out.println(
                            key
                                    + ": "
                                    + (value instanceof Double d
                                            ? String.format(Locale.ROOT, "%.3f", d)
                                            : value)));
        }
        return 0;
    }
}
