package dev.aril.engine.kernels;

import dev.aril.cuda.CudaModule;
import java.util.ArrayList;
import java.util.List;

/** The compiled files that one part of the kernels takes its launches from. */
final class CudaModules implements AutoCloseable {
    private final List<CudaModule> modules = new ArrayList<>();

    /**
     * @param name the file's, without {@code .cu}
     */
    CudaModule load(String name) {
        CudaModule module = new CudaModule(name);
        modules.add(module);
        return module;
    }

    @Override
    public void close() {
        modules.forEach(CudaModule::close);
    }
}
