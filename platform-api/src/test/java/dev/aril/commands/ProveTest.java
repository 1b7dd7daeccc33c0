package dev.aril.commands;

import static org.assertj.core.api.Assertions.assertThat;

import org.junit.jupiter.api.Test;
import picocli.CommandLine;

/** The proofs, short: each ends with 0 only if what it shows is so. */
class ProveTest {
    @Test
    void threeReplicasAdmitExactlyEachLimit() {
        assertThat(prove("quota", "--trials", "1", "--attempts", "240")).isZero();
    }

    @Test
    void killedReplicasLoseNothingAndTheirLeasesAreFreed() {
        assertThat(prove("kills", "--kills", "3", "--replicas", "2")).isZero();
    }

    @Test
    void aKilledDatabaseLosesNothing() {
        assertThat(prove("database-kills", "--kills", "2", "--replicas", "2")).isZero();
    }

    @Test
    void theRateIsMeasuredOnBooksThatBalance() {
        assertThat(prove("rate", "--seconds", "1", "--rate", "50")).isZero();
    }

    @Test
    void nonsenseIsRefused() {
        assertThat(prove("quota", "--trials", "many")).isEqualTo(2);
    }

    private static int prove(String... arguments) {
        return new CommandLine(new Prove()).execute(arguments);
    }
}
