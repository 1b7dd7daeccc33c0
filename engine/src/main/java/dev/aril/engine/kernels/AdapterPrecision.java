package dev.aril.engine.kernels;

/** How a GPU keeps adapters. */
public enum AdapterPrecision {
    BF16,

    /**
     * Half the bytes; an adapter whose update would change by more than {@link #INT8_TOLERANCE} of
     * itself stays in bf16.
     */
    INT8;

    /** Of the update's Frobenius norm. Gaussian matrices lose a hundredth. */
    static final double INT8_TOLERANCE = 0.02;
}
