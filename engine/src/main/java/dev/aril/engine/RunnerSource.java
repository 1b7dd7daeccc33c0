package dev.aril.engine;

import dev.aril.engine.model.StepRunner;
import java.io.IOException;

/** Makes an engine's runner: at its start, and again when the device failed. */
@FunctionalInterface
interface RunnerSource {
    /**
     * @param kvBlocks at least so many; 0 for as many as the settings give
     * @throws IOException if the model's files cannot be read any more
     */
    StepRunner open(int kvBlocks) throws IOException;
}
