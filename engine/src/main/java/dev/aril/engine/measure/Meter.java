package dev.aril.engine.measure;

import dev.aril.cuda.CudaDevice;
import dev.aril.engine.Device;
import dev.aril.engine.kernels.CpuKernels;
import dev.aril.engine.kernels.CudaKernels;
import dev.aril.engine.kernels.Kernels;
import dev.aril.engine.kernels.ReferenceKernels;
import java.util.function.IntConsumer;

/** A device with what measures it: its clock, its copy rate and its books. */
final class Meter implements AutoCloseable {
    private static final int ROUNDS = 9;

    /** On the CPU operations are called until so much time has passed, in a round. */
    private static final long ROUND_NANOS = 5_000_000;

    private static final int COPIED_BYTES = 64 << 20;

    private final Kernels kernels;

    Meter(Kernels kernels) {
        this.kernels = kernels;
    }

    /**
     * Takes a device.
     *
     * @throws IllegalStateException if it is not there, with the reason
     */
    static Meter open(Device device) {
        return new Meter(
                switch (device) {
                    case CUDA -> new CudaKernels(0);
                    case CPU -> new CpuKernels(0);
                    case REFERENCE -> new ReferenceKernels();
                });
    }

    /** As results name it: the GPU's name, or {@code cpu}. */
    static String name(Device device) {
        return switch (device) {
            case CUDA ->
                    CudaDevice.first() instanceof CudaDevice.Usable gpu ? gpu.name() : "no GPU";
            case CPU -> "cpu";
            case REFERENCE -> "reference";
        };
    }

    Kernels kernels() {
        return kernels;
    }

    /** Whether operands must take turns so that no cache serves them. */
    boolean rotates() {
        return kernels instanceof CudaKernels;
    }

    /**
     * @param calls in a round, at least; on the CPU it may be more
     * @param op given 0, 1, …, so that operands can take turns
     * @return microseconds that the device takes for one call: the median of 9 rounds
     */
    double microseconds(int calls, IntConsumer op) {
        return kernels instanceof CudaKernels cuda ? cuda.time(calls, op) : onTheHost(calls, op);
    }

    /** As the other, of an operation that copies from the host each time. */
    double queuedMicroseconds(int calls, IntConsumer op) {
        return kernels instanceof CudaKernels cuda
                ? cuda.timeQueued(calls, op)
                : onTheHost(calls, op);
    }

    private static double onTheHost(int calls, IntConsumer op) {
        double[] rounds = new double[ROUNDS];
        for (int round = -1; round < ROUNDS; round++) { // the first warms up
            long start = System.nanoTime();
            long end = start;
            int done = 0;
            while (done < calls || end - start < ROUND_NANOS) {
                op.accept(done++);
                end = System.nanoTime();
            }
            rounds[Math.max(round, 0)] = (end - start) / 1e3 / done;
        }
        return Quantile.median(rounds);
    }

    /** Bytes a second of a copy within the device's memory, those read and those written. */
    double copyBytesPerSecond() {
        if (kernels instanceof CudaKernels cuda) {
            return cuda.copyBytesPerSecond();
        }
        byte[] from = new byte[COPIED_BYTES];
        byte[] to = new byte[COPIED_BYTES];
        return 2
                * COPIED_BYTES
                / onTheHost(1, i -> System.arraycopy(from, 0, to, 0, COPIED_BYTES))
                * 1e6;
    }

    /** The device's memory in use; 0 on the CPU, where the heap keeps the books. */
    long usedBytes() {
        return kernels instanceof CudaKernels cuda ? cuda.usedBytes() : 0;
    }

    /** How long the calling thread has waited for the device so far. */
    long waitedNanos() {
        return kernels instanceof CudaKernels cuda ? cuda.waitedNanos() : 0;
    }

    @Override
    public void close() {
        kernels.close();
    }
}
