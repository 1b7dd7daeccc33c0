package dev.aril;

import java.io.IOException;
import java.nio.channels.FileChannel;
import java.nio.channels.OverlappingFileLockException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.nio.file.StandardOpenOption;
import java.security.SecureRandom;
import java.util.HexFormat;
import java.util.List;
import java.util.concurrent.ExecutionException;
import java.util.concurrent.TimeUnit;
import java.util.concurrent.TimeoutException;
import org.slf4j.Logger;
import org.slf4j.LoggerFactory;

/**
 * The embedded server's folder, claimed by this process alone.
 *
 * <p>{@code data/} is the cluster; {@code bin/} holds the unpacked programs and must not be above
 * it, because the library deletes what it finds there; {@code password} is the superuser's; {@code
 * lock} is held while this process lives.
 */
final class DatabaseFolder implements AutoCloseable {
    private static final Logger LOG = LoggerFactory.getLogger(DatabaseFolder.class);

    private final Path folder;
    private final FileChannel lock;
    private final String password;

    private DatabaseFolder(Path folder, FileChannel lock, String password) {
        this.folder = folder;
        this.lock = lock;
        this.password = password;
    }

    /**
     * Takes the lock, then clears away what a killed predecessor left: its server, which goes on
     * without it, and a cluster whose making was cut short.
     *
     * @throws StartRefused if another process uses the folder, or its password is lost
     */
    static DatabaseFolder claim(Path folder) throws IOException {
        Files.createDirectories(folder);
        FileChannel lock =
                FileChannel.open(
                        folder.resolve("lock"),
                        StandardOpenOption.CREATE,
                        StandardOpenOption.WRITE);
        try {
            if (!locked(lock)) {
                throw new StartRefused(
                        "Another running server uses the database folder " + folder + ".",
                        "Stop it, or give this one a data folder of its own with ARIL_DATA.");
            }
            DatabaseFolder claimed = new DatabaseFolder(folder, lock, password(folder));
            claimed.stopOrphan();
            claimed.setIncompleteAside();
            return claimed;
        } catch (IOException | RuntimeException e) {
            lock.close();
            throw e;
        }
    }

    private static boolean locked(FileChannel lock) throws IOException {
        try {
            return lock.tryLock() != null;
        } catch (OverlappingFileLockException heldByThisJvm) {
            return false;
        }
    }

    private static String password(Path folder) throws IOException {
        Path file = folder.resolve("password");
        if (!Files.exists(file)) {
            if (Files.exists(folder.resolve("data").resolve(COMPLETE))) {
                throw new StartRefused(
                        "The database's password, " + file + ", is missing.",
                        "Restore that file: the database opens with nothing else.");
            }
            byte[] random = new byte[24];
            new SecureRandom().nextBytes(random);
            PrivateFile.write(file, HexFormat.of().formatHex(random));
        }
        return Files.readString(file).strip();
    }

    Path cluster() {
        return folder.resolve("data");
    }

    Path programs() {
        return folder.resolve("bin");
    }

    Path passwordFile() {
        return folder.resolve("password");
    }

    String password() {
        return password;
    }

    /** In the cluster itself, so that a copy of the cluster is complete too. */
    private static final String COMPLETE = "aril-complete";

    /** The server has answered once: from now on the cluster is never set aside. */
    void markComplete() throws IOException {
        Path mark = cluster().resolve(COMPLETE);
        if (!Files.exists(mark)) {
            PrivateFile.write(mark, "");
        }
    }

    /** A postmaster that outlived a killed process still owns the cluster. */
    private void stopOrphan() throws IOException {
        Path pidFile = cluster().resolve("postmaster.pid");
        if (!Files.exists(pidFile)) {
            return;
        }
        List<String> lines = Files.readAllLines(pidFile);
        if (lines.size() < 2 || !Path.of(lines.get(1)).equals(cluster())) {
            return;
        }
        ProcessHandle orphan =
                ProcessHandle.of(Long.parseLong(lines.getFirst().strip())).orElse(null);
        // The number may belong to another program by now.
        if (orphan == null || !orphan.info().command().orElse("").endsWith("/postgres")) {
            return;
        }
        LOG.warn("stopping the database server {} that a killed process left", orphan.pid());
        try {
            // SIGINT, where destroy() sends SIGTERM: the server then waits for nobody.
            new ProcessBuilder("sh", "-c", "kill -INT " + orphan.pid()).start().waitFor();
            orphan.onExit().get(30, TimeUnit.SECONDS);
        } catch (InterruptedException e) {
            Thread.currentThread().interrupt();
            throw new IOException("interrupted while an old database server stopped", e);
        } catch (ExecutionException | TimeoutException e) {
            throw new StartRefused(
                    "The database server that a killed process left does not stop: " + e,
                    "End process " + orphan.pid() + ", then start again.");
        }
    }

    /** Moved, not deleted: whoever lost the mark by hand still has the data. */
    private void setIncompleteAside() throws IOException {
        if (Files.exists(cluster()) && !Files.exists(cluster().resolve(COMPLETE))) {
            Path aside = folder.resolve("data.incomplete-" + System.currentTimeMillis());
            LOG.warn("the database in {} was never completed; moved to {}", cluster(), aside);
            Files.move(cluster(), aside);
        }
    }

    /** Lets go of the folder; the server is stopped by then. */
    @Override
    public void close() throws IOException {
        lock.close();
    }
}
