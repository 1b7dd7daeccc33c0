package dev.aril.api;

import static org.assertj.core.api.Assertions.assertThat;

import dev.aril.engine.TokenLogprobs;
import java.util.List;
import java.util.stream.IntStream;
import org.junit.jupiter.api.Test;
import tools.jackson.databind.JsonNode;

class LogprobFormatTest {
    private static List<Integer> offsets(boolean opens, int... ids) {
        try (ScriptedEngine engine = new ScriptedEngine()) {
            List<TokenLogprobs> tokens =
                    IntStream.of(ids)
                            .mapToObj(id -> new TokenLogprobs(id, -1, new int[0], new float[0]))
                            .toList();
            JsonNode offsets =
                    new LogprobFormat.Completion(engine, opens).of(tokens).path("text_offset");
            return offsets.valueStream().map(JsonNode::asInt).toList();
        }
    }

    /** Decoding takes a SentencePiece tokenizer's blank from a text's front, and only there. */
    @Test
    void anOffsetIsWhereTheTextHasTheToken() {
        // "a a", then "x": the names " a", " a", "x"
        assertThat(offsets(true, 0, 3, 3, 'x')).containsExactly(0, 0, 1, 3);
        assertThat(offsets(false, 3, 3, 'x')).containsExactly(0, 2, 4);
        assertThat(offsets(true, 'x', 3, 'y')).containsExactly(0, 1, 3);
        assertThat(offsets(true, ' ', ' ', 'y')).containsExactly(0, 1, 2);
    }
}
