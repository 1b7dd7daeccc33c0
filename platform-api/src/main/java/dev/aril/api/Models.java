package dev.aril.api;

import dev.aril.adapters.Adapter;
import dev.aril.adapters.Adapters;
import dev.aril.engine.Engine;
import dev.aril.engine.ModelCard;
import dev.aril.tenancy.Bearer;
import org.springframework.web.bind.annotation.GetMapping;
import org.springframework.web.bind.annotation.PathVariable;
import org.springframework.web.bind.annotation.RequestAttribute;
import org.springframework.web.bind.annotation.RestController;
import reactor.core.publisher.Mono;
import tools.jackson.databind.node.ArrayNode;
import tools.jackson.databind.node.JsonNodeFactory;
import tools.jackson.databind.node.ObjectNode;

/** GET /v1/models: the base model and the tenant's adapters. */
@RestController
final class Models {
    private final Engine engine;
    private final Adapters adapters;
    private final ServedModels models;
    private final Blocking blocking;

    Models(Engine engine, Adapters adapters, ServedModels models, Blocking blocking) {
        this.engine = engine;
        this.adapters = adapters;
        this.models = models;
        this.blocking = blocking;
    }

    @GetMapping("/v1/models")
    Mono<ObjectNode> list(@RequestAttribute(ApiKeyGate.BEARER) Bearer bearer) {
        return blocking.call(() -> {
            ObjectNode list = JsonNodeFactory.instance.objectNode().put("object", "list");
            ArrayNode data = list.putArray("data").add(base());
            for (Adapter adapter : adapters.list(bearer.tenant().id())) {
                data.add(model(adapter));
            }
            return list;
        });
    }

    /** A name may hold slashes in other servers' world: the rest of the path is the name. */
    @GetMapping("/v1/models/{*name}")
    Mono<ObjectNode> get(
            @RequestAttribute(ApiKeyGate.BEARER) Bearer bearer, @PathVariable String name) {
        String model = name.substring(1);
        return blocking.call(() ->
                model.equals(engine.model().name())
                        ? base()
                        : model(models.adapter(bearer.tenant(), model)));
    }

    private ObjectNode base() {
        ModelCard card = engine.model();
        return entry(card.name(), card.createdAt(), "aril");
    }

    private ObjectNode model(Adapter adapter) {
        return entry(adapter.name(), adapter.createdAt().getEpochSecond(), "tenant")
                .put("parent", engine.model().name());
    }

    private ObjectNode entry(String id, long created, String owner) {
        return JsonNodeFactory.instance
                .objectNode()
                .put("id", id)
                .put("object", "model")
                .put("created", created)
                .put("owned_by", owner)
                .put("max_model_len", engine.model().contextLength());
    }
}
