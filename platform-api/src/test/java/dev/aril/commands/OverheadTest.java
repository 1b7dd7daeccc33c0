package dev.aril.commands;

import static org.assertj.core.api.Assertions.assertThat;

import org.junit.jupiter.api.Test;
import picocli.CommandLine;

/** The measurement runs and finds every answer in the ledger; how fast that is nobody asserts. */
class OverheadTest {
    @Test
    void everyAnswerIsInTheLedger() {
        int status =
                new CommandLine(new Overhead())
                        .execute("--rate", "20", "--seconds", "1", "--rounds", "1");
        assertThat(status).isZero();
    }
}
