package dev.aril.tenancy;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;

import java.io.IOException;
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.Path;
import java.nio.file.attribute.PosixFilePermissions;
import java.security.SecureRandom;
import java.util.HexFormat;
import java.util.stream.Stream;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;

class PepperTest {
    private static final byte[] MESSAGE = "message".getBytes(StandardCharsets.US_ASCII);

    @TempDir Path folder;

    private Pepper open(boolean keysExist) throws IOException {
        return Pepper.open(folder.resolve("data/pepper"), () -> keysExist, new SecureRandom());
    }

    @Test
    void isMadeOnceForItsOwnerAlone() throws IOException {
        byte[] first = open(false).hash(MESSAGE);
        assertThat(open(true).hash(MESSAGE)).isEqualTo(first);
        Path file = folder.resolve("data/pepper");
        assertThat(Files.size(file)).isEqualTo(32);
        assertThat(PosixFilePermissions.toString(Files.getPosixFilePermissions(file)))
                .isEqualTo("rw-------");
        try (Stream<Path> all = Files.list(folder.resolve("data"))) {
            assertThat(all).containsExactly(file);
        }
    }

    @Test
    void twoServersHaveDifferentOnes() throws IOException {
        byte[] first = open(false).hash(MESSAGE);
        Files.delete(folder.resolve("data/pepper"));
        assertThat(open(false).hash(MESSAGE)).isNotEqualTo(first);
    }

    @Test
    void itsLossIsReportedWhileKeysNeedIt() {
        assertThatThrownBy(() -> open(true))
                .isInstanceOf(IOException.class)
                .hasMessageContaining("pepper")
                .hasMessageContaining("restore the file");
        assertThat(folder.resolve("data/pepper")).doesNotExist();
    }

    @Test
    void itsDamageIsReported() throws IOException {
        Files.createDirectories(folder.resolve("data"));
        Files.write(folder.resolve("data/pepper"), new byte[31]);
        assertThatThrownBy(() -> open(false)).hasMessageContaining("31 bytes instead of 32");
    }

    /** RFC 4231, test case 2 with the key padded by zeros, which HMAC does itself. */
    @Test
    void hashesByTheStandard() throws IOException {
        byte[] key = new byte[32];
        System.arraycopy("Jefe".getBytes(StandardCharsets.US_ASCII), 0, key, 0, 4);
        Files.createDirectories(folder.resolve("data"));
        Files.write(folder.resolve("data/pepper"), key);
        byte[] hash =
                open(false)
                        .hash("what do ya want for nothing?".getBytes(StandardCharsets.US_ASCII));
        assertThat(HexFormat.of().formatHex(hash))
                .isEqualTo("5bdcc146bf60754e6a042426089575c75a003f089d2739839dec58b964ec3843");
    }
}
