package dev.aril.engine.measure;

import dev.aril.engine.AdapterRejected;
import dev.aril.engine.Device;
import dev.aril.engine.Progress;
import dev.aril.engine.kernels.CpuKernels;
import dev.aril.engine.kernels.CudaKernels;
import dev.aril.engine.kernels.Kernels;
import dev.aril.engine.kernels.Kernels.Adapter;
import dev.aril.engine.model.Forward;
import dev.aril.engine.model.ModelFiles;
import dev.aril.engine.model.PeftAdapter;
import dev.aril.engine.text.TextFile;
import dev.aril.engine.text.Tokenizer;
import java.io.IOException;
import java.nio.file.Path;
import org.jspecify.annotations.Nullable;

/** An imported model, opened to be measured: one sequence at a time, no scheduler. */
public final class Evaluation implements AutoCloseable {
    private final ModelFiles files;
    private final Tokenizer tokenizer;
    private final Forward forward;
    private final @Nullable Adapter adapter;

    private Evaluation(
            ModelFiles files, Tokenizer tokenizer, Forward forward, @Nullable Adapter adapter) {
        this.files = files;
        this.tokenizer = tokenizer;
        this.forward = forward;
        this.adapter = adapter;
    }

    /**
     * @param model an Aril model's directory
     * @param adapter a PEFT adapter's; null for the model alone
     * @param device CPU, whose arithmetic is exact to rounding, or CUDA
     */
    public static Evaluation open(Path model, @Nullable Path adapter, Device device)
            throws IOException, AdapterRejected {
        ModelFiles files = ModelFiles.open(model);
        Tokenizer tokenizer = null;
        Kernels kernels = null;
        try {
            tokenizer = Tokenizer.open(model);
            kernels = device == Device.CUDA ? new CudaKernels(0) : new CpuKernels(0);
            Forward forward = new Forward(files, kernels, Scorer.CHUNK, 0);
            if (adapter == null) {
                return new Evaluation(files, tokenizer, forward, null);
            }
            try (PeftAdapter read = PeftAdapter.read(adapter, forward.config())) {
                return new Evaluation(files, tokenizer, forward, forward.load(read));
            }
        } catch (RuntimeException | IOException | AdapterRejected e) {
            if (kernels != null) {
                kernels.close();
            }
            if (tokenizer != null) {
                tokenizer.close();
            }
            files.close();
            throw e;
        }
    }

    public String recipe() {
        return files.card().recipe();
    }

    public Perplexity perplexity(Path text, Progress progress) throws IOException {
        return Perplexity.of(
                forward,
                adapter,
                tokenizer,
                TextFile.read(text),
                share -> progress.share("scoring", share));
    }

    public MultipleChoice choices(Path questions, Progress progress) throws IOException {
        return MultipleChoice.of(
                new Scorer(forward),
                tokenizer,
                adapter,
                questions,
                share -> progress.share("answering", share));
    }

    @Override
    public void close() {
        try (files;
                tokenizer;
                forward) {
            // all, even if one fails
        }
    }
}
