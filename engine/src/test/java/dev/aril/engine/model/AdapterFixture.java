package dev.aril.engine.model;

import java.io.ByteArrayOutputStream;
import java.io.IOException;
import java.nio.ByteBuffer;
import java.nio.ByteOrder;
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import java.util.Objects;
import java.util.Random;
import java.util.Set;

/**
 * A small valid adapter, field by field and tensor by tensor, so that a test can spoil any of it
 * before the files are written. The header is put together as text here, apart from the reader and
 * writer under test.
 */
final class AdapterFixture {
    /** Every projection has widths of its own. */
    static final ModelConfig MODEL =
            new ModelConfig(96, 160, 2, 4, 2, 32, 100, 64, 10_000, 1e-5f, true, 1, Set.of(2));

    static final String QUERY_A = "base_model.model.model.layers.0.self_attn.q_proj.lora_A.weight";
    static final String QUERY_B = "base_model.model.model.layers.0.self_attn.q_proj.lora_B.weight";

    /** Tensor data with what the header says of it. */
    static final class Tensor {
        String dtype = "F32";
        String shape;
        byte[] data;

        /** Null: where it comes to lie. */
        long[] offsets = new long[0];

        Tensor(long rows, long columns, float[] values) {
            shape = "[" + rows + "," + columns + "]";
            ByteBuffer b = ByteBuffer.allocate(4 * values.length).order(ByteOrder.LITTLE_ENDIAN);
            b.asFloatBuffer().put(values);
            data = b.array();
        }

        void set(int index, float value) {
            ByteBuffer.wrap(data).order(ByteOrder.LITTLE_ENDIAN).putFloat(4 * index, value);
        }

        void toHalf() {
            ByteBuffer from = ByteBuffer.wrap(data).order(ByteOrder.LITTLE_ENDIAN);
            ByteBuffer to = ByteBuffer.allocate(data.length / 2).order(ByteOrder.LITTLE_ENDIAN);
            while (from.hasRemaining()) {
                to.putShort(Float.floatToFloat16(from.getFloat()));
            }
            dtype = "F16";
            data = to.array();
        }
    }

    /** Field to its JSON text. */
    final Map<String, String> config = new LinkedHashMap<>();

    final Map<String, Tensor> tensors = new LinkedHashMap<>();

    String metadata = "{\"format\":\"pt\"}";

    AdapterFixture() {
        config.put("peft_type", "\"LORA\"");
        config.put("task_type", "\"CAUSAL_LM\"");
        config.put("r", "4");
        config.put("lora_alpha", "8");
        config.put("target_modules", "[\"q_proj\",\"down_proj\"]");
        Random random = new Random(7);
        for (int layer = 0; layer < MODEL.layers(); layer++) {
            for (Projection p : List.of(Projection.Q, Projection.DOWN)) {
                add(layer, p, 4, random);
            }
        }
    }

    void add(int layer, Projection p, int rank, Random random) {
        String module = "base_model.model." + p.path(layer);
        tensors.put(
                module + ".lora_A.weight",
                new Tensor(rank, p.in(MODEL), values(rank * p.in(MODEL), random)));
        tensors.put(
                module + ".lora_B.weight",
                new Tensor(p.out(MODEL), rank, values(rank * p.out(MODEL), random)));
    }

    private static float[] values(int count, Random random) {
        float[] out = new float[count];
        for (int i = 0; i < count; i++) {
            out[i] = (float) random.nextGaussian();
        }
        return out;
    }

    Tensor queryA() {
        return tensor(QUERY_A);
    }

    Tensor queryB() {
        return tensor(QUERY_B);
    }

    private Tensor tensor(String name) {
        return Objects.requireNonNull(tensors.get(name), name);
    }

    void rename(String from, String to) {
        Tensor tensor = tensor(from);
        tensors.remove(from);
        tensors.put(to, tensor);
    }

    String configJson() {
        StringBuilder out = new StringBuilder("{");
        config.forEach((k, v) ->
                out.append(out.length() > 1 ? "," : "")
                        .append('"')
                        .append(k)
                        .append("\":")
                        .append(v));
        return out.append("}").toString();
    }

    String header() {
        StringBuilder out = new StringBuilder("{\"__metadata__\":" + metadata);
        long at = 0;
        for (Map.Entry<String, Tensor> e : tensors.entrySet()) {
            Tensor t = e.getValue();
            long begin = t.offsets.length == 2 ? t.offsets[0] : at;
            long end = t.offsets.length == 2 ? t.offsets[1] : at + t.data.length;
            out.append(
                    ",\"%s\":{\"dtype\":\"%s\",\"shape\":%s,\"data_offsets\":[%d,%d]}"
                            .formatted(e.getKey(), t.dtype, t.shape, begin, end));
            at += t.data.length;
        }
        return out.append("}").toString();
    }

    byte[] data() {
        ByteArrayOutputStream out = new ByteArrayOutputStream();
        tensors.values().forEach(t -> out.writeBytes(t.data));
        return out.toByteArray();
    }

    byte[] model() {
        return model(header(), data());
    }

    static byte[] model(String header, byte[] data) {
        byte[] json = header.getBytes(StandardCharsets.UTF_8);
        return model(json.length, json, data);
    }

    static byte[] model(long statedLength, byte[] header, byte[] data) {
        return ByteBuffer.allocate(8 + header.length + data.length)
                .order(ByteOrder.LITTLE_ENDIAN)
                .putLong(statedLength)
                .put(header)
                .put(data)
                .array();
    }

    Path writeTo(Path folder) throws IOException {
        return write(folder, configJson().getBytes(StandardCharsets.UTF_8), model());
    }

    static Path write(Path folder, byte[] config, byte[] model) throws IOException {
        Files.createDirectories(folder);
        Files.write(folder.resolve("adapter_config.json"), config);
        Files.write(folder.resolve("adapter_model.safetensors"), model);
        return folder;
    }
}
