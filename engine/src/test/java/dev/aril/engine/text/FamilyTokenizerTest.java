package dev.aril.engine.text;

import static org.assertj.core.api.Assertions.assertThat;

import dev.aril.engine.ChatMessage;
import java.io.IOException;
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.List;
import java.util.Random;
import java.util.stream.IntStream;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;

/** Tokenizers of the families' kinds, small enough that their ids can be told by hand. */
class FamilyTokenizerTest {
    /** Up to three digits together, as in Llama 3. */
    private static final String LLAMA3 = split("\\p{N}{1,3}");

    /** One digit at a time, as in Qwen. */
    private static final String QWEN = split("\\p{N}");

    private static final String[] MERGES = {
        "1 2", "12 3", "123 4", "h i", "Ġ hi", "Ċ Ċ", "' s", "Ġ Ġ", "Ã ©"
    };

    private static final int TWELVE = 256;
    private static final int ONE_TO_THREE = 257;
    private static final int HI = 259;
    private static final int BLANK_HI = 260;
    private static final int TWO_LINES = 261;
    private static final int APOSTROPHE_S = 262;
    private static final int TWO_BLANKS = 263;
    private static final int E_ACUTE = 264;
    private static final int BEGIN = 265;
    private static final int END = 266;
    private static final int THINK = 267;

    private static String split(String digits) {
        return "(?i:'s|'t|'re|'ve|'m|'ll|'d)|[^\\r\\n\\p{L}\\p{N}]?\\p{L}+|"
                + digits
                + "| ?[^\\s\\p{L}\\p{N}]+[\\r\\n]*|\\s*[\\r\\n]+|\\s+(?!\\S)|\\s+";
    }

    private static Tokenizer llama3() throws IOException {
        return Tokenizers.of(Tokenizers.byteLevelJson(LLAMA3, false, true, MERGES));
    }

    private static Tokenizer qwen() throws IOException {
        return Tokenizers.of(Tokenizers.byteLevelJson(QWEN, true, false, MERGES));
    }

    private static int[] utf8(String text) {
        byte[] bytes = text.getBytes(StandardCharsets.UTF_8);
        return IntStream.range(0, bytes.length).map(i -> bytes[i] & 0xFF).toArray();
    }

    private static List<String> pieces(Tokenizer tokenizer, int... ids) {
        Detokenizer stream = tokenizer.detokenizer(new int[0]);
        List<String> pieces = new ArrayList<>();
        for (int id : ids) {
            pieces.add(stream.accept(id));
        }
        pieces.add(stream.finish());
        assertThat(String.join("", pieces))
                .isEqualTo(tokenizer.decodeByLibrary(IntStream.of(ids).asLongStream().toArray()))
                .isEqualTo(tokenizer.decode(ids));
        return pieces;
    }

    @Test
    void byteLevelIdsAreWhatThePreTokenizerLeaves() throws IOException {
        try (Tokenizer llama3 = llama3();
                Tokenizer qwen = qwen()) {
            assertThat(llama3.encode("1234")).containsExactly(ONE_TO_THREE, '4');
            assertThat(qwen.encode("1234")).containsExactly('1', '2', '3', '4');
            assertThat(llama3.encode("12 hi")).containsExactly(TWELVE, BLANK_HI);
            for (Tokenizer tokenizer : List.of(llama3, qwen)) {
                assertThat(tokenizer.encode("hi hi")).containsExactly(HI, BLANK_HI);
                // the last blank goes with the word behind it
                assertThat(tokenizer.encode("hi   hi")).containsExactly(HI, TWO_BLANKS, BLANK_HI);
                assertThat(tokenizer.encode("hi's\n\nhi"))
                        .containsExactly(HI, APOSTROPHE_S, TWO_LINES, HI);
                assertThat(tokenizer.encode("😀")).containsExactly(utf8("😀"));
                assertThat(tokenizer.encode("<think>hi<|end|>")).containsExactly(THINK, HI, END);
            }
            // as one character where the tokenizer composes, as two where it does not
            assertThat(qwen.encode("e\u0301")).containsExactly(E_ACUTE);
            assertThat(llama3.encode("e\u0301")).containsExactly(utf8("e\u0301"));
            assertThat(llama3.encode("é")).containsExactly(E_ACUTE);
        }
    }

    @Test
    void aBeginIsThePostProcessorsAndATemplatesOwnIsNotDoubled(@TempDir Path folder)
            throws IOException {
        Files.writeString(
                folder.resolve("tokenizer_config.json"),
                """
                {"bos_token": {"content": "<|begin|>", "lstrip": false}, "eos_token": "<|end|>",
                 "chat_template": "{{ bos_token }}{{ messages[0].content }}{{ eos_token }}"}
                """);
        String chat =
                ChatTemplate.open(folder).render(List.of(new ChatMessage("user", "hi")), true);
        try (Tokenizer llama3 = llama3();
                Tokenizer qwen = qwen();
                Tokenizer llama2 = Tokenizers.of(Tokenizers.sentencePieceJson(false))) {
            assertThat(llama3.encodeWithSpecials("hi")).containsExactly(BEGIN, HI);
            assertThat(llama3.encode("hi")).containsExactly(HI);
            assertThat(llama3.encodeWithSpecials("")).containsExactly(BEGIN);
            assertThat(qwen.encodeWithSpecials("hi")).containsExactly(HI);
            assertThat(qwen.encodeWithSpecials("")).isEmpty();
            assertThat(llama2.encodeWithSpecials("hello")).startsWith(1).hasSize(2);
            assertThat(llama3.encode(chat)).containsExactly(BEGIN, HI, END);
        }
    }

