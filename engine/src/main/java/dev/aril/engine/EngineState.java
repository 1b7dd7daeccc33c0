package dev.aril.engine;

/** Where an engine is in its life. */
public enum EngineState {
    /** Takes requests and computes them. */
    READY,
    /** The device failed and is being set up anew; requests wait for it. */
    RESTARTING,
    /** Closed, as it was told to. */
    CLOSED,
    /** Stopped for good after a failure: only a new process helps. */
    BROKEN
}
