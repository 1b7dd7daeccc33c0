package dev.aril.engine.kernels;

/** How a cache holds keys and values. */
public enum KvFormat {
    /** As floats, keys turned by RoPE. */
    FLOAT,

    /**
     * INT4 per token and head: keys after RoPE and a Hadamard of the head size, values rotated by
     * one; what is mixed is rotated back.
     */
    INT4_ROTATED,

    /** INT4 per token and head, nothing rotated: keys before RoPE, turned when they are read. */
    INT4_BEFORE_ROPE;

    /** As a model without a choice has it. */
    public static KvFormat of(boolean quantized) {
        return quantized ? INT4_ROTATED : FLOAT;
    }
}
