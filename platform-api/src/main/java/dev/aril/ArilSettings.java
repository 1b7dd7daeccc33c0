package dev.aril;

import dev.aril.api.Patience;
import dev.aril.engine.EngineSettings;
import dev.aril.engine.ModelImport;
import java.nio.file.Path;
import java.time.Duration;
import java.util.Set;
import org.springframework.boot.context.properties.ConfigurationProperties;
import org.springframework.boot.context.properties.bind.Name;
import org.springframework.util.unit.DataSize;

/**
 * Everything an operator may set, under {@code aril.}; defaults and comments are in {@code
 * application.yml}.
 *
 * @param data folder of everything the server writes (environment: ARIL_DATA)
 * @param home folder of the installation, which holds {@code models/}
 * @param port of the HTTP API (environment: ARIL_PORT)
 * @param bind address to listen on
 * @param demo whether the first start creates the three demonstration tenants
 * @param timeouts how long requests wait
 * @param currency of prices, as ISO 4217 has it, in lower case
 */
@ConfigurationProperties("aril")
public record ArilSettings(
        Path data,
        Path home,
        int port,
        String bind,
        boolean demo,
        Model model,
        EngineSize engine,
        Webhooks webhooks,
        Limits limits,
        Stream stream,
        Queue queue,
        Patience timeouts,
        String currency,
        Shutdown shutdown) {

    public ArilSettings {
        data = data.toAbsolutePath().normalize();
        home = home.toAbsolutePath().normalize();
        if (!currency.matches("[a-z]{3}")) {
            throw new IllegalArgumentException(
                    "aril.currency must be three lower-case letters, as usd, not " + currency);
        }
    }

    /** Where this model is imported to. */
    public Path importedModel() {
        return data.resolve("models").resolve(ModelImport.name(model.checkpoint(), model.recipe()));
    }

    /**
     * Which base model is served.
     *
     * @param checkpoint folder in Hugging Face layout
     * @param calibration text that the import measures activations on
     * @param recipe {@code w4a4} or {@code bf16}
     */
    public record Model(Path checkpoint, Path calibration, String recipe) {
        private static final Set<String> RECIPES = Set.of("w4a4", "bf16");

        public Model {
            checkpoint = checkpoint.toAbsolutePath().normalize();
            if (!RECIPES.contains(recipe)) {
                throw new IllegalArgumentException(
                        "aril.model.recipe must be w4a4 or bf16, not " + recipe);
            }
        }
    }

    /**
     * How large the engine is; see {@link EngineSettings}.
     *
     * @param tokenBudget rows a step computes at most; 0 follows the device
     * @param maxSequences sequences running at once at most; 0 follows the device
     * @param maxWaiting sequences waiting at most; one more is answered 503
     * @param kv size of the KV cache; 0 follows the device
     * @param adapters size of the adapters kept in the device's memory; 0 follows the device
     * @param threads CPU threads of the kernels; 0 takes all cores
     * @param int8Adapters whether a GPU keeps adapters in INT8
     * @param bf16Head whether a GPU keeps the output head in bf16
     */
    public record EngineSize(
            int tokenBudget,
            int maxSequences,
            int maxWaiting,
            DataSize kv,
            DataSize adapters,
            int threads,
            boolean int8Adapters,
            boolean bf16Head) {
        public EngineSettings settings() {
            return new EngineSettings(
                    tokenBudget,
                    maxSequences,
                    maxWaiting,
                    kv.toBytes(),
                    adapters.toBytes(),
                    threads,
                    int8Adapters,
                    bf16Head);
        }
    }

    /**
     * @param allowPrivate whether webhooks may go to private addresses, and over plain http
     */
    public record Webhooks(@Name("private") boolean allowPrivate) {}

    /**
     * What a client may send at most.
     *
     * @param body a JSON body
     * @param adapterConfig an {@code adapter_config.json}
     * @param adapterModel an {@code adapter_model.safetensors}
     */
    public record Limits(DataSize body, DataSize adapterConfig, DataSize adapterModel) {}

    /**
     * @param ping how often a silent stream sends a comment, so that proxies keep it open
     */
    public record Stream(Duration ping) {}

    /**
     * @param tenant sequences of one tenant that may wait for their first token; one more is
     *     answered 429
     */
    public record Queue(int tenant) {}

    /**
     * @param grace how long running generations may go on after SIGTERM
     */
    public record Shutdown(Duration grace) {}
}
