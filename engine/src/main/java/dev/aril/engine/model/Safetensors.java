package dev.aril.engine.model;

import dev.aril.engine.UnsupportedCheckpoint;
import dev.aril.engine.kernels.Bf16Bits;
import java.io.IOException;
import java.io.UncheckedIOException;
import java.lang.foreign.Arena;
import java.lang.foreign.MemorySegment;
import java.lang.foreign.ValueLayout;
import java.nio.ByteBuffer;
import java.nio.ByteOrder;
import java.nio.channels.FileChannel;
import java.nio.charset.CharacterCodingException;
import java.nio.charset.StandardCharsets;
import java.nio.file.Path;
import java.nio.file.StandardOpenOption;
import java.util.ArrayList;
import java.util.Collections;
import java.util.Comparator;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import java.util.function.Consumer;
import java.util.regex.Pattern;
import tools.jackson.core.JacksonException;
import tools.jackson.core.StreamReadConstraints;
import tools.jackson.core.StreamReadFeature;
import tools.jackson.core.json.JsonFactory;
import tools.jackson.databind.DeserializationFeature;
import tools.jackson.databind.JsonNode;
import tools.jackson.databind.json.JsonMapper;

/**
 * A safetensors file, memory-mapped. Opening checks the whole header by the format's rules:
 * lengths, types, shapes, and that the tensors lie end to end and fill the file exactly. It is
 * stricter than the format where real files never go: the header's length and share of the file,
 * the number of tensors, the characters of their names.
 *
 * @see <a href="https://github.com/huggingface/safetensors#format">the format</a>
 */
public final class Safetensors implements AutoCloseable {
    /** Longest header accepted, bytes; far above what real files need. */
    public static final int MAX_HEADER = 4 << 20;

    /** A header of this many bytes is accepted in any file; a longer one takes 1 % at most. */
    static final int SMALL_HEADER = 64 << 10;

    /** Most tensors in a file. */
    static final int MAX_TENSORS = 20_000;

    private static final Pattern NAME = Pattern.compile("[A-Za-z0-9_.-]{1,512}");

    private static final ValueLayout.OfShort SHORT =
            ValueLayout.JAVA_SHORT_UNALIGNED.withOrder(ByteOrder.LITTLE_ENDIAN);
    private static final ValueLayout.OfInt INT =
            ValueLayout.JAVA_INT_UNALIGNED.withOrder(ByteOrder.LITTLE_ENDIAN);
    private static final ValueLayout.OfFloat FLOAT =
            ValueLayout.JAVA_FLOAT_UNALIGNED.withOrder(ByteOrder.LITTLE_ENDIAN);

    private static final JsonMapper JSON =
            JsonMapper.builder(
                            JsonFactory.builder()
                                    .enable(StreamReadFeature.STRICT_DUPLICATE_DETECTION)
                                    .streamReadConstraints(
                                            StreamReadConstraints.builder()
                                                    .maxNestingDepth(4)
                                                    .build())
                                    .build())
                    .enable(DeserializationFeature.FAIL_ON_TRAILING_TOKENS)
                    .build();

    /** Element types this project reads and writes. */
    public enum Type {
        F32(4),
        F16(2),
        BF16(2),
        I32(4),
        I8(1),
        U8(1);

        private final int bytes;

        Type(int bytes) {
            this.bytes = bytes;
        }

        public int bytes() {
            return bytes;
        }
    }

    /**
     * One tensor's place.
     *
     * @param begin first byte, counted from the end of the header
     */
    public record Entry(String name, Type type, List<Long> shape, long begin, long end) {
        public Entry {
            shape = List.copyOf(shape);
        }

        public long elements() {
            return (end - begin) / type.bytes();
        }
    }

    /** The file is not well-formed safetensors; the message says where. */
    public static final class Malformed extends IOException {
        private static final long serialVersionUID = 1L;

        public Malformed(String message) {
            super(message);
        }
    }

    private final Arena arena;
    private final MemorySegment data;
    private final Map<String, Entry> entries;

    private Safetensors(Arena arena, MemorySegment data, Map<String, Entry> entries) {
        this.arena = arena;
        this.data = data;
        this.entries = entries;
    }

