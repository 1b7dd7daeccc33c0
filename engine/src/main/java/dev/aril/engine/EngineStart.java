package dev.aril.engine;

import dev.aril.cuda.CudaException;
import dev.aril.cuda.OutOfDeviceMemory;
import dev.aril.engine.kernels.CudaKernels;
import dev.aril.engine.model.Forward;
import dev.aril.engine.model.ModelConfig;
import dev.aril.engine.model.ModelFiles;
import dev.aril.engine.model.PeftAdapter;
import dev.aril.engine.model.WeightSource;
import dev.aril.engine.text.ChatTemplate;
import dev.aril.engine.text.Tokenizer;
import java.io.IOException;
import java.io.UncheckedIOException;
import java.nio.file.Path;
import java.util.Optional;
import org.slf4j.Logger;
import org.slf4j.LoggerFactory;

/** From a model's files to a running engine. */
final class EngineStart {
    private static final Logger LOG = LoggerFactory.getLogger(EngineStart.class);

    private EngineStart() {}

    /** On the GPU where this process can use one and it takes the model, or else on the CPU. */
    static Engine start(Path modelDirectory, EngineSettings settings) throws IOException {
        Optional<String> reason = CudaKernels.unusable();
        if (reason.isEmpty()) {
            try {
                return start(modelDirectory, settings, Device.CUDA);
            } catch (IllegalArgumentException | OutOfDeviceMemory | CudaException e) {
                LOG.warn("the GPU does not take this model", e);
                reason = Optional.of(String.valueOf(e.getMessage()));
            }
        }
        LOG.info("no GPU is used: {}", reason.orElseThrow());
        return start(modelDirectory, settings, Device.CPU);
    }

    static Engine start(Path modelDirectory, EngineSettings settings, Device device)
            throws IOException {
        try (ModelFiles files = ModelFiles.open(modelDirectory)) {
            ForwardSource source = ForwardSource.of(modelDirectory, device, settings);
            return start(files.card(), files, modelDirectory, source);
        }
    }

    static Engine start(
            ModelCard card,
            WeightSource weights,
            Path texts,
            EngineSettings settings,
            Device device)
            throws IOException {
        return start(card, weights, texts, ForwardSource.of(weights, device, settings));
    }

    private static Engine start(
            ModelCard card, WeightSource weights, Path texts, ForwardSource source)
            throws IOException {
        ModelConfig config = weights.config();
        Tokenizer tokenizer = Tokenizer.open(texts);
        Forward forward = null;
        try {
            forward = source.open(weights, 0);
            EngineLoop engine =
                    new EngineLoop(
                            card,
                            config,
                            tokenizer,
                            ChatTemplate.open(texts),
                            forward,
                            source,
                            source.settings(),
                            folder -> verify(folder, config));
            LOG.info(
                    "{} runs on the {}; the KV cache holds {} positions in {} MiB, adapters take up"
                            + " to {} MiB",
                    card.name(),
                    forward.device(),
                    (long) engine.stats().kvBlocks() * engine.stats().kvBlockTokens(),
                    forward.kvBytes() >> 20,
                    source.settings().adapterBytes() >> 20);
            return engine.begin();
        } catch (IOException | RuntimeException e) {
            tokenizer.close();
            if (forward != null) {
                forward.close();
            }
            throw e;
        }
    }

    private static AdapterSummary verify(Path folder, ModelConfig config) throws AdapterRejected {
        try (PeftAdapter adapter = PeftAdapter.read(folder, config)) {
            return adapter.summary();
        } catch (IOException e) {
            throw new UncheckedIOException(e);
        }
    }
}
