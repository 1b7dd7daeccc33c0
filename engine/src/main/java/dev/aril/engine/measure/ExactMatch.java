package dev.aril.engine.measure;

import dev.aril.engine.AdapterRef;
import dev.aril.engine.AdapterRejected;
import dev.aril.engine.ChatMessage;
import dev.aril.engine.Engine;
import dev.aril.engine.GenerationRequest;
import dev.aril.engine.SamplingParams;
import dev.aril.engine.text.TextFile;
import java.io.IOException;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.List;
import tools.jackson.databind.JsonNode;
import tools.jackson.databind.json.JsonMapper;

/**
 * How many chat cases an adapter answers, greedily, with exactly the expected text.
 *
 * @param cases JSON lines with {@code user} and {@code assistant}
 */
public record ExactMatch(int matches, int cases) {
    /** Longest answer asked for, tokens. */
    private static final int MAX_TOKENS = 96;

    public double score() {
        return (double) matches / cases;
    }

    /**
     * @param adapter a PEFT directory
     * @param file JSON lines with {@code user} and {@code assistant}
     */
    public static ExactMatch of(Engine engine, Path adapter, Path file)
            throws IOException, AdapterRejected {
        AdapterRef ref = new AdapterRef(engine.verify(adapter).digest(), adapter);
        List<GenerationRequest> requests = new ArrayList<>();
        List<String> expected = new ArrayList<>();
        for (String line : TextFile.read(file).lines().toList()) {
            JsonNode node = JsonMapper.shared().readTree(line);
            if (!node.path("user").isString() || !node.path("assistant").isString()) {
                throw new IllegalArgumentException(
                        file.getFileName()
                                + ", line "
                                + (expected.size() + 1)
                                + ": needs user and assistant");
            }
            expected.add(node.path("assistant").asString());
            requests.add(
                    new GenerationRequest(
                            "case-" + expected.size(),
                            "cases",
                            engine.tokenize(
                                    List.of(new ChatMessage("user", node.path("user").asString()))),
                            ref,
                            SamplingParams.greedy(MAX_TOKENS)));
        }
        List<String> texts = Streams.run(engine, requests);
        int matches = 0;
        for (int i = 0; i < expected.size(); i++) {
            matches += texts.get(i).strip().equals(expected.get(i)) ? 1 : 0;
        }
        return new ExactMatch(matches, expected.size());
    }
}