    @SuppressWarnings("MustBeClosedChecker") // the arena lives as long as this object
    public static Safetensors open(Path file) throws IOException {
        try (FileChannel channel = FileChannel.open(file, StandardOpenOption.READ)) {
            long size = channel.size();
            Arena arena = Arena.ofShared();
            try {
                MemorySegment all = channel.map(FileChannel.MapMode.READ_ONLY, 0, size, arena);
                if (size < 8) {
                    throw new Malformed(
                            "the file has " + size + " bytes; the header's length alone takes 8");
                }
                long length =
                        all.get(
                                ValueLayout.JAVA_LONG_UNALIGNED.withOrder(ByteOrder.LITTLE_ENDIAN),
                                0);
                if (length < 2 || length > MAX_HEADER || length > size - 8) {
                    throw new Malformed(
                            "the header's length is "
                                    + Long.toUnsignedString(length)
                                    + " bytes; it must be at most "
                                    + MAX_HEADER
                                    + " and fit the file of "
                                    + size);
                }
                if (length > SMALL_HEADER && length > size / 100) {
                    throw new Malformed(
                            "the header's length of "
                                    + length
                                    + " bytes is more than 1 % of the file's "
                                    + size);
                }
                byte[] header = all.asSlice(8, length).toArray(ValueLayout.JAVA_BYTE);
                MemorySegment data = all.asSlice(8 + length);
                return new Safetensors(arena, data, parse(header, data.byteSize()));
            } catch (IOException | RuntimeException e) {
                arena.close();
                throw e;
            }
        }
    }

    private static Map<String, Entry> parse(byte[] header, long dataBytes) throws Malformed {
        JsonNode root;
        try {
            if (header[0] != '{') {
                throw new Malformed("the header does not start with {");
            }
            root =
                    JSON.readTree(
                            StandardCharsets.UTF_8
                                    .newDecoder()
                                    .decode(ByteBuffer.wrap(header))
                                    .toString());
        } catch (CharacterCodingException e) {
            throw new Malformed("the header is not UTF-8");
        } catch (JacksonException e) {
            throw new Malformed("the header is not JSON: " + Printable.of(e.getOriginalMessage()));
        }
        if (root.size() > MAX_TENSORS + 1) {
            throw new Malformed(
                    "it holds " + root.size() + " tensors; at most " + MAX_TENSORS + " are read");
        }
        checkMetadata(root.path("__metadata__"));
        List<Entry> list = new ArrayList<>();
        for (Map.Entry<String, JsonNode> field : root.properties()) {
            if (!field.getKey().equals("__metadata__")) {
                list.add(entry(field.getKey(), field.getValue(), dataBytes));
            }
        }
        list.sort(Comparator.comparingLong(Entry::begin).thenComparingLong(Entry::end));
        Map<String, Entry> entries = new LinkedHashMap<>();
        long at = 0;
        for (Entry e : list) {
            if (e.begin() != at) {
                throw new Malformed(
                        "tensor "
                                + e.name()
                                + " begins at "
                                + e.begin()
                                + ", the one before ends at "
                                + at);
            }
            at = e.end();
            entries.put(e.name(), e);
        }
        if (at != dataBytes) {
            throw new Malformed(
                    "the tensors end at byte " + at + " of " + dataBytes + " after the header");
        }
        return Collections.unmodifiableMap(entries);
    }

    private static void checkMetadata(JsonNode node) throws Malformed {
        if (node.isMissingNode()) {
            return;
        }
        if (!node.isObject() || !node.valueStream().allMatch(JsonNode::isString)) {
            throw new Malformed("__metadata__ must be an object of strings");
        }
    }