    @Test
    void byteLevelStreamsHoldBackNoMoreThanACharacter() throws IOException {
        try (Tokenizer tokenizer = llama3()) {
            int[] smiley = utf8("😀");
            assertThat(pieces(tokenizer, HI, smiley[0], smiley[1], smiley[2], smiley[3], HI))
                    .containsExactly("hi", "", "", "", "😀", "hi", "");
            // a special token in the middle of a character is not there
            assertThat(pieces(tokenizer, BEGIN, smiley[0], smiley[1], END, smiley[2], smiley[3]))
                    .containsExactly("", "", "", "", "", "😀", "");
            assertThat(pieces(tokenizer, THINK, BLANK_HI)).containsExactly("<think>", " hi", "");
            // cut short by a letter, by the end, and bytes that begin nothing
            assertThat(pieces(tokenizer, smiley[0], smiley[1], HI))
                    .containsExactly("", "", "\uFFFDhi", "");
            assertThat(pieces(tokenizer, 0xC3)).containsExactly("", "\uFFFD");
            assertThat(pieces(tokenizer, 0x80, 0xFF, 'a'))
                    .containsExactly("\uFFFD", "\uFFFD", "a", "");
            // an encoded surrogate and an overlong form: each byte by itself
            assertThat(String.join("", pieces(tokenizer, 0xED, 0xA0, 0x80, 0xC0, 0xAF)))
                    .isEqualTo("\uFFFD".repeat(5));
        }
    }

    /** Ids of single bytes begin at 3; pieces at 259: ▁ a b c h e l o w r d, then the merges. */
    @Test
    void sentencePieceIdsBeginWithABlankThatDecodingTakesAway() throws IOException {
        int blank = 259;
        int blankHello = 274;
        int hello = 273;
        int blankWo = 276;
        for (boolean metaspace : new boolean[] {false, true}) {
            try (Tokenizer tokenizer = Tokenizers.of(Tokenizers.sentencePieceJson(metaspace))) {
                assertThat(tokenizer.encode("hello")).containsExactly(blankHello);
                // the newer way adds no blank to one that is there
                assertThat(tokenizer.encode(" hello"))
                        .containsExactly(
                                metaspace
                                        ? new Integer[] {blankHello}
                                        : new Integer[] {blank, blankHello});
                assertThat(tokenizer.encode("hello wo")).containsExactly(blankHello, blankWo);
                assertThat(tokenizer.encode("a\n")).containsExactly(blank, blank + 1, 3 + '\n');
                assertThat(tokenizer.encode("😀"))
                        .containsExactly(blank, 3 + 0xF0, 3 + 0x9F, 3 + 0x98, 3 + 0x80);
                // text behind a special token has a blank of its own in the older way only
                int[] behind = tokenizer.encode("hello</s>hello");
                assertThat(behind).containsExactly(blankHello, 2, metaspace ? hello : blankHello);
                for (String text : List.of("hello", " hello", "hello  wo\n", "é 😀", "", "  ")) {
                    int[] ids = tokenizer.encode(text);
                    String back = metaspace ? text.replaceFirst("^ ", "") : text;
                    assertThat(String.join("", pieces(tokenizer, ids))).isEqualTo(back);
                }
            }
        }
    }

    @Test
    void sentencePieceStreamsHoldARunOfBytesUntilItEnds() throws IOException {
        int blank = 259;
        int hello = 273;
        int blankHello = 274;
        int[] smiley = IntStream.of(utf8("😀")).map(b -> 3 + b).toArray();
        try (Tokenizer tokenizer = Tokenizers.of(Tokenizers.sentencePieceJson(false))) {
            assertThat(
                            pieces(
                                    tokenizer,
                                    blankHello,
                                    smiley[0],
                                    smiley[1],
                                    smiley[2],
                                    smiley[3],
                                    blankHello))
                    .containsExactly("hello", "", "", "", "", "😀 hello", "");
            // special tokens neither end a run nor take the first blank
            assertThat(pieces(tokenizer, 1, smiley[0], smiley[1], 2, smiley[2], smiley[3]))
                    .containsExactly("", "", "", "", "", "", "😀");
            assertThat(pieces(tokenizer, 1, blank, hello, 2, blankHello))
                    .containsExactly("", "", "hello", "", " hello", "");
            // one bad byte spoils its whole run: a replacement for each
            assertThat(pieces(tokenizer, 3 + 'a', 3 + 0xF0, 3 + 'b', hello))
                    .containsExactly("", "", "", "\uFFFD\uFFFD\uFFFDhello", "");
            assertThat(pieces(tokenizer, smiley[0], smiley[1]))
                    .containsExactly("", "", "\uFFFD\uFFFD");
            // a blank that is a byte goes as well where it opens the text
            assertThat(pieces(tokenizer, 3 + ' ', hello)).containsExactly("", "hello", "");
            Detokenizer continued = tokenizer.detokenizer(new int[] {1, blankHello});
            assertThat(continued.accept(blankHello)).isEqualTo(" hello");
        }
    }

    @Test
    void randomIdsDecodeAsTheLibraryDecodesThem() throws IOException {
        Random random = new Random(11);
        try (Tokenizer llama3 = llama3();
                Tokenizer qwen = qwen();
                Tokenizer mistral = Tokenizers.of(Tokenizers.sentencePieceJson(true))) {
            for (int round = 0; round < 200; round++) {
                for (Tokenizer tokenizer : List.of(llama3, qwen, mistral)) {
                    pieces(
                            tokenizer,
                            random.ints(1 + random.nextInt(30), 0, tokenizer.vocabulary())
                                    .toArray());
                }
            }
        }
    }
}
