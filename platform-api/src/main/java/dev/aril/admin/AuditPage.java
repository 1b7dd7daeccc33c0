package dev.aril.admin;

import dev.aril.tenancy.AuditEntry;
import dev.aril.tenancy.AuditLog;
import dev.aril.tenancy.AuditVerdict;
import dev.aril.tenancy.Page;
import dev.aril.tenancy.Role;
import org.springframework.http.server.reactive.ServerHttpRequest;
import org.springframework.stereotype.Controller;
import org.springframework.ui.Model;
import org.springframework.web.bind.annotation.GetMapping;
import org.springframework.web.bind.annotation.PostMapping;

/** /admin/audit: what administrators did. */
@Controller
final class AuditPage {
    private static final int ROWS = 50;

    /** An act's row. */
    record Row(
            long number,
            String at,
            String actor,
            String origin,
            String action,
            String tenant,
            String object,
            String detail,
            String hash) {}

    private final AuditLog log;
    private final TenantNames names;

    AuditPage(AuditLog log, TenantNames names) {
        this.log = log;
        this.names = names;
    }

    @GetMapping("/admin/audit")
    @Needs(Role.VIEWER)
    String list(Query query, Model model, ServerHttpRequest request) {
        String search = query.text("search", "part of an actor, action or object").orElse("");
        String after = query.after();
        query.done();
        Page<AuditEntry> page =
                Refused.by(
                        "after",
                        () -> log.page(null, search.isEmpty() ? null : search, after, ROWS));
        model.addAttribute("search", search);
        model.addAttribute("after", after);
        model.addAttribute("next", page.next());
        model.addAttribute("rows", page.items().stream().map(this::row).toList());
        return request.getHeaders().containsHeader("HX-Request")
                ? "admin/audit :: list"
                : "admin/audit";
    }

    @PostMapping("/admin/audit/verify")
    @Needs(Role.OPERATOR)
    String verify(Model model) {
        AuditVerdict verdict = log.verify();
        model.addAttribute("good", verdict.holds());
        model.addAttribute(
                "text",
                verdict.holds()
                        ? "All "
                                + Shown.number(verdict.entries())
                                + " entries are as they were written. Keep the last hash elsewhere: "
                                + verdict.head()
                        : "The log was changed: " + verdict.fault());
        return "admin/notice";
    }

    private Row row(AuditEntry entry) {
        return new Row(
                entry.number(),
                Shown.time(entry.at()),
                entry.actor().name(),
                entry.actor().origin(),
                entry.action(),
                entry.tenant() == null ? "" : names.of(entry.tenant()),
                entry.object(),
                entry.detail(),
                entry.hashText().substring(0, 12));
    }
}
