package dev.aril;

import java.io.BufferedReader;
import java.io.IOException;
import java.io.InputStream;
import java.io.InputStreamReader;
import java.io.UncheckedIOException;
import java.nio.charset.StandardCharsets;
import org.jspecify.annotations.Nullable;
import tools.jackson.databind.JsonNode;

/** Reads one streaming answer as its events arrive. */
final class TokenReader implements AutoCloseable {
    private final InputStream body;
    private final BufferedReader lines;
    private final StringBuilder text = new StringBuilder();
    private @Nullable String id;
    private @Nullable String finishReason;
    private @Nullable JsonNode usage;
    private @Nullable JsonNode error;
    private boolean done;

    TokenReader(InputStream body) {
        this.body = body;
        this.lines = new BufferedReader(new InputStreamReader(body, StandardCharsets.UTF_8));
    }

    /** Everything up to the end of the answer. */
    TokenReader readAll() {
        while (next()) {
            continue;
        }
        return this;
    }

    /** Reads on until some text has come. */
    TokenReader readFirstText() {
        while (text.isEmpty() && next()) {
            continue;
        }
        return this;
    }

    /** Reads one event; false at the end of the body. */
    boolean next() {
        try {
            for (String line = lines.readLine(); line != null; line = lines.readLine()) {
                if (line.equals("data: [DONE]")) {
                    done = true;
                } else if (line.startsWith("data: ")) {
                    take(Caller.JSON.readTree(line.substring("data: ".length())));
                    return true;
                } else if (!line.isEmpty() && !line.startsWith(":")) {
                    throw new AssertionError("not a server-sent event: " + line);
                }
            }
            return false;
        } catch (IOException e) {
            throw new UncheckedIOException(e);
        }
    }

    private void take(JsonNode event) {
        if (done) {
            throw new AssertionError("an event after [DONE]: " + event);
        }
        if (event.has("error")) {
            error = event.get("error");
            return;
        }
        id = event.path("id").stringValue();
        if (event.path("usage").isObject()) {
            usage = event.get("usage");
        }
        for (JsonNode choice : event.path("choices")) {
            JsonNode piece =
                    choice.has("text") ? choice.get("text") : choice.path("delta").path("content");
            if (piece.isString()) {
                text.append(piece.stringValue());
            }
            if (choice.path("finish_reason").isString()) {
                finishReason = choice.get("finish_reason").stringValue();
            }
        }
    }

    String text() {
        return text.toString();
    }

    @Nullable String id() {
        return id;
    }

    @Nullable String finishReason() {
        return finishReason;
    }

    @Nullable JsonNode usage() {
        return usage;
    }

    /** The error event that ended the answer, if one did. */
    @Nullable JsonNode error() {
        return error;
    }

    /** True after {@code [DONE]}. */
    boolean done() {
        return done;
    }

    /** Hangs up if the answer has not ended. */
    @Override
    public void close() {
        try {
            body.close();
        } catch (IOException e) {
            throw new UncheckedIOException(e);
        }
    }
}
