package dev.aril.engine;

/** The queue is full or the engine is closing: try again later. */
public final class EngineOverloaded extends RuntimeException {
    private static final long serialVersionUID = 1L;

    public EngineOverloaded(String message) {
        super(message);
    }
}
