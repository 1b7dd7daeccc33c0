package dev.aril.engine.model;

import dev.aril.engine.AdapterRejected;
import dev.aril.engine.AdapterRejected.Part;
import java.io.IOException;
import java.lang.foreign.MemorySegment;
import java.lang.foreign.ValueLayout;
import java.nio.ByteOrder;
import java.nio.file.Path;
import java.util.HashMap;
import java.util.List;
import java.util.Map;
import java.util.Objects;

/**
 * The tensors of an {@code adapter_model.safetensors}, found by what they are rather than by how
 * they happen to be spelled.
 *
 * <p>Usual is {@code base_model.model.<module>.lora_A.weight}. Two other spellings are read:
 * without the prefix {@code base_model.model.}, and with the adapter's name left in, as {@code
 * lora_A.default.weight}.
 */
final class AdapterTensors implements AutoCloseable {
    private static final String PREFIX = "base_model.model.";
    private static final ValueLayout.OfShort SHORT =
            ValueLayout.JAVA_SHORT_UNALIGNED.withOrder(ByteOrder.LITTLE_ENDIAN);
    private static final ValueLayout.OfInt INT =
            ValueLayout.JAVA_INT_UNALIGNED.withOrder(ByteOrder.LITTLE_ENDIAN);

    private final Safetensors file;

    /** From {@code <module>.lora_A} to the file's own spelling. */
    private final Map<String, String> spelling = new HashMap<>();

    private AdapterTensors(Safetensors file) {
        this.file = file;
    }

    static AdapterTensors open(Path path) throws AdapterRejected, IOException {
        Safetensors file;
        try {
            file = Safetensors.open(path);
        } catch (Safetensors.Malformed e) {
            String kind = FileKind.of(path).orElse("");
            throw rejected(
                    kind.isEmpty()
                            ? Objects.toString(e.getMessage())
                            : "this is "
                                    + kind
                                    + ", not safetensors: save the adapter with"
                                    + " safe_serialization=True");
        }
        AdapterTensors tensors = new AdapterTensors(file);
        try {
            for (Safetensors.Entry entry : file.entries().values()) {
                tensors.accept(entry);
            }
            return tensors;
        } catch (AdapterRejected | RuntimeException e) {
            file.close();
            throw e;
        }
    }

    private void accept(Safetensors.Entry entry) throws AdapterRejected {
        String name = entry.name();
        String plain = name.startsWith(PREFIX) ? name.substring(PREFIX.length()) : name;
        String matrix =
                plain.endsWith(".default.weight")
                        ? plain.substring(0, plain.length() - ".default.weight".length())
                        : plain.endsWith(".weight")
                                ? plain.substring(0, plain.length() - ".weight".length())
                                : plain;
        if (matrix.equals(plain) || !(matrix.endsWith(".lora_A") || matrix.endsWith(".lora_B"))) {
            throw rejected("tensor " + name + " " + whatItIs(name));
        }
        String before = spelling.put(matrix, name);
        if (before != null) {
            throw rejected("tensors " + before + " and " + name + " are the same matrix");
        }
        switch (entry.type()) {
            case F32, F16, BF16 -> {}
            default ->
                    throw rejected(
                            "tensor "
                                    + name
                                    + " has dtype "
                                    + entry.type()
                                    + "; save it as F32, F16 or BF16");
        }
    }

    private static String whatItIs(String name) {
        if (name.contains("lora_magnitude_vector")) {
            return "belongs to DoRA, which is not served";
        }
        if (name.contains("lora_embedding_")) {
            return "adapts an embedding, which is not served: target linear modules only";
        }
        if (name.contains("trainable_tokens")) {
            return "holds trained token embeddings, which are not served";
        }
        if (name.endsWith(".bias")) {
            return "is a bias, which is not served: train the adapter with bias=\"none\"";
        }
        if (name.contains("lora_")) {
            return "is neither a lora_A.weight nor a lora_B.weight";
        }
        return "is a whole weight, not a low-rank update: train without modules_to_save";
    }

    /** Is there a matrix of that plain name, for example {@code <module>.lora_A}? */
    boolean has(String matrix) {
        return spelling.containsKey(matrix);
    }

    Map<String, String> spellings() {
        return Map.copyOf(spelling);
    }

    /** Refuses another shape than {@code [rows, columns]}; says why it is expected. */
    void requireShape(String matrix, long rows, long columns, String because)
            throws AdapterRejected {
        Safetensors.Entry entry = file.entry(spelled(matrix));
        if (!entry.shape().equals(List.of(rows, columns))) {
            throw rejected(
                    "tensor "
                            + entry.name()
                            + " has shape "
                            + entry.shape()
                            + "; "
                            + List.of(rows, columns)
                            + " is expected ("
                            + because
                            + ")");
        }
    }

    /** Refuses infinities and NaN. */
    void requireFinite(String matrix) throws AdapterRejected {
        Safetensors.Entry entry = file.entry(spelled(matrix));
        MemorySegment bytes = bytes(matrix);
        long count = entry.elements();
        long bad =
                switch (entry.type()) {
                    case F32 -> firstWithBits32(bytes, count);
                    case F16 -> firstWithBits16(bytes, count, 0x7c00);
                    default -> firstWithBits16(bytes, count, 0x7f80);
                };
        if (bad < count) {
            long columns = entry.shape().get(1);
            throw rejected(
                    "tensor "
                            + entry.name()
                            + " holds NaN or infinity at ["
                            + bad / columns
                            + ", "
                            + bad % columns
                            + "]");
        }
    }

    /** All exponent bits set means NaN or infinity; returns the count when there is none. */
    private static long firstWithBits32(MemorySegment bytes, long count) {
        for (long i = 0; i < count; i++) {
            if ((bytes.get(INT, 4 * i) & 0x7f80_0000) == 0x7f80_0000) {
                return i;
            }
        }
        return count;
    }

    private static long firstWithBits16(MemorySegment bytes, long count, int exponent) {
        for (long i = 0; i < count; i++) {
            if ((bytes.get(SHORT, 2 * i) & exponent) == exponent) {
                return i;
            }
        }
        return count;
    }

    Safetensors.Entry entry(String matrix) {
        return file.entry(spelled(matrix));
    }

    MemorySegment bytes(String matrix) {
        return file.bytes(spelled(matrix));
    }

    float[] floats(String matrix) {
        return file.floats(spelled(matrix));
    }

    private String spelled(String matrix) {
        String name = spelling.get(matrix);
        if (name == null) {
            throw new IllegalArgumentException("no matrix " + matrix);
        }
        return name;
    }

    static AdapterRejected rejected(String message) {
        return new AdapterRejected(Part.MODEL, "adapter_model: " + message);
    }

    @Override
    public void close() {
        file.close();
    }
}
