package dev.aril.engine.model;

import java.io.IOException;
import java.io.InputStream;
import java.nio.file.DirectoryStream;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.List;
import java.util.stream.Stream;
import java.util.zip.GZIPInputStream;
import tools.jackson.databind.JsonNode;
import tools.jackson.databind.json.JsonMapper;

/** The small random checkpoints that {@code src/test/golden/make.py} makes, a folder each. */
public final class GoldenFixtures {
    private static final Path ALL = Path.of("src/test/golden/checkpoints");

    private GoldenFixtures() {}

    /** All there are. */
    public static Stream<String> names() throws IOException {
        List<String> names = new ArrayList<>();
        try (DirectoryStream<Path> folders = Files.newDirectoryStream(ALL)) {
            for (Path folder : folders) {
                if (Files.isDirectory(folder)) {
                    names.add(folder.getFileName().toString());
                }
            }
        }
        return names.stream().sorted();
    }

    /** Unpacks one, with a tokenizer that knows a byte an id. */
    public static Path unpack(String name, Path into) throws IOException {
        Path folder = Files.createDirectories(into.resolve(name));
        try (DirectoryStream<Path> files = Files.newDirectoryStream(ALL.resolve(name))) {
            for (Path file : files) {
                String own = file.getFileName().toString();
                if (own.endsWith(".gz")) {
                    Path plain = folder.resolve(own.substring(0, own.length() - ".gz".length()));
                    try (InputStream in = new GZIPInputStream(Files.newInputStream(file))) {
                        Files.copy(in, plain);
                    }
                } else {
                    Files.copy(file, folder.resolve(own));
                }
            }
        }
        Files.copy(ALL.resolve("tokenizer.json"), folder.resolve("tokenizer.json"));
        return folder;
    }

    /** What transformers computes from it. */
    public static JsonNode golden(String name) throws IOException {
        return JsonMapper.shared()
                .readTree(Files.readAllBytes(ALL.resolve(name).resolve("golden.json")));
    }
}
