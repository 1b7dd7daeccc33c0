package dev.aril.adapters;

import dev.aril.engine.AdapterRejected.Part;
import java.io.IOException;
import java.nio.channels.FileChannel;
import java.nio.channels.FileLock;
import java.nio.channels.OverlappingFileLockException;
import java.nio.file.Files;
import java.nio.file.LinkOption;
import java.nio.file.Path;
import java.nio.file.StandardCopyOption;
import java.nio.file.StandardOpenOption;
import java.nio.file.attribute.FileAttribute;
import java.nio.file.attribute.PosixFilePermissions;
import java.time.Duration;
import java.time.Instant;
import java.util.Comparator;
import java.util.List;
import java.util.Optional;
import java.util.Set;
import java.util.UUID;
import java.util.regex.Pattern;
import java.util.stream.Collectors;
import java.util.stream.Stream;

/**
 * Where are the bytes? Content-addressed:
 *
 * <pre>
 * adapters/&lt;digest&gt;/adapter_config.json, adapter_model.safetensors   complete, never changed
 * staging/&lt;server&gt;/lock                                               held while that server runs
 * staging/&lt;server&gt;/&lt;upload&gt;/                                            on its way in or out
 * </pre>
 *
 * A folder appears under {@code adapters} by one rename, after its bytes are durable, and leaves it
 * by one rename. Who may do so is decided by the rows, in {@link Adapters}.
 */
final class AdapterFiles implements AutoCloseable {
    private static final Pattern DIGEST = Pattern.compile("[0-9a-f]{64}");

    /** Tenants' weights are nobody else's to read. */
    private static final FileAttribute<?> PRIVATE =
            PosixFilePermissions.asFileAttribute(PosixFilePermissions.fromString("rwx------"));

    /** A server locks its folder right after making it; only then is it told from a dead one's. */
    private static final Duration UNLOCKED = Duration.ofMinutes(1);

    private final AdapterStoreSettings settings;
    private final Path adapters;
    private final Path staging;
    private final Path mine;
    private final FileChannel lock;

    private AdapterFiles(
            AdapterStoreSettings settings,
            Path adapters,
            Path staging,
            Path mine,
            FileChannel lock) {
        this.settings = settings;
        this.adapters = adapters;
        this.staging = staging;
        this.mine = mine;
        this.lock = lock;
    }

    static AdapterFiles open(AdapterStoreSettings settings) throws IOException {
        Path adapters = Files.createDirectories(settings.folder().resolve("adapters"), PRIVATE);
        Path staging = Files.createDirectories(settings.folder().resolve("staging"), PRIVATE);
        Path mine = Files.createDirectory(staging.resolve(UUID.randomUUID().toString()));
        FileChannel lock =
                FileChannel.open(
                        mine.resolve("lock"),
                        StandardOpenOption.CREATE_NEW,
                        StandardOpenOption.WRITE);
        if (lock.tryLock() == null) {
            throw new IOException("the new file " + mine.resolve("lock") + " is locked");
        }
        force(settings.folder());
        return new AdapterFiles(settings, adapters, staging, mine, lock);
    }

    static String fileName(Part part) {
        return switch (part) {
            case CONFIG -> "adapter_config.json";
            case MODEL -> "adapter_model.safetensors";
        };
    }

    StagedUpload stage() throws IOException {
        return new StagedUpload(
                Files.createDirectory(mine.resolve(UUID.randomUUID().toString())), settings);
    }

    Path folder(String digest) {
        return adapters.resolve(digest);
    }

    /** Are both files there? */
    boolean complete(String digest) {
        return Stream.of(Part.values())
                .allMatch(part ->
                        Files.isRegularFile(
                                folder(digest).resolve(fileName(part)), LinkOption.NOFOLLOW_LINKS));
    }

    /** Takes a sealed upload in, unless its content is here already. */
    void adopt(StagedUpload upload, String digest) throws IOException {
        if (complete(digest)) {
            return;
        }
        Optional<Path> damaged = retire(digest);
        Files.move(upload.folder(), folder(digest), StandardCopyOption.ATOMIC_MOVE);
        force(adapters);
        if (damaged.isPresent()) {
            deleteTree(damaged.get());
        }
    }

    /**
     * Takes a folder out of {@code adapters}.
     *
     * @return where it went, to be deleted; empty if there was none
     */
    Optional<Path> retire(String digest) throws IOException {
        if (Files.notExists(folder(digest), LinkOption.NOFOLLOW_LINKS)) {
            return Optional.empty();
        }
        Path out = mine.resolve(UUID.randomUUID().toString());
        Files.move(folder(digest), out, StandardCopyOption.ATOMIC_MOVE);
        force(adapters);
        return Optional.of(out);
    }

    /** The digests of all folders under {@code adapters}; anything else there is left alone. */
    Set<String> digests() throws IOException {
        try (Stream<Path> all = Files.list(adapters)) {
            return all.map(p -> p.getFileName().toString())
                    .filter(n -> DIGEST.matcher(n).matches())
                    .collect(Collectors.toSet());
        }
    }

    /** Deletes what servers left behind that run no more. */
    void sweepStaging() throws IOException {
        List<Path> servers;
        try (Stream<Path> all = Files.list(staging)) {
            servers = all.filter(p -> !p.equals(mine)).toList();
        }
        for (Path server : servers) {
            if (abandoned(server)) {
                deleteTree(server);
            }
        }
    }

    private static boolean abandoned(Path server) throws IOException {
        Path file = server.resolve("lock");
        if (Files.notExists(file)) {
            Instant made = Files.getLastModifiedTime(server).toInstant();
            return made.isBefore(Instant.now().minus(UNLOCKED));
        }
        try (FileChannel channel = FileChannel.open(file, StandardOpenOption.WRITE);
                FileLock held = channel.tryLock()) {
            return held != null;
        } catch (OverlappingFileLockException e) {
            return false;
        }
    }

    static void deleteTree(Path folder) throws IOException {
        if (Files.notExists(folder, LinkOption.NOFOLLOW_LINKS)) {
            return;
        }
        List<Path> inside;
        try (Stream<Path> all = Files.walk(folder)) {
            inside = all.sorted(Comparator.reverseOrder()).toList();
        }
        for (Path path : inside) {
            Files.deleteIfExists(path);
        }
    }

    /** Makes a folder's entries durable. */
    static void force(Path folder) throws IOException {
        try (FileChannel channel = FileChannel.open(folder, StandardOpenOption.READ)) {
            channel.force(true);
        }
    }

    @Override
    public void close() throws IOException {
        try (lock) {
            deleteTree(mine);
        }
    }
}
