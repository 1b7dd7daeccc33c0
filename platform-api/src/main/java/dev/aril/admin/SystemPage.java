package dev.aril.admin;

import dev.aril.engine.Engine;
import dev.aril.engine.EngineStats;
import dev.aril.tenancy.Conservation;
import dev.aril.tenancy.Role;
import dev.aril.tenancy.UsageLedger;
import java.lang.management.ManagementFactory;
import java.time.Duration;
import java.util.LinkedHashMap;
import java.util.Map;
import org.springframework.http.server.reactive.ServerHttpRequest;
import org.springframework.stereotype.Controller;
import org.springframework.ui.Model;
import org.springframework.web.bind.annotation.GetMapping;
import org.springframework.web.bind.annotation.PostMapping;

/** /admin/system: how this process is. */
@Controller
final class SystemPage {
    private final Engine engine;
    private final UsageLedger ledger;

    SystemPage(Engine engine, UsageLedger ledger) {
        this.engine = engine;
        this.ledger = ledger;
    }

    @GetMapping("/admin/system")
    @Needs(Role.VIEWER)
    String show(Query query, Model model, ServerHttpRequest request) {
        query.done();
        EngineStats stats = engine.stats();
        Map<String, String> facts = new LinkedHashMap<>();
        facts.put("Requests running", Shown.number((long) stats.running()));
        facts.put("Requests waiting", Shown.number((long) stats.waiting()));
        facts.put(
                "KV blocks free",
                Shown.number((long) stats.kvBlocksFree())
                        + " of "
                        + Shown.number((long) stats.kvBlocks()));
        facts.put("Adapters on the device", Shown.number((long) stats.residentAdapters().size()));
        facts.put("Adapter loads", Shown.number(stats.adapterLoads()));
        facts.put("Prompt tokens computed", Shown.number(stats.promptTokens()));
        facts.put("Tokens generated", Shown.number(stats.completionTokens()));
        Runtime memory = Runtime.getRuntime();
        facts.put(
                "Heap, MB",
                Shown.number((memory.totalMemory() - memory.freeMemory()) >> 20)
                        + " of "
                        + Shown.number(memory.maxMemory() >> 20));
        Duration up = Duration.ofMillis(ManagementFactory.getRuntimeMXBean().getUptime());
        facts.put(
                "Up",
                "%d d %02d:%02d:%02d"
                        .formatted(
                                up.toDays(),
                                up.toHoursPart(),
                                up.toMinutesPart(),
                                up.toSecondsPart()));
        model.addAttribute("facts", facts);
        model.addAttribute("state", Choices.wire(engine.state()));
        model.addAttribute("card", engine.model());
        return request.getHeaders().containsHeader("HX-Request")
                ? "admin/system :: live"
                : "admin/system";
    }

    @PostMapping("/admin/system/check")
    @Needs(Role.OPERATOR)
    String check(Model model) {
        Conservation found = ledger.conservation();
        model.addAttribute("good", found.holds());
        model.addAttribute(
                "text",
                found.holds()
                        ? "Every counter equals its rows: "
                                + Shown.number(found.events())
                                + " events, "
                                + Shown.number(found.reservations())
                                + " open reservations."
                        : "Counters differ: " + String.join("; ", found.differences()));
        return "admin/notice";
    }
}
