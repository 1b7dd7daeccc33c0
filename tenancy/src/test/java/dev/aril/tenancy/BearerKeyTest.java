package dev.aril.tenancy;

import static org.assertj.core.api.Assertions.assertThat;

import java.security.SecureRandom;
import java.util.HashSet;
import java.util.Set;
import org.junit.jupiter.api.Test;

class BearerKeyTest {
    private final SecureRandom random = new SecureRandom();

    @Test
    void isReadBackFromItsText() {
        BearerKey key = BearerKey.random(random);
        assertThat(key.reveal()).matches("aril_[0-9A-Za-z]{12}_[0-9A-Za-z]{49}");
        assertThat(BearerKey.parse(key.reveal())).contains(key);
    }

    @Test
    void isNeverTheSameTwice() {
        Set<String> texts = new HashSet<>();
        for (int i = 0; i < 1000; i++) {
            texts.add(BearerKey.random(random).reveal());
        }
        assertThat(texts).hasSize(1000);
    }

    @Test
    void anyChangedCharacterIsNoticed() {
        String text = BearerKey.random(random).reveal();
        for (int i = 0; i < text.length(); i++) {
            char other = text.charAt(i) == 'x' ? 'y' : 'x';
            String changed = text.substring(0, i) + other + text.substring(i + 1);
            assertThat(BearerKey.parse(changed)).as("character %d", i).isEmpty();
        }
    }

    @Test
    void anythingElseIsNoKey() {
        String text = BearerKey.random(random).reveal();
        for (String no :
                new String[] {
                    "",
                    "aril_",
                    text + " ",
                    text + "\n",
                    text.substring(1),
                    text.substring(0, text.length() - 1),
                    text.toUpperCase(java.util.Locale.ROOT),
                    "sk-" + text.substring(3),
                    "é".repeat(text.length()),
                    "a".repeat(1 << 20)
                }) {
            assertThat(BearerKey.parse(no)).isEmpty();
        }
    }

    @Test
    void itsPrintedFormHidesTheSecret() {
        BearerKey key = BearerKey.random(random);
        assertThat(key.toString()).contains(key.keyId()).doesNotContain(key.secret());
    }
}
