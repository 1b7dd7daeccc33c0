package dev.aril.engine.text;

import java.io.IOException;
import java.nio.ByteBuffer;
import java.nio.charset.CharacterCodingException;
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.Path;

/** Texts that users name. */
public final class TextFile {
    private TextFile() {}

    /**
     * A whole file.
     *
     * @throws IOException if it cannot be read or is not UTF-8; the message names it
     */
    public static String read(Path file) throws IOException {
        if (!Files.isRegularFile(file)) {
            throw new IOException("there is no file " + file);
        }
        return decode(Files.readAllBytes(file), file.toString());
    }

    /**
     * @param name for the message
     * @throws IOException if it is not UTF-8
     */
    public static String decode(byte[] bytes, String name) throws IOException {
        try {
            return StandardCharsets.UTF_8.newDecoder().decode(ByteBuffer.wrap(bytes)).toString();
        } catch (CharacterCodingException e) {
            throw new IOException(name + " is not UTF-8: convert it, for example with iconv", e);
        }
    }
}
