package dev.aril;

import java.io.IOException;
import java.nio.ByteBuffer;
import java.nio.ByteOrder;
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.Arrays;
import java.util.List;
import java.util.function.UnaryOperator;

/** An adapter's two files, whole or spoilt. */
record AdapterFiles(byte[] config, byte[] model) {
    /** One of the demonstration's adapters. */
    static AdapterFiles demo(String name) throws IOException {
        Path folder = Installation.HOME.resolve("models/novella-11m/adapters").resolve(name);
        return new AdapterFiles(
                Files.readAllBytes(folder.resolve("adapter_config.json")),
                Files.readAllBytes(folder.resolve("adapter_model.safetensors")));
    }

    List<Caller.Part> parts(String name) {
        return List.of(
                Caller.Part.text("name", name),
                new Caller.Part("adapter_config", "adapter_config.json", config),
                new Caller.Part("adapter_model", "adapter_model.safetensors", model));
    }

    AdapterFiles truncated() {
        return new AdapterFiles(config, Arrays.copyOf(model, model.length - 1000));
    }

    AdapterFiles padded() {
        return new AdapterFiles(config, Arrays.copyOf(model, model.length + 64));
    }

    /** The first tensor's first value is not a number; for an F32 adapter. */
    AdapterFiles notANumber() {
        byte[] spoilt = model.clone();
        ByteBuffer.wrap(spoilt)
                .order(ByteOrder.LITTLE_ENDIAN)
                .putFloat(8 + headerLength(), Float.NaN);
        return new AdapterFiles(config, spoilt);
    }

    /** Some bytes as a pickled PyTorch checkpoint starts with them. */
    AdapterFiles pickled() {
        byte[] pickle = new byte[4096];
        byte[] start = {(byte) 0x80, 2, 'c'};
        System.arraycopy(start, 0, pickle, 0, start.length);
        return new AdapterFiles(config, pickle);
    }

    /** The header rewritten, padded with blanks to the old length. */
    AdapterFiles withHeader(UnaryOperator<String> rewrite) {
        int length = headerLength();
        String header = new String(model, 8, length, StandardCharsets.UTF_8);
        byte[] rewritten =
                String.format("%-" + length + "s", rewrite.apply(header))
                        .getBytes(StandardCharsets.UTF_8);
        if (rewritten.length != length
                || header.equals(new String(rewritten, StandardCharsets.UTF_8))) {
            throw new IllegalArgumentException("the rewritten header is longer, or the same");
        }
        byte[] spoilt = model.clone();
        System.arraycopy(rewritten, 0, spoilt, 8, length);
        return new AdapterFiles(config, spoilt);
    }

    private int headerLength() {
        return Math.toIntExact(ByteBuffer.wrap(model).order(ByteOrder.LITTLE_ENDIAN).getLong(0));
    }
}
