package dev.aril.api;

import dev.aril.engine.GenerationEvent;
import dev.aril.engine.GenerationEvent.Failed;
import dev.aril.engine.GenerationEvent.Finished;
import dev.aril.engine.GenerationEvent.Text;
import org.jspecify.annotations.Nullable;
import org.springframework.http.MediaType;
import org.springframework.http.server.reactive.ServerHttpResponse;
import reactor.core.publisher.Mono;
import tools.jackson.databind.node.ObjectNode;

/** A generation's events as one JSON body, sent when all of it is there. */
final class Answer {
    private Answer() {}

    static Mono<Void> write(GenerationCall call, WireFormat wire, ServerHttpResponse response) {
        Mono<byte[]> body =
                call.events()
                        .collect(Collected::new, Collected::add)
                        .map(collected -> Json.bytes(collected.whole(wire)));
        response.getHeaders().setContentType(MediaType.APPLICATION_JSON);
        return response.writeWith(body.map(response.bufferFactory()::wrap));
    }

    private static final class Collected {
        private final StringBuilder text = new StringBuilder();
        private @Nullable Finished end;

        void add(GenerationEvent event) {
            switch (event) {
                case Text piece -> text.append(piece.text());
                case Finished finished -> end = finished;
                case Failed failed -> throw new GenerationFailed(failed.message());
            }
        }

        ObjectNode whole(WireFormat wire) {
            if (end == null) {
                throw new GenerationFailed("The generation ended without a reason.");
            }
            return wire.whole(text.toString(), end.reason(), end.usage());
        }
    }
}
