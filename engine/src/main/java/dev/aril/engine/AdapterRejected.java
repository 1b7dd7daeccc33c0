package dev.aril.engine;

/**
 * An adapter's files were refused. The message names the field or tensor, the limit and the remedy,
 * and is fit for the uploader's eyes: it holds no path.
 */
public final class AdapterRejected extends Exception {
    private static final long serialVersionUID = 1L;

    /** Which of the two files is at fault. */
    public enum Part {
        CONFIG("adapter_config"),
        MODEL("adapter_model");

        private final String field;

        Part(String field) {
            this.field = field;
        }

        /** The upload's field name. */
        public String field() {
            return field;
        }
    }

    private final Part part;

    public AdapterRejected(Part part, String message) {
        super(message);
        this.part = part;
    }

    public Part part() {
        return part;
    }
}