    private static Entry entry(String name, JsonNode node, long dataBytes) throws Malformed {
        if (!NAME.matcher(name).matches()) {
            throw new Malformed(
                    "the tensor name \""
                            + Printable.of(name)
                            + "\" must be 1 to 512 letters, digits and the characters _ . -");
        }
        if (!node.isObject()
                || node.size() != 3
                || !node.path("dtype").isString()
                || !node.path("shape").isArray()
                || !node.path("data_offsets").isArray()
                || node.path("data_offsets").size() != 2) {
            throw new Malformed("tensor " + name + " needs exactly dtype, shape and data_offsets");
        }
        Type type;
        try {
            type = Type.valueOf(node.path("dtype").asString());
        } catch (IllegalArgumentException e) {
            throw new Malformed(
                    "tensor "
                            + name
                            + " has dtype "
                            + Printable.of(node.path("dtype").asString())
                            + ", which is not read here; save it as F32, F16 or BF16");
        }
        List<Long> shape = new ArrayList<>();
        long elements = 1;
        try {
            for (JsonNode d : node.path("shape")) {
                long dimension = whole(name, d);
                shape.add(dimension);
                elements = Math.multiplyExact(elements, dimension);
            }
            long begin = whole(name, node.path("data_offsets").path(0));
            long end = whole(name, node.path("data_offsets").path(1));
            if (end > dataBytes || begin > end) {
                throw new Malformed(
                        "tensor "
                                + name
                                + " ends at byte "
                                + end
                                + " of "
                                + dataBytes
                                + ": the file is truncated or its offsets are wrong");
            }
            if (end - begin != Math.multiplyExact(elements, (long) type.bytes())) {
                throw new Malformed(
                        "tensor "
                                + name
                                + " holds "
                                + (end - begin)
                                + " bytes, its shape "
                                + shape
                                + " of "
                                + type
                                + " needs another number");
            }
            return new Entry(name, type, shape, begin, end);
        } catch (ArithmeticException e) {
            throw new Malformed("tensor " + name + " has an impossible shape");
        }
    }

    private static long whole(String name, JsonNode node) throws Malformed {
        if (!node.isIntegralNumber() || !node.canConvertToLong() || node.asLong() < 0) {
            throw new Malformed(
                    "tensor " + name + ": shape and offsets must be whole numbers from 0");
        }
        return node.asLong();
    }

    /** In file order. */
    public Map<String, Entry> entries() {
        return entries;
    }

    public Entry entry(String name) {
        Entry entry = entries.get(name);
        if (entry == null) {
            throw new UnsupportedCheckpoint("tensor " + name + " is missing");
        }
        return entry;
    }

    /** The tensor's bytes, little-endian. */
    public MemorySegment bytes(String name) {
        Entry e = entry(name);
        return data.asSlice(e.begin(), e.end() - e.begin());
    }

    /** An F32, F16 or BF16 tensor's values, widened exactly. */
    public float[] floats(String name) {
        return floats(name, 0, Math.toIntExact(entry(name).elements()));
    }

    /** Some consecutive values of an F32, F16 or BF16 tensor, widened exactly. */
    public float[] floats(String name, long from, int count) {
        Entry e = entry(name);
        MemorySegment bytes =
                bytes(name).asSlice(from * e.type().bytes(), (long) count * e.type().bytes());
        float[] out = new float[count];
        switch (e.type()) {
            case F32 -> MemorySegment.copy(bytes, FLOAT, 0, out, 0, count);
            case F16 -> {
                for (int i = 0; i < count; i++) {
                    out[i] = Float.float16ToFloat(bytes.get(SHORT, 2L * i));
                }
            }
            case BF16 -> {
                for (int i = 0; i < count; i++) {
                    out[i] = Bf16Bits.toFloat(bytes.get(SHORT, 2L * i));
                }
            }
            default ->
                    throw new UnsupportedCheckpoint(
                            "tensor "
                                    + name
                                    + " has type "
                                    + e.type()
                                    + ", a floating-point one is needed");
        }
        return out;
    }

    /** A two-byte tensor's raw bits. */
    public short[] shorts(String name) {
        Entry e = entry(name);
        if (e.type().bytes() != 2) {
            throw new UnsupportedCheckpoint("tensor " + name + " has type " + e.type());
        }
        MemorySegment bytes = bytes(name);
        short[] out = new short[Math.toIntExact(e.elements())];
        MemorySegment.copy(bytes, SHORT, 0, out, 0, out.length);
        return out;
    }

    public int[] ints(String name) {
        Entry e = entry(name);
        if (e.type() != Type.I32) {
            throw new UnsupportedCheckpoint(
                    "tensor " + name + " has type " + e.type() + ", not I32");
        }
        int[] out = new int[Math.toIntExact(e.elements())];
        MemorySegment.copy(bytes(name), INT, 0, out, 0, out.length);
        return out;
    }

