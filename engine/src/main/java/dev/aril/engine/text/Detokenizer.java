package dev.aril.engine.text;

import java.io.ByteArrayOutputStream;
import java.nio.ByteBuffer;
import java.nio.charset.CharacterCodingException;
import java.nio.charset.StandardCharsets;

/**
 * Token ids to text, one id at a time, never half a character. All pieces together are exactly what
 * decoding all ids at once gives, special tokens left out; bytes that are no UTF-8 become U+FFFD.
 */
public final class Detokenizer {
    private final TokenTable table;

    /** A byte-level tokenizer's characters. */
    private final Utf8 characters = new Utf8();

    /** A SentencePiece tokenizer's run of single bytes. */
    private final ByteArrayOutputStream held = new ByteArrayOutputStream();

    private boolean atStart;

    /**
     * @param continues the text follows other text
     */
    Detokenizer(TokenTable table, boolean continues) {
        this.table = table;
        this.atStart = !continues && table.stripsFirstBlank();
    }

    /** The text that this id completes, maybe none. */
    public String accept(int id) {
        if (!table.hasText(id)) {
            return "";
        }
        byte[] bytes = table.bytes(id);
        return switch (table.family()) {
            case BYTE_LEVEL -> {
                StringBuilder text = new StringBuilder();
                characters.accept(bytes, text);
                yield text.toString();
            }
            case SENTENCE_PIECE -> {
                if (table.isSingleByte(id)) {
                    held.writeBytes(bytes);
                    yield "";
                }
                yield strip(run() + new String(bytes, StandardCharsets.UTF_8));
            }
        };
    }

    /** What is held back, at the end: an incomplete character is one U+FFFD. */
    public String finish() {
        return switch (table.family()) {
            case BYTE_LEVEL -> {
                StringBuilder text = new StringBuilder();
                characters.finish(text);
                yield text.toString();
            }
            case SENTENCE_PIECE -> strip(run());
        };
    }

    /**
     * Decodes a run of single bytes: text if all of it is UTF-8, else a U+FFFD for each byte, as
     * the tokenizers library does. Only the run's end tells which, so the run is held until then.
     */
    private String run() {
        if (held.size() == 0) {
            return "";
        }
        byte[] bytes = held.toByteArray();
        held.reset();
        try {
            return StandardCharsets.UTF_8.newDecoder().decode(ByteBuffer.wrap(bytes)).toString();
        } catch (CharacterCodingException e) {
            return "\uFFFD".repeat(bytes.length);
        }
    }

    private String strip(String text) {
        if (!atStart || text.isEmpty()) {
            return text;
        }
        atStart = false;
        return text.startsWith(" ") ? text.substring(1) : text;
    }
}
