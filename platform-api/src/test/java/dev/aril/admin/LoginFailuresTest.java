package dev.aril.admin;

import static org.assertj.core.api.Assertions.assertThat;

import java.util.concurrent.atomic.AtomicLong;
import org.junit.jupiter.api.Test;

final class LoginFailuresTest {
    private final AtomicLong nanos = new AtomicLong();
    private final LoginFailures failures = new LoginFailures(nanos::get);

    private void fail(int times, String name, String address) {
        for (int i = 0; i < times; i++) {
            failures.failed(name, address);
        }
    }

    @Test
    void aNameIsRefusedFromTheAddressThatGuesses() {
        fail(LoginFailures.SAME_NAME_AND_ADDRESS - 1, "ada", "10.0.0.1");
        assertThat(failures.tooMany("ada", "10.0.0.1")).isFalse();
        fail(1, "Ada", "10.0.0.1");
        assertThat(failures.tooMany("ada", "10.0.0.1")).isTrue();
        assertThat(failures.tooMany("ada", "10.0.0.2")).isFalse();
        assertThat(failures.tooMany("bob", "10.0.0.1")).isFalse();
    }

    @Test
    void anAddressThatTriesManyNamesIsRefused() {
        for (int i = 0; i < LoginFailures.SAME_ADDRESS; i++) {
            assertThat(failures.tooMany("new", "10.0.0.1")).isFalse();
            failures.failed("name" + i, "10.0.0.1");
        }
        assertThat(failures.tooMany("new", "10.0.0.1")).isTrue();
    }

    @Test
    void aCrowdThatGuessesOneNameIsRefused() {
        for (int i = 0; i < LoginFailures.SAME_NAME; i++) {
            failures.failed("ada", "10.0." + i / 250 + "." + i % 250);
        }
        assertThat(failures.tooMany("ada", "10.9.9.9")).isTrue();
        assertThat(failures.tooMany("bob", "10.9.9.9")).isFalse();
    }

    @Test
    void timeAndTheRightPasswordForgive() {
        fail(LoginFailures.SAME_NAME_AND_ADDRESS, "ada", "10.0.0.1");
        nanos.addAndGet(LoginFailures.REMEMBERED.toNanos() + 1);
        assertThat(failures.tooMany("ada", "10.0.0.1")).isFalse();
        fail(LoginFailures.SAME_NAME_AND_ADDRESS - 1, "ada", "10.0.0.1");
        failures.succeeded("ada", "10.0.0.1");
        fail(LoginFailures.SAME_NAME_AND_ADDRESS - 1, "ada", "10.0.0.1");
        assertThat(failures.tooMany("ada", "10.0.0.1")).isFalse();
    }
}
