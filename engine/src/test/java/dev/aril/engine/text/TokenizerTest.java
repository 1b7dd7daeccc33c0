package dev.aril.engine.text;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;

import dev.aril.engine.ChatMessage;
import dev.aril.engine.UnsupportedCheckpoint;
import java.io.IOException;
import java.nio.file.Files;
import java.util.ArrayList;
import java.util.List;
import java.util.Map;
import java.util.Random;
import java.util.stream.IntStream;
import org.junit.jupiter.api.Test;
import tools.jackson.databind.JsonNode;
import tools.jackson.databind.json.JsonMapper;

class TokenizerTest {
    private static final String WORLD =
            "Grüße, 世界! \uD83D\uDC69\u200D\uD83D\uDC69\u200D\uD83D\uDC67 e\u0301 \t\n\r\n  x\u0000y"
                    + " \uD83C\uDDE9\uD83C\uDDEA \u00A0\uFEFF ﷽ नमस्ते ";

    @Test
    void encodesWhatTransformersRecorded() throws IOException {
        JsonNode golden =
                JsonMapper.shared()
                        .readTree(
                                Files.readAllBytes(
                                        Tokenizers.NOVELLA.resolve("golden/golden.json")));
        int chats = 0;
        int plain = 0;
        try (Tokenizer tokenizer = Tokenizers.novella()) {
            ChatTemplate template = ChatTemplate.open(Tokenizers.NOVELLA);
            for (Map.Entry<String, JsonNode> model : golden.properties()) {
                for (JsonNode entry : model.getValue()) {
                    String prompt = entry.path("prompt").asString();
                    int[] expected = ints(entry.path("input_ids"));
                    if (entry.path("chat").asBoolean()) {
                        String text =
                                template.render(List.of(new ChatMessage("user", prompt)), true);
                        assertThat(tokenizer.encode(text)).as(prompt).containsExactly(expected);
                        chats++;
                    } else {
                        int[] ids = tokenizer.encode(prompt);
                        assertThat(IntStream.concat(IntStream.of(1), IntStream.of(ids)))
                                .as(prompt)
                                .containsExactly(
                                        IntStream.of(expected).boxed().toArray(Integer[]::new));
                        plain++;
                    }
                    String withSpecials = entry.path("greedy_text").asString();
                    assertThat(withSpecials.replaceAll("<\\|\\w+\\|>", ""))
                            .isEqualTo(tokenizer.decode(ints(entry.path("greedy_ids"))));
                }
            }
        }
        assertThat(chats).isEqualTo(6);
        assertThat(plain).isEqualTo(16);
    }

    private static int[] ints(JsonNode array) {
        return array.valueStream().mapToInt(JsonNode::asInt).toArray();
    }

    @Test
    void anyTextComesBack() throws IOException {
        try (Tokenizer novella = Tokenizers.novella();
                Tokenizer llama2 = Tokenizers.of(Tokenizers.llama2Json())) {
            assertThat(novella.vocabulary()).isEqualTo(4096);
            assertThat(llama2.vocabulary()).isEqualTo(278);
            for (Tokenizer tokenizer : List.of(novella, llama2)) {
                for (String text : List.of("", " ", "hello world", WORLD, "hello  hello\n")) {
                    assertThat(tokenizer.decode(tokenizer.encode(text))).isEqualTo(text);
                }
            }
        }
    }

    @Test
    void specialTokensInTheTextBecomeTheirIdsAndNoneAreAdded() throws IOException {
        try (Tokenizer tokenizer = Tokenizers.novella()) {
            assertThat(tokenizer.encode("<|bos|><|user|>x<|end|>")).startsWith(1, 4).endsWith(6);
            assertThat(tokenizer.encode("It was")).doesNotContain(1);
        }
    }

    @Test
    void halfASurrogatePairIsAReplacementCharacter() throws IOException {
        try (Tokenizer tokenizer = Tokenizers.novella()) {
            assertThat(tokenizer.decode(tokenizer.encode("a\uD83Db\uDE00c\uD83D\uDE00")))
                    .isEqualTo("a\uFFFDb\uFFFDc\uD83D\uDE00");
        }
    }

