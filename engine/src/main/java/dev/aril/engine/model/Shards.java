package dev.aril.engine.model;

import dev.aril.engine.UnsupportedCheckpoint;
import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.Collection;
import java.util.HashMap;
import java.util.LinkedHashMap;
import java.util.Map;
import java.util.TreeSet;
import java.util.regex.Pattern;
import tools.jackson.core.JacksonException;
import tools.jackson.databind.JsonNode;
import tools.jackson.databind.json.JsonMapper;

/**
 * A checkpoint's tensors: one {@code model.safetensors}, or several files and an index that says
 * which holds what. All are mapped; nothing is read before it is asked for.
 */
final class Shards implements AutoCloseable {
    private static final String SINGLE = "model.safetensors";
    private static final String INDEX = "model.safetensors.index.json";
    private static final Pattern FILE = Pattern.compile("[A-Za-z0-9_.-]{1,255}\\.safetensors");

    private final Map<String, Safetensors> files = new LinkedHashMap<>();
    private final Map<String, Safetensors> places = new HashMap<>();

    private Shards() {}

    /**
     * @throws UnsupportedCheckpoint if a file is missing, or a tensor is not where the index says
     * @throws Safetensors.Malformed if a file is damaged, naming it
     */
    static Shards open(Path directory) throws IOException {
        Shards shards = new Shards();
        try {
            if (Files.exists(directory.resolve(SINGLE))) {
                Safetensors file = shards.file(directory, SINGLE);
                file.entries().keySet().forEach(name -> shards.places.put(name, file));
            } else if (Files.exists(directory.resolve(INDEX))) {
                shards.index(directory);
            } else {
                throw new UnsupportedCheckpoint(
                        "the checkpoint has no model.safetensors and no "
                                + INDEX
                                + "; save it with safe_serialization=True");
            }
            return shards;
        } catch (IOException | RuntimeException e) {
            shards.close();
            throw e;
        }
    }

    private void index(Path directory) throws IOException {
        JsonNode map;
        try {
            map =
                    JsonMapper.shared()
                            .readTree(Files.readAllBytes(directory.resolve(INDEX)))
                            .path("weight_map");
        } catch (JacksonException e) {
            throw new UnsupportedCheckpoint(
                    INDEX + " is not JSON: " + Printable.of(e.getOriginalMessage()));
        }
        if (!map.isObject() || map.isEmpty()) {
            throw new UnsupportedCheckpoint(INDEX + " has no weight_map");
        }
        for (Map.Entry<String, JsonNode> entry : map.properties()) {
            String name = entry.getValue().asString("");
            if (!FILE.matcher(name).matches()) {
                throw new UnsupportedCheckpoint(
                        INDEX
                                + ": weight_map names \""
                                + Printable.of(name)
                                + "\", which is not a safetensors file of this directory");
            }
            if (!files.containsKey(name) && !Files.exists(directory.resolve(name))) {
                throw new UnsupportedCheckpoint(INDEX + " names " + name + ", which is missing");
            }
            Safetensors file = file(directory, name);
            if (!file.entries().containsKey(entry.getKey())) {
                throw new UnsupportedCheckpoint(
                        INDEX
                                + " says that "
                                + name
                                + " holds tensor "
                                + Printable.of(entry.getKey())
                                + ", which it does not");
            }
            places.put(entry.getKey(), file);
        }
    }

    private Safetensors file(Path directory, String name) throws IOException {
        Safetensors known = files.get(name);
        if (known != null) {
            return known;
        }
        try {
            Safetensors opened = Safetensors.open(directory.resolve(name));
            files.put(name, opened);
            return opened;
        } catch (Safetensors.Malformed e) {
            throw new Safetensors.Malformed(
                    name
                            + " cannot be read, if it was cut short fetch it again: "
                            + e.getMessage());
        }
    }

    /** All names, those in a shard that the index does not mention too. */
    Collection<String> names() {
        TreeSet<String> names = new TreeSet<>();
        files.values().forEach(file -> names.addAll(file.entries().keySet()));
        return names;
    }

    /**
     * The file that holds a tensor.
     *
     * @throws UnsupportedCheckpoint if there is no such tensor
     */
    Safetensors holding(String name) {
        Safetensors file = places.get(name);
        if (file == null) {
            throw new UnsupportedCheckpoint("tensor " + name + " is missing");
        }
        return file;
    }

    @Override
    public void close() {
        files.values().forEach(Safetensors::close);
    }
}
