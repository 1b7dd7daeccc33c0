package dev.aril.cuda;

import java.io.File;
import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.stream.Stream;
import jcuda.driver.JCudaDriver;

/**
 * Loads JCuda's native library from a folder nobody else can write to.
 *
 * <p>JCuda unpacks its library into {@code java.io.tmpdir} under a fixed name and trusts a file
 * that is already there, so any user of a shared machine could plant one. While JCuda initialises,
 * the property names a fresh folder of ours (mode 700) instead; afterwards the mapped library needs
 * no file, and the folder is removed.
 */
final class PrivateNatives {
    private PrivateNatives() {}

    /**
     * @throws LinkageError if the library or the driver below it does not load
     */
    static void load() throws IOException {
        // Both of the JDK's own users of the property read it once, on their first use: let them do
        // so
        // before it is changed.
        Files.delete(File.createTempFile("aril-", ".tmp").toPath());
        Path folder = Files.createTempDirectory("aril-jcuda-");
        String shared = System.setProperty("java.io.tmpdir", folder.toString());
        try {
            Class.forName(JCudaDriver.class.getName(), true, JCudaDriver.class.getClassLoader());
        } catch (ClassNotFoundException e) {
            throw new NoClassDefFoundError(e.getMessage());
        } finally {
            if (shared != null) {
                System.setProperty("java.io.tmpdir", shared);
            } else {
                System.clearProperty("java.io.tmpdir");
            }
            remove(folder);
        }
    }

    private static void remove(Path folder) throws IOException {
        try (Stream<Path> files = Files.list(folder)) {
            for (Path file : files.toList()) {
                Files.delete(file);
            }
        }
        Files.delete(folder);
    }
}