    @Test
    void streamedTextIsTheLibrarysOnRealTextAndRandomIds() throws IOException {
        Random random = new Random(5);
        try (Tokenizer novella = Tokenizers.novella();
                Tokenizer llama2 = Tokenizers.of(Tokenizers.llama2Json())) {
            String book = Files.readString(Tokenizers.NOVELLA.resolve("text/calibration.txt"));
            checkStream(novella, novella.encode(book.substring(0, 20_000)));
            checkStream(novella, novella.encode(WORLD));
            checkStream(llama2, llama2.encode("hello world " + WORLD));
            for (int round = 0; round < 400; round++) {
                for (Tokenizer tokenizer : List.of(novella, llama2)) {
                    // low ids are the specials and the single bytes: broken UTF-8 of all kinds
                    int most = random.nextBoolean() ? tokenizer.vocabulary() : 262;
                    checkStream(tokenizer, random.ints(1 + random.nextInt(40), 0, most).toArray());
                }
            }
        }
    }

    private static void checkStream(Tokenizer tokenizer, int[] ids) {
        Detokenizer stream = tokenizer.detokenizer(new int[0]);
        List<String> pieces = new ArrayList<>();
        for (int id : ids) {
            pieces.add(stream.accept(id));
        }
        pieces.add(stream.finish());
        String expected = tokenizer.decodeByLibrary(IntStream.of(ids).asLongStream().toArray());
        assertThat(String.join("", pieces)).isEqualTo(expected);
        for (String piece : pieces) {
            if (!piece.isEmpty()) {
                assertThat(Character.isLowSurrogate(piece.charAt(0))).isFalse();
                assertThat(Character.isHighSurrogate(piece.charAt(piece.length() - 1))).isFalse();
            }
        }
    }

    @Test
    void charactersArriveWholeAndAsSoonAsTheyAreComplete() throws IOException {
        try (Tokenizer tokenizer = Tokenizers.novella()) {
            int[] ids = tokenizer.encode("é\uD83D\uDE00");
            assertThat(ids.length).isGreaterThan(4);
            Detokenizer stream = tokenizer.detokenizer(new int[0]);
            List<String> pieces = new ArrayList<>();
            for (int id : ids) {
                pieces.add(stream.accept(id));
            }
            assertThat(pieces).contains("é", "\uD83D\uDE00");
            assertThat(pieces.getLast()).isEqualTo("\uD83D\uDE00");
            Detokenizer cut = tokenizer.detokenizer(new int[0]);
            for (int i = 0; i < ids.length - 1; i++) {
                cut.accept(ids[i]);
            }
            assertThat(cut.finish()).isEqualTo("\uFFFD");
        }
    }

    @Test
    void aCompletionKeepsTheBlankThatContinuesItsPrompt() throws IOException {
        try (Tokenizer tokenizer = Tokenizers.of(Tokenizers.llama2Json())) {
            int[] hello = tokenizer.encode("hello");
            assertThat(tokenizer.detokenizer(new int[] {1}).accept(hello[0])).isEqualTo("hello");
            assertThat(tokenizer.detokenizer(hello).accept(hello[0])).isEqualTo(" hello");
        }
    }

    @Test
    void otherTokenizersAreRefusedByName() {
        Map<String, Object> wordPiece = Tokenizers.llama2Json();
        wordPiece.put("decoder", Map.of("type", "WordPiece", "prefix", "##"));
        assertThatThrownBy(() -> Tokenizers.of(wordPiece))
                .isInstanceOf(UnsupportedCheckpoint.class)
                .hasMessageContaining("WordPiece");
        Map<String, Object> unigram = Tokenizers.llama2Json();
        unigram.put("model", Map.of("type", "Unigram"));
        assertThatThrownBy(() -> Tokenizers.of(unigram)).hasMessageContaining("\"Unigram\"");
        Map<String, Object> none = Tokenizers.llama2Json();
        none.remove("decoder");
        assertThatThrownBy(() -> Tokenizers.of(none)).hasMessageContaining("decoder (none)");
        assertThatThrownBy(() -> Tokenizer.read("{")).hasMessageContaining("is not JSON");
    }
}
