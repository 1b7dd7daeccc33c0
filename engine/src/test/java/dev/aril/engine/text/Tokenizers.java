package dev.aril.engine.text;

import java.io.IOException;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import tools.jackson.databind.json.JsonMapper;

/** Tokenizers for tests. */
final class Tokenizers {
    static final Path NOVELLA = Path.of("..", "models", "novella-11m");

    private Tokenizers() {}

    static Tokenizer novella() throws IOException {
        return Tokenizer.open(NOVELLA);
    }

    /** A small one of Llama 2's kind: ▁ for blanks, single bytes for all else. */
    static Map<String, Object> llama2Json() {
        Map<String, Object> vocab = new LinkedHashMap<>();
        for (String special : List.of("<unk>", "<s>", "</s>")) {
            vocab.put(special, vocab.size());
        }
        for (int b = 0; b < 256; b++) {
            vocab.put(String.format("<0x%02X>", b), vocab.size());
        }
        for (String piece : "▁ a b c h e l o w r d".split(" ")) {
            vocab.put(piece, vocab.size());
        }
        List<String> merges = new ArrayList<>();
        for (String merge :
                List.of("h e", "l l", "he ll", "hell o", "▁ hello", "w o", "▁ wo", "r l")) {
            merges.add(merge);
            vocab.put(merge.replace(" ", ""), vocab.size());
        }
        Map<String, Object> blank = Map.of("String", "▁");
        return new LinkedHashMap<>(
                Map.of(
                        "version",
                        "1.0",
                        "added_tokens",
                        List.of(special(0, "<unk>"), special(1, "<s>"), special(2, "</s>")),
                        "normalizer",
                        Map.of(
                                "type",
                                "Sequence",
                                "normalizers",
                                List.of(
                                        Map.of("type", "Prepend", "prepend", "▁"),
                                        Map.of(
                                                "type",
                                                "Replace",
                                                "pattern",
                                                Map.of("String", " "),
                                                "content",
                                                "▁"))),
                        "decoder",
                        Map.of(
                                "type",
                                "Sequence",
                                "decoders",
                                List.of(
                                        Map.of("type", "Replace", "pattern", blank, "content", " "),
                                        Map.of("type", "ByteFallback"),
                                        Map.of("type", "Fuse"),
                                        Map.of(
                                                "type", "Strip", "content", " ", "start", 1, "stop",
                                                0))),
                        "model",
                        Map.of(
                                "type",
                                "BPE",
                                "unk_token",
                                "<unk>",
                                "fuse_unk",
                                true,
                                "byte_fallback",
                                true,
                                "vocab",
                                vocab,
                                "merges",
                                merges)));
    }

    /**
     * A small one of Llama 3's and Qwen's kind: ids 0 to 255 are the bytes themselves, merges
     * follow, then the special tokens {@code <|begin|>} and {@code <|end|>} and the plain added
     * token {@code <think>}.
     *
     * @param split the pre-tokenizer's expression
     * @param begins whether the post-processor puts {@code <|begin|>} at the front
     */
    static Map<String, Object> byteLevelJson(
            String split, boolean composes, boolean begins, String... merges) {
        Map<String, Object> vocab = new LinkedHashMap<>();
        int next = 256;
        for (int b = 0; b < 256; b++) {
            boolean printable =
                    (b >= '!' && b <= '~') || (b >= 0xA1 && b <= 0xAC) || (b >= 0xAE && b <= 0xFF);
            vocab.put(Character.toString(printable ? b : next++), b);
        }
        for (String merge : merges) {
            vocab.put(merge.replace(" ", ""), vocab.size());
        }
        int begin = vocab.size();
        Map<String, Object> byteLevel =
                Map.of(
                        "type",
                        "ByteLevel",
                        "add_prefix_space",
                        false,
                        "trim_offsets",
                        true,
                        "use_regex",
                        false);
        Map<String, Object> json = new LinkedHashMap<>();
        json.put("version", "1.0");
        Map<String, Object> think = new LinkedHashMap<>(special(begin + 2, "<think>"));
        think.put("special", false);
        json.put(
                "added_tokens",
                List.of(special(begin, "<|begin|>"), special(begin + 1, "<|end|>"), think));
        if (composes) {
            json.put("normalizer", Map.of("type", "NFC"));
        }
        json.put(
                "pre_tokenizer",
                Map.of(
                        "type",
                        "Sequence",
                        "pretokenizers",
                        List.of(
                                Map.of(
                                        "type",
                                        "Split",
                                        "pattern",
                                        Map.of("Regex", split),
                                        "behavior",
                                        "Isolated",
                                        "invert",
                                        false),
                                byteLevel)));
        json.put(
                "post_processor",
                begins
                        ? Map.of(
                                "type",
                                "Sequence",
                                "processors",
                                List.of(byteLevel, begin(begin, "<|begin|>")))
                        : byteLevel);
        json.put("decoder", byteLevel);
        json.put(
                "model",
                Map.of(
                        "type",
                        "BPE",
                        "vocab",
                        vocab,
                        "merges",
                        List.of(merges),
                        "ignore_merges",
                        true));
        return json;
    }

    /** Llama 2's with {@code <s>} at the front, or none; and Mistral's newer way with blanks. */
    static Map<String, Object> sentencePieceJson(boolean metaspace) {
        Map<String, Object> json = llama2Json();
        json.put("post_processor", begin(1, "<s>"));
        if (metaspace) {
            json.remove("normalizer");
            json.put(
                    "pre_tokenizer",
                    Map.of(
                            "type",
                            "Metaspace",
                            "replacement",
                            "▁",
                            "prepend_scheme",
                            "first",
                            "split",
                            false));
        }
        return json;
    }

    /** A post-processor that puts one special token before a text. */
    private static Map<String, Object> begin(int id, String token) {
        Map<String, Object> first = Map.of("SpecialToken", Map.of("id", token, "type_id", 0));
        Map<String, Object> a = Map.of("Sequence", Map.of("id", "A", "type_id", 0));
        Map<String, Object> b = Map.of("Sequence", Map.of("id", "B", "type_id", 1));
        return Map.of(
                "type",
                "TemplateProcessing",
                "single",
                List.of(first, a),
                "pair",
                List.of(first, a, b),
                "special_tokens",
                Map.of(token, Map.of("id", token, "ids", List.of(id), "tokens", List.of(token))));
    }

    private static Map<String, Object> special(int id, String content) {
        return Map.of(
                "id",
                id,
                "content",
                content,
                "single_word",
                false,
                "lstrip",
                false,
                "rstrip",
                false,
                "normalized",
                false,
                "special",
                true);
    }

    static Tokenizer of(Map<String, Object> json) throws IOException {
        return Tokenizer.read(JsonMapper.shared().writeValueAsString(json));
    }
}
