package dev.aril.engine.text;

import dev.aril.engine.UnsupportedCheckpoint;
import java.nio.charset.StandardCharsets;
import java.util.ArrayList;
import java.util.BitSet;
import java.util.HashMap;
import java.util.List;
import java.util.Map;
import org.jspecify.annotations.Nullable;
import tools.jackson.core.JacksonException;
import tools.jackson.databind.JsonNode;
import tools.jackson.databind.json.JsonMapper;

/**
 * Each id's bytes, from a {@code tokenizer.json} of one of the two families of byte-pair encoders:
 * byte-level ones (GPT-2, Llama 3, Qwen), whose tokens are bytes written as letters, and
 * SentencePiece ones (Llama 2, Mistral), whose tokens are text with ▁ for a blank, and single bytes
 * for what is not in the vocabulary.
 */
final class TokenTable {
    /** How ids become text. */
    enum Family {
        BYTE_LEVEL,
        SENTENCE_PIECE
    }

    private static final String BLANK = "\u2581";

    private final Family family;
    private final boolean stripsFirstBlank;
    private final byte[] @Nullable [] bytes;
    private final BitSet special = new BitSet();
    private final BitSet singleByte = new BitSet();

    private TokenTable(Family family, boolean stripsFirstBlank, Map<Integer, String> tokens) {
        this.family = family;
        this.stripsFirstBlank = stripsFirstBlank;
        this.bytes = new byte[1 + tokens.keySet().stream().mapToInt(id -> id).max().orElse(-1)][];
        Map<Integer, Byte> alphabet = byteLevelAlphabet();
        tokens.forEach((id, token) -> {
            if (family == Family.BYTE_LEVEL) {
                bytes[id] = byteLevel(token, alphabet);
            } else if (token.matches("<0x[0-9A-Fa-f]{2}>")) {
                bytes[id] = new byte[] {(byte) Integer.parseInt(token.substring(3, 5), 16)};
                singleByte.set(id);
            } else {
                bytes[id] = token.replace(BLANK, " ").getBytes(StandardCharsets.UTF_8);
            }
        });
    }

    static TokenTable read(byte[] tokenizerJson) {
        JsonNode root;
        try {
            root = JsonMapper.shared().readTree(tokenizerJson);
        } catch (JacksonException e) {
            throw new UnsupportedCheckpoint(
                    "tokenizer.json is not JSON: " + e.getOriginalMessage());
        }
        String model = root.path("model").path("type").asString("");
        if (!model.equals("BPE")) {
            throw new UnsupportedCheckpoint(
                    "tokenizer.json: model.type \"" + model + "\" is not supported; BPE is");
        }
        JsonNode decoder = root.path("decoder");
        boolean byteLevel = type(decoder).equals("ByteLevel");
        boolean strips = !byteLevel && sentencePiece(decoder);
        Map<Integer, String> tokens = new HashMap<>();
        root.path("model")
                .path("vocab")
                .properties()
                .forEach(token -> tokens.put(token.getValue().asInt(), token.getKey()));
        for (JsonNode added : root.path("added_tokens")) {
            tokens.put(added.path("id").asInt(), added.path("content").asString());
        }
        TokenTable table =
                new TokenTable(
                        byteLevel ? Family.BYTE_LEVEL : Family.SENTENCE_PIECE, strips, tokens);
        for (JsonNode added : root.path("added_tokens")) {
            if (added.path("special").asBoolean(false)) {
                table.special.set(added.path("id").asInt());
            }
        }
        return table;
    }

    /**
     * Checks that a decoder is SentencePiece's: ▁ to blank, bytes, fuse, and maybe strip.
     *
     * @return whether it strips a blank from the front
     */
    private static boolean sentencePiece(JsonNode decoder) {
        if (!type(decoder).equals("Sequence")) {
            throw unsupported(decoder);
        }
        List<String> steps = new ArrayList<>();
        for (JsonNode step : decoder.path("decoders")) {
            boolean known =
                    switch (type(step)) {
                        case "Replace" ->
                                step.path("pattern").path("String").asString("").equals(BLANK)
                                        && step.path("content").asString("").equals(" ");
                        case "ByteFallback", "Fuse" -> true;
                        case "Strip" ->
                                step.path("content").asString("").equals(" ")
                                        && step.path("start").asInt(-1) == 1
                                        && step.path("stop").asInt(-1) == 0;
                        default -> false;
                    };
            if (!known) {
                throw unsupported(step);
            }
            steps.add(type(step));
        }
        if (steps.equals(List.of("Replace", "ByteFallback", "Fuse"))) {
            return false;
        }
        if (steps.equals(List.of("Replace", "ByteFallback", "Fuse", "Strip"))) {
            return true;
        }
        throw new UnsupportedCheckpoint(
                "tokenizer.json: a decoder of the steps " + steps + " is not supported");
    }

    private static String type(JsonNode decoder) {
        return decoder.path("type").asString("");
    }

    private static UnsupportedCheckpoint unsupported(JsonNode decoder) {
        return new UnsupportedCheckpoint(
                "tokenizer.json: decoder "
                        + (decoder.isMissingNode() ? "(none)" : decoder)
                        + " is not supported; ByteLevel and SentencePiece's Replace, ByteFallback,"
                        + " Fuse, Strip are");
    }

    /** GPT-2's letters for bytes: printable ones stand for themselves, the others follow 255. */
    private static Map<Integer, Byte> byteLevelAlphabet() {
        Map<Integer, Byte> alphabet = new HashMap<>();
        int next = 256;
        for (int b = 0; b < 256; b++) {
            boolean printable =
                    (b >= '!' && b <= '~') || (b >= 0xA1 && b <= 0xAC) || (b >= 0xAE && b <= 0xFF);
            alphabet.put(printable ? b : next++, (byte) b);
        }
        return alphabet;
    }

    /** A token with a letter outside the alphabet stands for itself: added tokens may. */
    private static byte[] byteLevel(String token, Map<Integer, Byte> alphabet) {
        int[] letters = token.codePoints().toArray();
        byte[] out = new byte[letters.length];
        for (int i = 0; i < letters.length; i++) {
            Byte b = alphabet.get(letters[i]);
            if (b == null) {
                return token.getBytes(StandardCharsets.UTF_8);
            }
            out[i] = b;
        }
        return out;
    }

    Family family() {
        return family;
    }

    boolean stripsFirstBlank() {
        return stripsFirstBlank;
    }

    int size() {
        return bytes.length;
    }

    /** Whether an id stands for text: it is in the vocabulary, and no special token. */
    boolean hasText(int id) {
        return id >= 0 && id < bytes.length && bytes[id] != null && !special.get(id);
    }

    /** The bytes of an id that {@link #hasText}; not a copy. */
    byte[] bytes(int id) {
        byte[] it = bytes[id];
        if (it == null) {
            throw new IllegalArgumentException("id " + id + " has no text");
        }
        return it;
    }

    /** The bytes of any id, a special token's name too; none for an id that is not there. */
    byte[] name(int id) {
        byte[] it = id >= 0 && id < bytes.length ? bytes[id] : null;
        return it == null ? new byte[0] : it.clone();
    }

    /** Whether an id is a SentencePiece tokenizer's single byte. */
    boolean isSingleByte(int id) {
        return singleByte.get(id);
    }
}
