package dev.aril.engine.text;

/** Raised by a template itself; its message is meant for the client. */
final class TemplateRefusal extends RuntimeException {
    private static final long serialVersionUID = 1L;

    TemplateRefusal(String message) {
        super(message);
    }
}
