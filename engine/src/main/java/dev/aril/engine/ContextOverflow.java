package dev.aril.engine;

/** A prompt and its completion do not fit the model's context. */
public final class ContextOverflow extends RuntimeException {
    private static final long serialVersionUID = 1L;

    private final int contextLength;
    private final int promptTokens;
    private final int maxTokens;

    public ContextOverflow(int contextLength, int promptTokens, int maxTokens) {
        super(
                "the context holds "
                        + contextLength
                        + " tokens; the prompt has "
                        + promptTokens
                        + " and the completion may have "
                        + maxTokens);
        this.contextLength = contextLength;
        this.promptTokens = promptTokens;
        this.maxTokens = maxTokens;
    }

    public int contextLength() {
        return contextLength;
    }

    public int promptTokens() {
        return promptTokens;
    }

    public int maxTokens() {
        return maxTokens;
    }
}
