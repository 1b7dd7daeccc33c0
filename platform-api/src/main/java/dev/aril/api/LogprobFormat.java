package dev.aril.api;

import dev.aril.engine.Engine;
import dev.aril.engine.Token;
import dev.aril.engine.TokenLogprobs;
import java.nio.ByteBuffer;
import java.nio.charset.CharacterCodingException;
import java.nio.charset.StandardCharsets;
import java.util.List;
import tools.jackson.databind.node.ArrayNode;
import tools.jackson.databind.node.JsonNodeFactory;
import tools.jackson.databind.node.ObjectNode;

/** How tokens' logprobs look on the wire; one for each choice, whose offsets run on. */
sealed interface LogprobFormat {
    /** JSON has no infinity; this is what OpenAI's interface says for what cannot be. */
    double LEAST = -9999;

    ObjectNode of(List<TokenLogprobs> tokens);

    private static double number(float logprob) {
        return Math.max(LEAST, logprob);
    }

    /** {@code {"content":[{token, logprob, bytes, top_logprobs}], "refusal":null}}. */
    record Chat(Engine engine) implements LogprobFormat {
        @Override
        public ObjectNode of(List<TokenLogprobs> tokens) {
            ObjectNode logprobs = JsonNodeFactory.instance.objectNode();
            ArrayNode content = logprobs.putArray("content");
            for (TokenLogprobs token : tokens) {
                ArrayNode top =
                        entry(content.addObject(), token.id(), token.logprob())
                                .putArray("top_logprobs");
                for (int i = 0; i < token.topIds().length; i++) {
                    entry(top.addObject(), token.topIds()[i], token.topLogprobs()[i]);
                }
            }
            return logprobs.putNull("refusal");
        }

        private ObjectNode entry(ObjectNode entry, int id, float logprob) {
            byte[] bytes = engine.token(id).bytes();
            // what is no whole character is for the bytes to say
            entry.put("token", new String(bytes, StandardCharsets.UTF_8))
                    .put("logprob", number(logprob));
            ArrayNode list = entry.putArray("bytes");
            for (byte b : bytes) {
                list.add(b & 0xFF);
            }
            return entry;
        }
    }

    /** {@code {tokens[], token_logprobs[], top_logprobs[], text_offset[]}}. */
    final class Completion implements LogprobFormat {
        private final Engine engine;

        /** Where in the choice's text the next token begins, in characters. */
        private int offset;

        /** Whether the next token with text is the first of all text. */
        private boolean opens;

        /**
         * @param opens whether the tokens are the first that have text, so that a SentencePiece
         *     tokenizer's leading blank is not in it
         */
        Completion(Engine engine, boolean opens) {
            this.engine = engine;
            this.opens = opens;
        }

        @Override
        public ObjectNode of(List<TokenLogprobs> tokens) {
            ObjectNode logprobs = JsonNodeFactory.instance.objectNode();
            ArrayNode names = logprobs.putArray("tokens");
            ArrayNode own = logprobs.putArray("token_logprobs");
            ArrayNode tops = logprobs.putArray("top_logprobs");
            ArrayNode offsets = logprobs.putArray("text_offset");
            for (TokenLogprobs token : tokens) {
                Token id = engine.token(token.id());
                names.add(name(id));
                offsets.add(offset);
                if (Float.isNaN(token.logprob())) {
                    own.addNull();
                    tops.addNull();
                } else {
                    own.add(number(token.logprob()));
                    ObjectNode top = tops.addObject();
                    for (int i = 0; i < token.topIds().length; i++) {
                        top.put(
                                name(engine.token(token.topIds()[i])),
                                number(token.topLogprobs()[i]));
                    }
                }
                if (id.text()) {
                    offset += characters(id.bytes()) - (opens ? swallowed(token.id(), id) : 0);
                    opens = false;
                }
            }
            return logprobs;
        }

        /** Blanks at a token's front that decoding takes away where the token opens a text. */
        private int swallowed(int id, Token token) {
            return token.bytes().length > 0
                            && token.bytes()[0] == ' '
                            && !engine.text(new int[] {id}).startsWith(" ")
                    ? 1
                    : 0;
        }

        /** Characters that begin in some bytes: each has one that is no continuation. */
        private static int characters(byte[] bytes) {
            int characters = 0;
            for (byte b : bytes) {
                characters += (b & 0xC0) == 0x80 ? 0 : 1;
            }
            return characters;
        }

        /** A token that is no text by itself is named by its bytes, as in OpenAI's interface. */
        private static String name(Token token) {
            try {
                return StandardCharsets.UTF_8
                        .newDecoder()
                        .decode(ByteBuffer.wrap(token.bytes()))
                        .toString();
            } catch (CharacterCodingException e) {
                StringBuilder name = new StringBuilder("bytes:");
                for (byte b : token.bytes()) {
                    name.append("\\x").append(Character.forDigit(b >> 4 & 15, 16));
                    name.append(Character.forDigit(b & 15, 16));
                }
                return name.toString();
            }
        }
    }
}
