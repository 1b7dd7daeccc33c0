package dev.aril.api;

import dev.aril.engine.Engine;
import dev.aril.engine.GenerationEvent.Failed;
import dev.aril.engine.GenerationEvent.Finished;
import dev.aril.engine.GenerationEvent.Prompt;
import dev.aril.engine.GenerationEvent.Text;
import dev.aril.engine.TokenLogprobs;
import java.util.ArrayList;
import java.util.List;
import java.util.Objects;
import org.jspecify.annotations.Nullable;
import org.slf4j.Logger;
import org.slf4j.LoggerFactory;
import reactor.core.publisher.Flux;
import tools.jackson.databind.node.ObjectNode;

/**
 * A request's events as server-sent events.
 *
 * <p>Ends with {@code data: [DONE]}, which says that the answer is whole and recorded. After a
 * failure in mid-stream, when the status has long been sent, an error event takes its place.
 */
final class TokenStream {
    private static final Logger LOG = LoggerFactory.getLogger(TokenStream.class);

    /** The last of a stream that is whole. */
    static final String DONE = "data: [DONE]\n\n";

    private final Order order;
    private final WireFormat wire;
    private final List<LogprobFormat> logprobs = new ArrayList<>();

    private TokenStream(Order order, WireFormat wire, Engine engine) {
        this.order = order;
        this.wire = wire;
        for (int i = 0; i < order.choices(); i++) {
            logprobs.add(wire.logprobs(i, engine));
        }
    }

    /** The stream's events, each with its blank line. */
    static Flux<String> of(GenerationCall call, Order order, WireFormat wire, Engine engine) {
        TokenStream stream = new TokenStream(order, wire, engine);
        return Flux.concat(
                        Flux.range(0, order.choices()).mapNotNull(stream::first),
                        call.events().concatMapIterable(stream::chunks))
                .onErrorResume(error -> Flux.just(data(Problems.of(logged(error)).body())));
    }

    private @Nullable String first(int choice) {
        ObjectNode first = wire.first(choice);
        return first == null ? null : data(first);
    }

    private Iterable<String> chunks(CallEvent event) {
        return switch (event) {
            case CallEvent.Piece(int choice, Prompt prompt) -> {
                String echo = order.prompt(choice).echo();
                yield List.of(text(choice, Objects.requireNonNullElse(echo, ""), prompt.tokens()));
            }
            case CallEvent.Piece(int choice, Text text) ->
                    List.of(text(choice, text.text(), text.logprobs()));
            case CallEvent.Piece(int choice, Finished end) ->
                    List.of(data(wire.last(choice, end.reason())));
            case CallEvent.Piece(int choice, Failed failed) ->
                    throw new GenerationFailed(failed.message());
            case CallEvent.Settled settled when order.includeUsage() ->
                    List.of(data(wire.usage(settled.usage())), DONE);
            case CallEvent.Settled settled -> List.of(DONE);
        };
    }

    private String text(int choice, String text, List<TokenLogprobs> tokens) {
        ObjectNode scored = tokens.isEmpty() ? null : logprobs.get(choice).of(tokens);
        return data(wire.text(choice, text, scored));
    }

    private static Throwable logged(Throwable error) {
        LOG.warn("a stream ended with an error: {}", error.toString());
        return error;
    }

    /** As an event. */
    static String data(ObjectNode node) {
        return "data: " + Json.text(node) + "\n\n";
    }
}
