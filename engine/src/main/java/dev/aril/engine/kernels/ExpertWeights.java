package dev.aril.engine.kernels;

/**
 * One expert of a mixture.
 *
 * @param gate [intermediate, hidden]
 * @param up [intermediate, hidden]
 * @param down [hidden, intermediate]
 */
public record ExpertWeights(LinearWeights gate, LinearWeights up, LinearWeights down) {}
