package dev.aril.engine;

import dev.aril.engine.model.WeightSource;
import java.io.IOException;
import java.nio.file.Path;
import java.util.List;

/** Prompt in, tokens out: the only way into this module. Safe for any number of threads. */
public interface Engine extends AutoCloseable {
    /**
     * Loads an Aril model on the GPU if there is one it can use, on the CPU otherwise, and starts
     * the thread that owns the device.
     *
     * @param modelDirectory as written by {@link ModelImport}; see {@code engine/FORMAT.md}
     * @throws IOException if a file is missing or its digest is not the recorded one
     */
    static Engine start(Path modelDirectory, EngineSettings settings) throws IOException {
        return EngineStart.start(modelDirectory, settings);
    }

    /**
     * As {@link #start(Path, EngineSettings)}, on a device of the caller's choice.
     *
     * @throws IllegalStateException if it is not there, with the reason
     */
    static Engine start(Path modelDirectory, EngineSettings settings, Device device)
            throws IOException {
        return EngineStart.start(modelDirectory, settings, device);
    }

    /**
     * As {@link #start(Path, EngineSettings, Device)} with weights that are in no file: benchmarks
     * make random ones in a model's shape.
     *
     * @param texts holds the tokenizer's files
     */
    static Engine start(
            ModelCard card,
            WeightSource weights,
            Path texts,
            EngineSettings settings,
            Device device)
            throws IOException {
        return EngineStart.start(card, weights, texts, settings, device);
    }

    ModelCard model();

    /** Ids of a plain prompt, the model's begin-of-sequence id first where it has one. */
    int[] tokenize(String text);

    /**
     * Ids of a conversation, rendered by the model's chat template up to where the assistant's
     * answer begins.
     *
     * @throws IllegalArgumentException if the template refuses the messages
     */
    int[] tokenize(List<ChatMessage> messages);

    /** The text of some ids, special tokens left out. */
    String text(int[] ids);

    /** What an id stands for. */
    Token token(int id);

    /**
     * Queues a sequence and returns at once.
     *
     * @throws ContextOverflow if prompt and maxTokens exceed the model's context
     * @throws EngineOverloaded if the queue is full or the engine is closing or broken
     * @throws IllegalArgumentException if an id is out of the vocabulary, naming it
     */
    Generation submit(GenerationRequest request);

    /**
     * Reads an adapter's two files whole and checks that this engine can serve them.
     *
     * @param folder holds {@code adapter_config.json} and {@code adapter_model.safetensors}
     */
    AdapterSummary verify(Path folder) throws AdapterRejected;

    EngineStats stats();

    EngineState state();

    /** Whether a request would be computed now. */
    default boolean accepts() {
        return state() == EngineState.READY;
    }

    /** Ends running generations with a {@link GenerationEvent.Failed} and frees the device. */
    @Override
    void close();
}
