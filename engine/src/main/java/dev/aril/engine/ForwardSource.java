package dev.aril.engine;

import dev.aril.cuda.CudaDevice;
import dev.aril.engine.kernels.AdapterPrecision;
import dev.aril.engine.kernels.CpuKernels;
import dev.aril.engine.kernels.CudaKernels;
import dev.aril.engine.kernels.Kernels;
import dev.aril.engine.kernels.ReferenceKernels;
import dev.aril.engine.model.Forward;
import dev.aril.engine.model.ModelFiles;
import dev.aril.engine.model.WeightSource;
import java.io.IOException;
import java.nio.file.Path;
import java.util.function.Function;
import java.util.function.LongUnaryOperator;

/**
 * A model on a device.
 *
 * @param settings with nothing left open but the size of a GPU's KV cache
 */
record ForwardSource(Weights weights, Device device, EngineSettings settings)
        implements RunnerSource {
    /** Weights to be had again and again. */
    @FunctionalInterface
    interface Weights {
        /** Reads them, and closes what that takes. */
        Forward read(Function<WeightSource, Forward> reader) throws IOException;
    }

    /** Of a GPU's free memory, kept for what grows with the largest step: a share and a least. */
    private static final int RESERVED_SHARE = 32;

    private static final long LEAST_RESERVED = 256L << 20;

    static ForwardSource of(Path modelDirectory, Device device, EngineSettings settings) {
        return of(
                (Weights)
                        reader -> {
                            try (ModelFiles files = ModelFiles.open(modelDirectory)) {
                                return reader.apply(files);
                            }
                        },
                device,
                settings);
    }

    static ForwardSource of(WeightSource weights, Device device, EngineSettings settings) {
        return of((Weights) reader -> reader.apply(weights), device, settings);
    }

    private static ForwardSource of(Weights weights, Device device, EngineSettings settings) {
        long deviceBytes =
                CudaDevice.first() instanceof CudaDevice.Usable gpu ? gpu.memoryBytes() : 0;
        return new ForwardSource(weights, device, settings.on(device, deviceBytes));
    }

    @Override
    public Forward open(int kvBlocks) throws IOException {
        return weights.read(source -> open(source, kvBlocks));
    }

    Forward open(WeightSource files, int kvBlocks) {
        Kernels kernels =
                switch (device) {
                    case CUDA ->
                            new CudaKernels(
                                    0,
                                    settings.int8Adapters()
                                            ? AdapterPrecision.INT8
                                            : AdapterPrecision.BF16,
                                    settings.bf16Head());
                    case CPU -> new CpuKernels(settings.threads());
                    case REFERENCE -> new ReferenceKernels();
                };
        try {
            LongUnaryOperator kvBytes =
                    kvBlocks > 0
                            ? free -> kvBlocks * Forward.kvBlockBytes(files)
                            : free -> settings.kvBytes() > 0 ? settings.kvBytes() : rest(free);
            return new Forward(files, kernels, settings.tokenBudget(), kvBytes);
        } catch (RuntimeException | Error e) {
            kernels.close();
            throw e;
        }
    }

    private long rest(long free) {
        return free - settings.adapterBytes() - Math.max(free / RESERVED_SHARE, LEAST_RESERVED);
    }
}
