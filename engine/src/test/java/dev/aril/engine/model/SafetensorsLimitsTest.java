package dev.aril.engine.model;

import static org.assertj.core.api.Assertions.assertThatThrownBy;

import java.io.IOException;
import java.io.RandomAccessFile;
import java.nio.ByteBuffer;
import java.nio.ByteOrder;
import java.nio.charset.StandardCharsets;
import java.nio.file.Path;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;

class SafetensorsLimitsTest {
    @TempDir Path folder;

    /** A file large enough for such a header to be a small share of it; its data is a hole. */
    @Test
    void moreTensorsThanRealFilesHoldAreRefused() throws IOException {
        long data = 256L << 20;
        StringBuilder header =
                new StringBuilder(
                        "{\"big\":{\"dtype\":\"U8\",\"shape\":[%d],\"data_offsets\":[0,%d]}"
                                .formatted(data, data));
        for (int i = 0; i < Safetensors.MAX_TENSORS + 1; i++) {
            header.append(",\"t")
                    .append(i)
                    .append("\":{\"dtype\":\"U8\",\"shape\":[0],\"data_offsets\":[0,0]}");
        }
        byte[] json = header.append('}').toString().getBytes(StandardCharsets.UTF_8);
        Path file = folder.resolve("many.safetensors");
        try (RandomAccessFile out = new RandomAccessFile(file.toFile(), "rw")) {
            out.write(
                    ByteBuffer.allocate(8)
                            .order(ByteOrder.LITTLE_ENDIAN)
                            .putLong(json.length)
                            .array());
            out.write(json);
            out.setLength(8 + json.length + data);
        }
        assertThatThrownBy(() -> Safetensors.open(file).close())
                .isInstanceOf(Safetensors.Malformed.class)
                .hasMessageContaining("at most 20000");
    }
}
