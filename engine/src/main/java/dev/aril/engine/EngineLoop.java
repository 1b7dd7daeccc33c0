package dev.aril.engine;

import java.io.IOException;
import java.nio.file.Path;

final class EngineLoop {
    private EngineLoop() {}

    static Engine start(Path modelDirectory, EngineSettings settings) throws IOException {
        throw new IOException("not built yet: " + modelDirectory + settings);
    }
}
