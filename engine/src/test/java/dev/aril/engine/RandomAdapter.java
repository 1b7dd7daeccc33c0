package dev.aril.engine;

import dev.aril.engine.model.ModelConfig;
import dev.aril.engine.model.Projection;
import java.io.IOException;
import java.nio.ByteBuffer;
import java.nio.ByteOrder;
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.Random;

/** PEFT adapters on all projections, of random numbers large enough to change what a model says. */
final class RandomAdapter {
    private RandomAdapter() {}

    /**
     * @param folder made, with its two files
     */
    static AdapterRef write(Path folder, ModelConfig config, int rank, long seed)
            throws IOException {
        StringBuilder header = new StringBuilder("{\"__metadata__\":{\"format\":\"pt\"}");
        int floats = 0;
        for (int layer = 0; layer < config.layers(); layer++) {
            for (Projection p : Projection.values()) {
                String module = "base_model.model." + p.path(layer);
                tensor(header, module + ".lora_A.weight", rank, p.in(config), floats);
                floats += rank * p.in(config);
                tensor(header, module + ".lora_B.weight", p.out(config), rank, floats);
                floats += rank * p.out(config);
            }
        }
        byte[] json = header.append('}').toString().getBytes(StandardCharsets.US_ASCII);
        ByteBuffer file =
                ByteBuffer.allocate(8 + json.length + 4 * floats).order(ByteOrder.LITTLE_ENDIAN);
        file.putLong(json.length).put(json);
        Random random = new Random(seed);
        while (file.hasRemaining()) {
            file.putFloat((float) random.nextGaussian() * 0.05f);
        }
        Files.createDirectories(folder);
        Files.write(folder.resolve("adapter_model.safetensors"), file.array());
        Files.writeString(
                folder.resolve("adapter_config.json"),
                "{\"peft_type\":\"LORA\",\"task_type\":\"CAUSAL_LM\",\"r\":"
                        + rank
                        + ",\"lora_alpha\":"
                        + rank
                        + ",\"target_modules\":[\"q_proj\",\"k_proj\",\"v_proj\",\"o_proj\","
                        + "\"gate_proj\",\"up_proj\",\"down_proj\"]}");
        return new AdapterRef(String.format("%064x", seed), folder);
    }

    private static void tensor(
            StringBuilder header, String name, int rows, int columns, int firstFloat) {
        long begin = 4L * firstFloat;
        header.append(
                ",\"%s\":{\"dtype\":\"F32\",\"shape\":[%d,%d],\"data_offsets\":[%d,%d]}"
                        .formatted(name, rows, columns, begin, begin + 4L * rows * columns));
    }
}
