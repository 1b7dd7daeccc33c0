package dev.aril.engine.text;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;

import java.io.IOException;
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.Path;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;

class TextFileTest {
    @TempDir private Path folder;

    @Test
    void aTextIsRead() throws IOException {
        Path file = Files.writeString(folder.resolve("a.txt"), "outré\n");
        assertThat(TextFile.read(file)).isEqualTo("outré\n");
    }

    @Test
    void anotherEncodingIsToldWithTheFilesName() throws IOException {
        byte[] latin = "outré".getBytes(StandardCharsets.ISO_8859_1);
        Path file = Files.write(folder.resolve("latin.txt"), latin);
        assertThatThrownBy(() -> TextFile.read(file))
                .isInstanceOf(IOException.class)
                .hasMessageContaining("latin.txt is not UTF-8");
    }

    @Test
    void aMissingFileIsTold() {
        Path file = folder.resolve("none.txt");
        assertThatThrownBy(() -> TextFile.read(file))
                .isInstanceOf(IOException.class)
                .hasMessage("there is no file " + file);
    }
}
