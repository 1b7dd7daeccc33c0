package dev.aril.engine.kernels;

import static dev.aril.engine.kernels.CudaMemory.roundUp;

import dev.aril.cuda.Arguments;
import dev.aril.cuda.CudaContext;
import dev.aril.cuda.CudaDevice;
import dev.aril.cuda.CudaException;
import dev.aril.cuda.CudaModule.Kernel;
import dev.aril.cuda.CudaStream;
import dev.aril.cuda.DeviceMemory;
import dev.aril.cuda.OutOfDeviceMemory;
import dev.aril.cuda.PinnedBuffer;
import java.nio.FloatBuffer;
import java.util.Optional;

/**
 * An NVIDIA GPU. Products are queued and return at once; {@link #read} waits. Kernels: {@code
 * matrices.cu}.
 */
public final class CudaMatrices implements Matrices {
    /** What is taken of the free memory where no size is asked for. */
    private static final double SHARE = 0.9;

    /** Copies between host and device go through this much of both. */
    private static final int STAGING_BYTES = 32 << 20;

    private static final int TILE = 128;
    private static final int MOST_GRID_ROWS = 65_535;

    /**
     * @param pitch floats from row to row
     */
    private record DeviceBuffer(int rows, int columns, int pitch, long address) implements Buffer {}

    private final CudaContext context;
    private final DeviceMemory memory;
    private final CudaStream stream;
    private final PinnedBuffer staging;
    private final long placed;
    private final Arguments arguments = new Arguments();
    private final CudaModules modules = new CudaModules();
    private final Kernel product;
    private final Kernel transposedProduct;
    private final Kernel copy;

    /**
     * Takes memory of the device beside what else is on it.
     *
     * @param bytes for all buffers; 0 takes most of what is free
     * @throws IllegalStateException if there is no usable device or this build has no kernels, with
     *     the reason
     */
    public CudaMatrices(long bytes) {
        Optional<String> reason = CudaKernels.unusable();
        if (reason.isPresent() || !(CudaDevice.first() instanceof CudaDevice.Usable device)) {
            throw new IllegalStateException("no GPU to run on: " + reason.orElse("none"));
        }
        context = CudaContext.open(device);
        try {
            long size = bytes > 0 ? bytes + STAGING_BYTES : (long) (SHARE * context.freeBytes());
            memory = new DeviceMemory(context, size);
        } catch (CudaException | OutOfDeviceMemory e) {
            context.close();
            throw e;
        }
        stream = new CudaStream();
        staging = new PinnedBuffer(STAGING_BYTES);
        placed = memory.allocate(STAGING_BYTES);
        var module = modules.load("matrices");
        product = module.kernel("matrix_product_n");
        transposedProduct = module.kernel("matrix_product_t");
        copy = module.kernel("matrix_copy");
    }

    @Override
    public Buffer allocate(int rows, int columns) {
        context.bind();
        int pitch = roundUp(columns, 4);
        long bytes = 4L * rows * pitch;
        DeviceBuffer buffer = new DeviceBuffer(rows, columns, pitch, memory.allocate(bytes));
        stream.clear(buffer.address(), bytes);
        return buffer;
    }

    @Override
    public void free(Buffer buffer) {
        context.bind();
        stream.synchronize(); // nobody reads it
        memory.free(((DeviceBuffer) buffer).address());
    }

    @Override
    public void clear(Block block) {
        context.bind();
        copy(0, 0, address(block), pitch(block), block.rows(), block.columns());
    }

    @Override
    public void write(Block to, float[] values) {
        if (values.length != Math.multiplyExact(to.rows(), to.columns())) {
            throw new IllegalArgumentException(
                    values.length + " values for " + to.rows() + " by " + to.columns());
        }
        context.bind();
        int most = rowsAtOnce(to);
        for (int row = 0; row < to.rows(); row += most) {
            int rows = Math.min(most, to.rows() - row);
            int count = rows * to.columns();
            floats().put(0, values, row * to.columns(), count);
            stream.copyIn(placed, staging, 4L * count);
            long address = address(to) + 4L * row * pitch(to);
            copy(placed, to.columns(), address, pitch(to), rows, to.columns());
            stream.synchronize(); // before the staging memory is written again
        }
    }

    @Override
    public float[] read(Block from) {
        context.bind();
        float[] values = new float[Math.multiplyExact(from.rows(), from.columns())];
        int most = rowsAtOnce(from);
        for (int row = 0; row < from.rows(); row += most) {
            int rows = Math.min(most, from.rows() - row);
            int count = rows * from.columns();
            long address = address(from) + 4L * row * pitch(from);
            copy(address, pitch(from), placed, from.columns(), rows, from.columns());
            stream.copyOut(staging, placed, 4L * count);
            stream.synchronize();
            floats().get(0, values, row * from.columns(), count);
        }
        return values;
    }

    private FloatBuffer floats() {
        return staging.bytes().asFloatBuffer();
    }

    private static int rowsAtOnce(Block block) {
        int rows = STAGING_BYTES / 4 / Math.max(1, block.columns());
        if (rows == 0) {
            throw new IllegalArgumentException(
                    "a matrix may have at most " + STAGING_BYTES / 4 + " columns on the GPU");
        }
        return rows;
    }

    /**
     * @param from 0 for zeros
     */
    private void copy(long from, int pitchFrom, long to, int pitchTo, int rows, int columns) {
        if (rows == 0 || columns == 0) {
            return;
        }
        arguments.begin().put(from).put(to).put(rows).put(columns).put(pitchFrom).put(pitchTo);
        int across = Math.ceilDiv(columns, 1024);
        stream.launch(copy, across, Math.min(rows, MOST_GRID_ROWS), 1, 256, 0, arguments);
    }

    @Override
    public void multiply(Block c, float keep, float scale, Block a, boolean transposed, Block b) {
        Matrices.check(c, a, transposed, b);
        if (c.rows() == 0 || c.columns() == 0) {
            return;
        }
        context.bind();
        arguments
                .begin()
                .put(address(a))
                .put(address(b))
                .put(address(c))
                .put(c.rows())
                .put(c.columns())
                .put(b.rows())
                .put(pitch(a))
                .put(pitch(b))
                .put(pitch(c))
                .put(scale)
                .put(keep)
                .put(aligned(a))
                .put(aligned(b))
                .put(aligned(c))
                .put(0);
        int across = Math.ceilDiv(c.columns(), TILE);
        int down = Math.ceilDiv(c.rows(), TILE);
        Kernel kernel = transposed ? transposedProduct : product;
        stream.launch(kernel, across, down, 1, 256, 0, arguments);
    }

    private static int pitch(Block block) {
        return ((DeviceBuffer) block.buffer()).pitch();
    }

    private static long address(Block block) {
        DeviceBuffer buffer = (DeviceBuffer) block.buffer();
        return buffer.address() + 4L * ((long) block.row() * buffer.pitch() + block.column());
    }

    /** Rows go on at multiples of four floats anyway. */
    private static int aligned(Block block) {
        return block.column() % 4 == 0 ? 1 : 0;
    }

    @Override
    public void close() {
        CudaParts.close(
                context::bind,
                stream::synchronize,
                staging::close,
                modules::close,
                stream::close,
                memory::close,
                context::close);
    }
}
