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
