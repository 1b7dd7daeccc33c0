package dev.aril.engine.kernels;

/**
 * An adapter in device memory, in the order {@code lora.cuh} tells.
 *
 * @param address one piece with everything
 * @param stride bytes from a layer's matrices to the next layer's; 0 where layers differ, and then
 *     a and b are the address of the table
 * @param a [groups] where A of all of a group's projections lies in the first layer
 * @param b [projections] where B lies in the first layer
 * @param octets [projections] eights of ranks, the largest of all layers; 0 where not adapted
 * @param outs [projections] output widths, 0 where not adapted
 * @param ins [groups] input widths, 0 where not adapted
 */
@SuppressWarnings("ArrayRecordComponent") // never compared
record CudaAdapter(
        long address,
        long bytes,
        boolean int8,
        long stride,
        long[] a,
        long[] b,
        int[] octets,
        int[] outs,
        int[] ins)
        implements Kernels.Adapter {
    /** Of the projection with most of them. */
    int mostOctets() {
        int most = 0;
        for (int own : octets) {
            most = Math.max(most, own);
        }
        return most;
    }

    /** Of a group's projections together. */
    int octets(LoraGroup group) {
        int sum = 0;
        for (int p = group.first; p < group.first + group.count; p++) {
            sum += octets[p];
        }
        return sum;
    }
}
