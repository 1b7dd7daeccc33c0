package dev.aril.engine.text;

import ai.djl.huggingface.tokenizers.HuggingFaceTokenizer;
import dev.aril.engine.Token;
import dev.aril.engine.UnsupportedCheckpoint;
import java.io.ByteArrayInputStream;
import java.io.IOException;
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.Map;

/** Text to token ids, by the model's own {@code tokenizer.json}. Safe for any number of threads. */
public final class Tokenizer implements AutoCloseable {
    static {
        // before the first touch of ai.djl, which otherwise asks the cloud's metadata address for
        // telemetry, and on a GPU host downloads a CUDA build of itself
        System.setProperty("OPT_OUT_TRACKING", "true");
        System.setProperty("ai.djl.offline", "true");
        System.setProperty("RUST_FLAVOR", "cpu");
    }

    private final HuggingFaceTokenizer tokenizer;
    private final TokenTable table;

    private Tokenizer(HuggingFaceTokenizer tokenizer, TokenTable table) {
        this.tokenizer = tokenizer;
        this.table = table;
    }

    /**
     * @param modelDirectory holds {@code tokenizer.json}
     * @throws UnsupportedCheckpoint if it asks for something not implemented, naming it
     */
    public static Tokenizer open(Path modelDirectory) throws IOException {
        return read(Files.readAllBytes(modelDirectory.resolve("tokenizer.json")));
    }

    static Tokenizer read(byte[] tokenizerJson) throws IOException {
        TokenTable table = TokenTable.read(tokenizerJson);
        Map<String, String> asIs =
                Map.of("addSpecialTokens", "false", "truncation", "false", "padding", "false");
        return new Tokenizer(
                HuggingFaceTokenizer.newInstance(new ByteArrayInputStream(tokenizerJson), asIs),
                table);
    }

    /**
     * The text's ids. Special tokens written in the text become their ids, as in transformers; none
     * are added. Unpaired surrogates become U+FFFD.
     */
    public int[] encode(String text) {
        return encode(text, false);
    }

    /**
     * The same with the special tokens that the tokenizer's own {@code post_processor} puts around
     * a text: most of the families begin with one, Qwen's does not, whatever {@code config.json}
     * calls its begin.
     */
    public int[] encodeWithSpecials(String text) {
        return encode(text, true);
    }

    private int[] encode(String text, boolean specials) {
        long[] ids = tokenizer.encode(wellFormed(text), specials, false).getIds();
        int[] narrow = new int[ids.length];
        for (int i = 0; i < ids.length; i++) {
            narrow[i] = Math.toIntExact(ids[i]);
        }
        return narrow;
    }

    /** One more than the largest id; the model's own vocabulary may be padded beyond it. */
    public int vocabulary() {
        return table.size();
    }

    /**
     * The stream of a completion's text.
     *
     * @param prompt what the completion continues: only where it holds no text does a SentencePiece
     *     tokenizer's leading blank go, as in decoding prompt and completion at once
     */
    public Detokenizer detokenizer(int[] prompt) {
        boolean continues = false;
        for (int id : prompt) {
            continues |= table.hasText(id);
        }
        return new Detokenizer(table, continues);
    }

    /** What an id stands for. */
    public Token token(int id) {
        return new Token(table.name(id), table.hasText(id));
    }

    /** The whole text of some ids, special tokens left out. */
    public String decode(int[] ids) {
        Detokenizer stream = new Detokenizer(table, false);
        StringBuilder text = new StringBuilder();
        for (int id : ids) {
            text.append(stream.accept(id));
        }
        return text.append(stream.finish()).toString();
    }

    /** The same by the library: the oracle of the tests. */
    String decodeByLibrary(long[] ids) {
        return tokenizer.decode(ids, true);
    }

    private static String wellFormed(String text) {
        // the encoder replaces what it cannot encode by a question mark, so look first
        for (int i = 0; i < text.length(); i++) {
            if (Character.isSurrogate(text.charAt(i))) {
                return replaceUnpaired(text);
            }
        }
        return text;
    }

    private static String replaceUnpaired(String text) {
        StringBuilder out = new StringBuilder(text.length());
        text.codePoints()
                .map(c -> c >= Character.MIN_SURROGATE && c <= Character.MAX_SURROGATE ? 0xFFFD : c)
                .forEach(out::appendCodePoint);
        return out.toString();
    }

    @Override
    public void close() {
        tokenizer.close();
    }

    /** As UTF-8. */
    static Tokenizer read(String tokenizerJson) throws IOException {
        return read(tokenizerJson.getBytes(StandardCharsets.UTF_8));
    }
}
