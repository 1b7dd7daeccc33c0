package dev.aril.engine.model;

import java.io.IOException;
import java.io.InputStream;
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.Optional;

/** What a file that is no safetensors file is instead, by its first bytes. */
final class FileKind {
    private FileKind() {}

    static Optional<String> of(Path file) throws IOException {
        byte[] start;
        try (InputStream in = Files.newInputStream(file)) {
            start = in.readNBytes(32);
        }
        String text = new String(start, StandardCharsets.ISO_8859_1);
        if (text.startsWith("PK\u0003\u0004")) {
            return Optional.of("a zip file, such as torch.save writes");
        }
        if (start.length > 1 && text.charAt(0) == 0x80 && start[1] >= 2 && start[1] <= 5) {
            return Optional.of("a pickle file");
        }
        if (text.startsWith("GGUF")) {
            return Optional.of("a GGUF file");
        }
        if (text.startsWith("\u0089HDF")) {
            return Optional.of("an HDF5 file");
        }
        if (text.startsWith("\u001f\u008b")) {
            return Optional.of("a gzip file");
        }
        if (text.startsWith("\u0093NUMPY")) {
            return Optional.of("a NumPy file");
        }
        if (text.startsWith("version https://git-lfs")) {
            return Optional.of("a Git LFS pointer without the data");
        }
        return Optional.empty();
    }
}
