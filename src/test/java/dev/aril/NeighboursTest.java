package dev.aril;

import static org.assertj.core.api.Assertions.assertThat;

import java.util.ArrayList;
import java.util.HashMap;
import java.util.List;
import java.util.Map;
import java.util.Objects;
import java.util.concurrent.Callable;
import java.util.concurrent.CountDownLatch;
import java.util.concurrent.Executors;
import java.util.concurrent.Future;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.extension.ExtendWith;
import tools.jackson.databind.JsonNode;

/** Neighbours in a batch never change a sequence's tokens (design.md, decision 9). */
@ExtendWith(Deployed.class)
class NeighboursTest {
    private static final int STREAMS = 30;
    private static final String[] TENANTS = {"holmes", "globe", "acme", "acme"};
    private static final String[] MODELS = {"sherlock", "shakespeare", "sql", "novella-11m"};
    private static final String[] OPENINGS = {
        "The door was opened by",
        "My lord, I have",
        "Show the name of",
        "In the morning she",
        "He said",
    };

    private final Deployment aril;

    NeighboursTest(Deployment aril) {
        this.aril = aril;
    }

    private record Call(String tenant, Map<String, Object> body) {}

    private record Answer(String text, String finishReason, int completionTokens) {}

    @Test
    void thirtyGreedyStreamsTogetherEqualEachAlone() throws Exception {
        List<Call> calls = new ArrayList<>();
        for (int i = 0; i < STREAMS; i++) {
            calls.add(call(i, Map.of("temperature", 0)));
        }
        sameAloneAndTogether(calls);
    }

    @Test
    void seededDrawsTogetherEqualEachAlone() throws Exception {
        List<Call> calls = new ArrayList<>();
        for (int i = 0; i < 8; i++) {
            calls.add(call(i, Map.of("temperature", 0.9, "top_p", 0.95, "seed", 1000 + i)));
        }
        sameAloneAndTogether(calls);
    }

    private void sameAloneAndTogether(List<Call> calls) throws Exception {
        List<Answer> alone = new ArrayList<>();
        for (Call call : calls) {
            alone.add(answer(call));
        }
        double before = stepsWithThreeAdapters();

        List<Answer> together = together(calls);

        assertThat(together).containsExactlyElementsOf(alone);
        assertThat(together).allMatch(answer -> answer.completionTokens() > 0);
        assertThat(stepsWithThreeAdapters()).isGreaterThan(before);
    }

    private static Call call(int i, Map<String, Object> sampling) {
        var body = new HashMap<String, Object>(sampling);
        int which = i % MODELS.length;
        body.put("model", MODELS[which]);
        // Different lengths, so that prefills and decodes meet in one step.
        body.put("prompt", (OPENINGS[i % OPENINGS.length] + " ").repeat(1 + i % 7).strip());
        body.put("max_tokens", 24 + i);
        body.put("ignore_eos", true);
        body.put("stream_options", Map.of("include_usage", true));
        return new Call(TENANTS[which], body);
    }

    private List<Answer> together(List<Call> calls) throws Exception {
        try (var threads = Executors.newVirtualThreadPerTaskExecutor()) {
            var gate = new CountDownLatch(1);
            List<Future<Answer>> answers = new ArrayList<>();
            for (Call call : calls) {
                Callable<Answer> task =
                        () -> {
                            gate.await();
                            return answer(call);
                        };
                answers.add(threads.submit(task));
            }
            gate.countDown();
            List<Answer> read = new ArrayList<>();
            for (Future<Answer> answer : answers) {
                read.add(answer.get());
            }
            return read;
        }
    }

    private Answer answer(Call call) {
        try (TokenReader stream =
                aril.as(call.tenant()).stream("/v1/completions", call.body()).readAll()) {
            assertThat(stream.error()).isNull();
            assertThat(stream.done()).isTrue();
            JsonNode usage = Objects.requireNonNull(stream.usage());
            return new Answer(
                    stream.text(),
                    String.valueOf(stream.finishReason()),
                    usage.path("completion_tokens").intValue());
        }
    }

    private double stepsWithThreeAdapters() {
        return aril.metric("aril_engine_steps_total", "adapters", "3")
                + aril.metric("aril_engine_steps_total", "adapters", "4+");
    }
}
