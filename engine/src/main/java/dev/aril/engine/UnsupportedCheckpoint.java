package dev.aril.engine;

/** A checkpoint is damaged or asks for something not implemented; the message names what. */
public final class UnsupportedCheckpoint extends RuntimeException {
    private static final long serialVersionUID = 1L;

    public UnsupportedCheckpoint(String message) {
        super(message);
    }
}
