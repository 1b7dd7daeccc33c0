package dev.aril.api;

/** The engine gave up on a generation; the message is fit for the client's eyes. */
final class GenerationFailed extends RuntimeException {
    private static final long serialVersionUID = 1L;

    GenerationFailed(String message) {
        super(message);
    }
}
