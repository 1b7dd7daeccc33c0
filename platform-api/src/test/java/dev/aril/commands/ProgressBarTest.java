package dev.aril.commands;

import static org.assertj.core.api.Assertions.assertThat;

import java.io.ByteArrayOutputStream;
import java.io.PrintStream;
import java.nio.charset.StandardCharsets;
import java.util.concurrent.atomic.AtomicLong;
import org.junit.jupiter.api.Test;

class ProgressBarTest {
    private static final long SECOND = 1_000_000_000L;

    private final ByteArrayOutputStream bytes = new ByteArrayOutputStream();
    private final AtomicLong now = new AtomicLong();

    private ProgressBar bar(boolean terminal) {
        PrintStream out = new PrintStream(bytes, true, StandardCharsets.UTF_8);
        return new ProgressBar(out, terminal, now::get);
    }

    private String said() {
        return bytes.toString(StandardCharsets.UTF_8).replace(System.lineSeparator(), "\n");
    }

    @Test
    void aTerminalHasOneLineThatIsDrawnAgain() {
        ProgressBar bar = bar(true);
        bar.share("quantizing", 0);
        now.set(10 * SECOND);
        bar.share("quantizing", 0.25);
        now.addAndGet(SECOND / 100);
        bar.share("quantizing", 0.26); // too soon to be drawn
        now.set(40 * SECOND);
        bar.share("quantizing", 1);
        bar.line("done");
        String[] drawn = said().split("\r");
        assertThat(drawn).hasSize(4);
        assertThat(drawn[2]).startsWith("quantizing [########").contains(" 25 %, 30 s left");
        assertThat(drawn[3]).contains("100 %, 40 s").endsWith("\ndone\n");
        assertThat(said().chars().filter(c -> c == '\n').count()).isEqualTo(2);
    }

    @Test
    void aFileHasALineForEachTenth() {
        ProgressBar bar = bar(false);
        for (int i = 0; i <= 100; i++) {
            now.set(i * 60 * SECOND);
            bar.share("scoring", i / 100.0);
        }
        String[] lines = said().split("\n");
        assertThat(lines).hasSize(10);
        assertThat(lines[0]).isEqualTo("scoring:  10 %, 1 h 30 min left");
        assertThat(lines[8]).isEqualTo("scoring:  90 %, 10 min 0 s left");
        assertThat(lines[9]).isEqualTo("scoring: 100 %, 1 h 40 min");
        assertThat(said()).doesNotContain("\r");
    }
}
