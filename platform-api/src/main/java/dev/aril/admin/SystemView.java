package dev.aril.admin;

import dev.aril.engine.Engine;
import dev.aril.engine.EngineStats;
import dev.aril.tenancy.Conservation;
import dev.aril.tenancy.Role;
import java.lang.management.ManagementFactory;
import org.springframework.web.bind.annotation.GetMapping;
import org.springframework.web.bind.annotation.RestController;
import tools.jackson.databind.node.ArrayNode;
import tools.jackson.databind.node.ObjectNode;

/** /admin/api/system: how this process is. */
@RestController
final class SystemView {
    private final Engine engine;

    SystemView(Engine engine) {
        this.engine = engine;
    }

    @GetMapping("/admin/api/system")
    @Needs(Role.VIEWER)
    ObjectNode get(Query query) {
        query.done();
        EngineStats stats = engine.stats();
        Runtime memory = Runtime.getRuntime();
        return Views.object()
                .put("engine", Choices.wire(engine.state()))
                .put("model", engine.model().name())
                .put("recipe", engine.model().recipe())
                .put("context_length", engine.model().contextLength())
                .put("requests_waiting", stats.waiting())
                .put("requests_running", stats.running())
                .put("kv_blocks", stats.kvBlocks())
                .put("kv_blocks_free", stats.kvBlocksFree())
                .put("adapters_resident", stats.residentAdapters().size())
                .put("adapter_bytes", stats.adapterBytes())
                .put("adapter_loads", stats.adapterLoads())
                .put("prompt_tokens", stats.promptTokens())
                .put("completion_tokens", stats.completionTokens())
                .put("steps", stats.steps().stream().mapToLong(Long::longValue).sum())
                .put("heap_bytes", memory.totalMemory() - memory.freeMemory())
                .put("heap_most_bytes", memory.maxMemory())
                .put("uptime_seconds", ManagementFactory.getRuntimeMXBean().getUptime() / 1000);
    }

    static ObjectNode conservation(Conservation found) {
        ObjectNode body =
                Views.object()
                        .put("holds", found.holds())
                        .put("events", found.events())
                        .put("reservations", found.reservations());
        ArrayNode differences = body.putArray("differences");
        found.differences().forEach(differences::add);
        return body;
    }
}