    @Override
    public void close() {
        arena.close();
    }

    /**
     * Writes a safetensors file tensor by tensor; the header is known before the first byte of
     * data.
     */
    public static final class Writer implements AutoCloseable {
        private final FileChannel channel;
        private final List<Entry> plan;
        private int next;

        /**
         * @param plan names, types and shapes in file order; offsets are computed here
         */
        public Writer(Path file, List<Planned> plan) throws IOException {
            List<Entry> entries = new ArrayList<>();
            Map<String, Map<String, Object>> header = new LinkedHashMap<>();
            long at = 0;
            for (Planned p : plan) {
                long end = at + p.bytes();
                entries.add(new Entry(p.name(), p.type(), p.shape(), at, end));
                header.put(
                        p.name(),
                        Map.of(
                                "dtype",
                                p.type().name(),
                                "shape",
                                p.shape(),
                                "data_offsets",
                                List.of(at, end)));
                at = end;
            }
            byte[] json = JSON.writeValueAsBytes(header);
            int padded = (json.length + 7) / 8 * 8;
            ByteBuffer head = ByteBuffer.allocate(8 + padded).order(ByteOrder.LITTLE_ENDIAN);
            head.putLong(padded).put(json);
            while (head.hasRemaining()) {
                head.put((byte) ' ');
            }
            this.plan = entries;
            this.channel =
                    FileChannel.open(file, StandardOpenOption.CREATE_NEW, StandardOpenOption.WRITE);
            writeFully(head.flip());
        }

        /** A tensor to come. */
        public record Planned(String name, Type type, List<Long> shape) {
            public long elements() {
                return shape.stream().reduce(1L, (a, b) -> a * b);
            }

            public long bytes() {
                return elements() * type.bytes();
            }
        }

        public void write(String name, byte[] values) {
            put(name, ByteBuffer.wrap(values));
        }

        public void write(String name, short[] values) {
            ByteBuffer b = ByteBuffer.allocate(2 * values.length).order(ByteOrder.LITTLE_ENDIAN);
            b.asShortBuffer().put(values);
            put(name, b);
        }

        public void write(String name, int[] values) {
            ByteBuffer b = ByteBuffer.allocate(4 * values.length).order(ByteOrder.LITTLE_ENDIAN);
            b.asIntBuffer().put(values);
            put(name, b);
        }

        public void write(String name, float[] values) {
            ByteBuffer b = ByteBuffer.allocate(4 * values.length).order(ByteOrder.LITTLE_ENDIAN);
            b.asFloatBuffer().put(values);
            put(name, b);
        }

        /**
         * Writes a two-byte tensor in pieces.
         *
         * @param source gives consecutive pieces to what it is called with
         */
        public void write(String name, Consumer<Consumer<short[]>> source) {
            Entry e = plan.get(next);
            long[] written = {0};
            source.accept(piece -> {
                ByteBuffer b = ByteBuffer.allocate(2 * piece.length).order(ByteOrder.LITTLE_ENDIAN);
                b.asShortBuffer().put(piece);
                written[0] += b.remaining();
                append(b);
            });
            planned(e, name, written[0]);
        }

        private void put(String name, ByteBuffer bytes) {
            planned(plan.get(next), name, bytes.remaining());
            append(bytes);
        }

        private void planned(Entry e, String name, long bytes) {
            if (!e.name().equals(name) || e.end() - e.begin() != bytes) {
                throw new IllegalStateException("planned " + e + ", got " + name + " of " + bytes);
            }
            next++;
        }

        private void append(ByteBuffer bytes) {
            try {
                writeFully(bytes);
            } catch (IOException ex) {
                throw new UncheckedIOException(ex);
            }
        }

        private void writeFully(ByteBuffer bytes) throws IOException {
            while (bytes.hasRemaining()) {
                channel.write(bytes);
            }
        }

        /** Forces the file to disk. */
        @Override
        public void close() throws IOException {
            try (channel) {
                if (next == plan.size()) {
                    channel.force(true);
                }
            }
        }
    }
}
