package dev.aril.engine.text;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;

import java.util.ArrayList;
import java.util.List;
import java.util.Random;
import org.junit.jupiter.api.Test;

class StopStringsTest {
    /** Where the text ends: before the first stop string to be complete, the longest of several. */
    private static String naive(String text, List<String> stops) {
        for (int end = 1; end <= text.length(); end++) {
            int longest = 0;
            for (String stop : stops) {
                if (text.substring(0, end).endsWith(stop)) {
                    longest = Math.max(longest, stop.length());
                }
            }
            if (longest > 0) {
                return text.substring(0, end - longest);
            }
        }
        return text;
    }

    private static String random(Random random, int length) {
        StringBuilder text = new StringBuilder();
        for (int i = 0; i < length; i++) {
            // few letters, so that beginnings of stop strings abound
            text.append(random.nextInt(8) == 0 ? "\uD83D\uDE00" : "ab".charAt(random.nextInt(2)));
        }
        return text.toString();
    }

    @Test
    void endsWhereTheDefinitionDoesHoweverTheTextIsCut() {
        Random random = new Random(1);
        int found = 0;
        for (int round = 0; round < 20_000; round++) {
            List<String> stops = new ArrayList<>();
            for (int s = random.nextInt(5); s > 0; s--) {
                stops.add(random(random, 1 + random.nextInt(6)));
            }
            String text = random(random, random.nextInt(40));
            StopStrings stream = new StopStrings(stops);
            StringBuilder sent = new StringBuilder();
            String expected = naive(text, stops);
            int at = 0;
            while (at < text.length() && !stream.found()) {
                int next = Math.min(text.length(), at + 1 + random.nextInt(4));
                if (Character.isLowSurrogate(text.charAt(Math.min(next, text.length() - 1)))) {
                    next = Math.min(text.length(), next + 1);
                }
                sent.append(stream.accept(text.substring(at, next)));
                assertThat(expected).startsWith(sent);
                at = next;
            }
            if (!stream.found()) {
                sent.append(stream.finish());
            }
            assertThat(sent.toString()).isEqualTo(expected);
            assertThat(stream.found()).isEqualTo(expected.length() < text.length());
            found += stream.found() ? 1 : 0;
            if (stops.size() == 1) {
                int first = text.indexOf(stops.getFirst());
                assertThat(expected).isEqualTo(first < 0 ? text : text.substring(0, first));
            }
        }
        assertThat(found).isBetween(5_000, 19_000);
    }

    @Test
    void holdsBackNoMoreThanItMust() {
        StopStrings stream = new StopStrings(List.of("\n\nUser:", "</s>"));
        assertThat(stream.accept("Hello")).isEqualTo("Hello");
        assertThat(stream.accept(" there\n")).isEqualTo(" there");
        assertThat(stream.accept("\nUs")).isEmpty();
        assertThat(stream.accept("ing\n")).isEqualTo("\n\nUsing");
        assertThat(stream.accept("\nUser")).isEmpty();
        assertThat(stream.accept(": never")).isEmpty();
        assertThat(stream.found()).isTrue();
        assertThat(stream.accept("more")).isEmpty();
        assertThat(stream.finish()).isEmpty();
    }

    @Test
    void whatIsHeldBackComesAtTheEnd() {
        StopStrings stream = new StopStrings(List.of("END"));
        assertThat(stream.accept("The EN")).isEqualTo("The ");
        assertThat(stream.finish()).isEqualTo("EN");
    }

    @Test
    void malformedStopStringsAreRefused() {
        assertThatThrownBy(() -> new StopStrings(List.of("a\uD83D")))
                .isInstanceOf(IllegalArgumentException.class)
                .hasMessageContaining("stop must hold");
    }
}
