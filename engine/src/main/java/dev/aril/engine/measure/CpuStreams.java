package dev.aril.engine.measure;

import dev.aril.engine.AdapterRef;
import dev.aril.engine.AdapterRejected;
import dev.aril.engine.Device;
import dev.aril.engine.Engine;
import dev.aril.engine.EngineSettings;
import dev.aril.engine.GenerationRequest;
import dev.aril.engine.SamplingParams;
import java.io.IOException;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.List;
import java.util.Set;
import java.util.function.Consumer;
import org.jspecify.annotations.Nullable;

/**
 * Tokens per second through the engine's door: greedy streams that take the adapters and the base
 * in turn, the vector kernels and the plain loops side by side in one run. Rounds of the two
 * alternate, so that what else the machine does meets both; medians are compared.
 */
final class CpuStreams {
    private static final int PROMPT_TOKENS = 16;
    private static final int NEW_TOKENS = 32;
    private static final int ROUNDS = 5;

    /** The plain loops are slow enough for their times to be steady. */
    private static final int REFERENCE_ROUNDS = 3;

    private CpuStreams() {}

    /**
     * @param model an imported model's directory
     * @param adapters PEFT directories
     */
    static List<Row> run(Path model, List<Path> adapters, Consumer<String> progress)
            throws IOException, AdapterRejected {
        EngineSettings settings = EngineSettings.defaults();
        try (Engine vector = Engine.start(model, settings, Device.CPU);
                Engine plain = Engine.start(model, settings, Device.REFERENCE)) {
            List<AdapterRef> refs = new ArrayList<>();
            for (Path adapter : adapters) {
                refs.add(new AdapterRef(vector.verify(adapter).digest(), adapter));
            }
            // the first rounds load adapters and let the virtual machine compile
            for (int i = 0; i < 3; i++) {
                progress.accept("warming up");
                measure(vector, refs, 16, 64);
                measure(plain, refs, 4, 2);
            }
            List<Row> rows = new ArrayList<>();
            for (int streams : new int[] {1, 16}) {
                double[] fast = new double[ROUNDS];
                double[] slow = new double[REFERENCE_ROUNDS];
                for (int round = 0; round < ROUNDS; round++) {
                    progress.accept(streams + " streams, round " + (round + 1) + " of " + ROUNDS);
                    fast[round] = measure(vector, refs, streams, NEW_TOKENS);
                    if (round < REFERENCE_ROUNDS) {
                        slow[round] = measure(plain, refs, streams, NEW_TOKENS);
                    }
                }
                rows.add(row(model, Device.CPU, streams, refs, fast));
                rows.add(row(model, Device.REFERENCE, streams, refs, slow));
            }
            return rows;
        }
    }

    private static Row row(
            Path model, Device device, int streams, List<AdapterRef> refs, double[] rounds) {
        return Row.of("streams")
                .with("model", String.valueOf(model.toAbsolutePath().normalize().getFileName()))
                .with("device", Meter.name(device))
                .with("streams", streams)
                .with("adapters", refs.size())
                .with("prompt_tokens", PROMPT_TOKENS)
                .with("new_tokens", NEW_TOKENS)
                .with("tokens_per_second", Quantile.median(rounds));
    }

    private static double measure(
            Engine engine, List<AdapterRef> adapters, int streams, int tokens) {
        List<GenerationRequest> requests = new ArrayList<>();
        for (int s = 0; s < streams; s++) {
            // the base model's turn comes after the adapters'; a single stream has an adapter
            int turn = s % (adapters.size() + 1);
            @Nullable AdapterRef adapter = turn < adapters.size() ? adapters.get(turn) : null;
            int[] prompt = new int[PROMPT_TOKENS];
            for (int i = 0; i < prompt.length; i++) {
                prompt[i] = 100 + (s * 131 + i * 17) % 3000;
            }
            SamplingParams sampling =
                    new SamplingParams(
                            tokens, 0, 1, 0, 0, null, 1, 0, 0, List.of(), Set.of(), true);
            requests.add(
                    new GenerationRequest("bench-" + s, "flow-" + turn, prompt, adapter, sampling));
        }
        long start = System.nanoTime();
        Streams.run(engine, requests);
        return streams * tokens / ((System.nanoTime() - start) / 1e9);
    }
}
