package dev.aril.tenancy;

import java.io.IOException;
import java.nio.ByteBuffer;
import java.nio.channels.FileChannel;
import java.nio.file.FileAlreadyExistsException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.nio.file.StandardOpenOption;
import java.nio.file.attribute.PosixFilePermissions;
import java.security.GeneralSecurityException;
import java.security.SecureRandom;
import java.util.Objects;
import java.util.Set;
import java.util.function.BooleanSupplier;
import javax.crypto.Mac;
import javax.crypto.spec.SecretKeySpec;

/**
 * A secret of the server's own, outside the database: without it the stored hashes of API keys
 * cannot be tested. Each purpose has a file of its own.
 */
final class Pepper {
    private static final int BYTES = 32;

    private final SecretKeySpec key;

    private Pepper(byte[] bytes) {
        this.key = new SecretKeySpec(bytes, "HmacSHA256");
    }

    /**
     * Reads the pepper, or makes it when there is none and no key needs the old one.
     *
     * @param keysExist asked only when the file is missing
     * @throws IOException if it is missing while keys exist, or damaged
     */
    static Pepper open(Path file, BooleanSupplier keysExist, SecureRandom random)
            throws IOException {
        if (Files.notExists(file)) {
            if (keysExist.getAsBoolean()) {
                throw new IOException(
                        "the key file "
                                + file
                                + " is missing, and nothing made under it is valid without: restore"
                                + " the file, or delete what it is for (all rows of api_keys, or of"
                                + " webhook_endpoints) and make it anew");
            }
            create(file, random);
        }
        byte[] bytes = Files.readAllBytes(file);
        if (bytes.length != BYTES) {
            throw new IOException(
                    "the key file "
                            + file
                            + " has "
                            + bytes.length
                            + " bytes instead of "
                            + BYTES
                            + ": restore it from a backup");
        }
        return new Pepper(bytes);
    }

    /** HMAC-SHA-256, 32 bytes. */
    byte[] hash(byte[] message) {
        try {
            Mac mac = Mac.getInstance("HmacSHA256");
            mac.init(key);
            return mac.doFinal(message);
        } catch (GeneralSecurityException e) {
            throw new IllegalStateException("every Java platform has HmacSHA256", e);
        }
    }

    private static void create(Path file, SecureRandom random) throws IOException {
        Path folder =
                Objects.requireNonNull(file.toAbsolutePath().getParent(), "a file has a folder");
        Files.createDirectories(folder);
        Path fresh = folder.resolve(file.getFileName() + "." + ProcessHandle.current().pid());
        byte[] bytes = new byte[BYTES];
        random.nextBytes(bytes);
        Files.deleteIfExists(fresh);
        try (FileChannel out =
                FileChannel.open(
                        fresh,
                        Set.of(StandardOpenOption.CREATE_NEW, StandardOpenOption.WRITE),
                        PosixFilePermissions.asFileAttribute(
                                PosixFilePermissions.fromString("rw-------")))) {
            out.write(ByteBuffer.wrap(bytes));
            out.force(true);
        }
        try {
            // A link, unlike a rename, never replaces a pepper that another process made meanwhile.
            Files.createLink(file, fresh);
        } catch (FileAlreadyExistsException e) {
            // theirs is as good
        } finally {
            Files.delete(fresh);
        }
        try (FileChannel directory = FileChannel.open(folder, StandardOpenOption.READ)) {
            directory.force(true);
        }
    }
}
