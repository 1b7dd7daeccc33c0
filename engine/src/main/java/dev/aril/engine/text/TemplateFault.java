package dev.aril.engine.text;

/** What a template does that Jinja forbids too, or that is not supported here. */
final class TemplateFault extends RuntimeException {
    private static final long serialVersionUID = 1L;

    TemplateFault(String message) {
        super(message);
    }
}
