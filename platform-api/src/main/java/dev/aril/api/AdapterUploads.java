package dev.aril.api;

import dev.aril.adapters.Adapter;
import dev.aril.adapters.Adapters;
import dev.aril.engine.Engine;
import dev.aril.tenancy.Bearer;
import java.util.concurrent.atomic.AtomicReference;
import org.springframework.http.HttpStatus;
import org.springframework.http.MediaType;
import org.springframework.http.codec.multipart.PartEvent;
import org.springframework.http.server.reactive.ServerHttpRequest;
import org.springframework.http.server.reactive.ServerHttpRequestDecorator;
import org.springframework.web.bind.annotation.DeleteMapping;
import org.springframework.web.bind.annotation.GetMapping;
import org.springframework.web.bind.annotation.PathVariable;
import org.springframework.web.bind.annotation.PostMapping;
import org.springframework.web.bind.annotation.RequestAttribute;
import org.springframework.web.bind.annotation.RequestBody;
import org.springframework.web.bind.annotation.ResponseStatus;
import org.springframework.web.bind.annotation.RestController;
import reactor.core.publisher.Flux;
import reactor.core.publisher.Mono;
import reactor.core.scheduler.Scheduler;
import reactor.core.scheduler.Schedulers;
import reactor.netty.http.server.HttpServerRequest;
import tools.jackson.databind.node.ArrayNode;
import tools.jackson.databind.node.JsonNodeFactory;
import tools.jackson.databind.node.ObjectNode;

/** /v1/adapters: a tenant brings, sees and removes its adapters. */
@RestController
final class AdapterUploads {
    /** Pieces of a file in memory at a time, each some kilobytes. */
    private static final int PIECES = 16;

    private final Engine engine;
    private final Adapters adapters;
    private final ServedModels models;
    private final Blocking blocking;

    AdapterUploads(Engine engine, Adapters adapters, ServedModels models, Blocking blocking) {
        this.engine = engine;
        this.adapters = adapters;
        this.models = models;
        this.blocking = blocking;
    }

    /** Answers when the adapter is verified and can be asked for. */
    @PostMapping(path = "/v1/adapters", consumes = MediaType.MULTIPART_FORM_DATA_VALUE)
    @ResponseStatus(HttpStatus.CREATED)
    Mono<ObjectNode> publish(
            @RequestAttribute(ApiKeyGate.BEARER) Bearer bearer,
            @RequestBody(required = false) Flux<PartEvent> parts,
            ServerHttpRequest request) {
        return Mono.usingWhen(
                blocking.call(() -> new UploadForm(adapters, bearer.tenant().id())),
                form ->
                        parts.cancelOn(eventLoop(request))
                                .map(UploadForm.Piece::new)
                                .publishOn(blocking.scheduler(), PIECES)
                                .doOnNext(form::accept)
                                .doOnDiscard(UploadForm.Piece.class, UploadForm.Piece::discard)
                                .then(blocking.call(form::publish))
                                .map(this::body),
                form -> blocking.call(form::end));
    }

    /**
     * The connection's own thread. Spring's multipart parser works there and shares its buffers
     * with no other thread: when a refusal cancels it, that too must happen there, or both would
     * let go of the same buffer.
     */
    private static Scheduler eventLoop(ServerHttpRequest request) {
        HttpServerRequest connected = ServerHttpRequestDecorator.getNativeRequest(request);
        AtomicReference<Scheduler> loop = new AtomicReference<>(Schedulers.immediate());
        connected.withConnection(
                connection -> loop.set(Schedulers.fromExecutor(connection.channel().eventLoop())));
        return loop.get();
    }

    @GetMapping("/v1/adapters")
    Mono<ObjectNode> list(@RequestAttribute(ApiKeyGate.BEARER) Bearer bearer) {
        return blocking.call(() -> {
            ObjectNode list = JsonNodeFactory.instance.objectNode().put("object", "list");
            ArrayNode data = list.putArray("data");
            adapters.list(bearer.tenant().id()).forEach(adapter -> data.add(body(adapter)));
            return list;
        });
    }

    @GetMapping("/v1/adapters/{name}")
    Mono<ObjectNode> get(
            @RequestAttribute(ApiKeyGate.BEARER) Bearer bearer, @PathVariable String name) {
        return blocking.call(() -> body(models.adapter(bearer.tenant(), name)));
    }

    @DeleteMapping("/v1/adapters/{name}")
    Mono<ObjectNode> delete(
            @RequestAttribute(ApiKeyGate.BEARER) Bearer bearer, @PathVariable String name) {
        return blocking.call(() -> {
            Adapter adapter = models.adapter(bearer.tenant(), name);
            if (!adapters.delete(bearer.tenant().id(), adapter.name())) {
                throw ServedModels.unknown(name);
            }
            return JsonNodeFactory.instance
                    .objectNode()
                    .put("id", adapter.id().toString())
                    .put("object", "adapter.deleted")
                    .put("name", adapter.name())
                    .put("deleted", true);
        });
    }

    private ObjectNode body(Adapter adapter) {
        ObjectNode body =
                JsonNodeFactory.instance
                        .objectNode()
                        .put("id", adapter.id().toString())
                        .put("object", "adapter")
                        .put("created", adapter.createdAt().getEpochSecond())
                        .put("name", adapter.name())
                        .put("parent", engine.model().name())
                        .put("digest", adapter.digest())
                        .put("rank", adapter.rank());
        ArrayNode targets = body.putArray("target_modules");
        adapter.targets().forEach(targets::add);
        return body.put("parameters", adapter.parameters()).put("bytes", adapter.bytes());
    }
}
