package dev.aril.admin;

import dev.aril.api.Blocking;
import dev.aril.tenancy.RecordedEvent;
import dev.aril.tenancy.Tenant;
import dev.aril.tenancy.TenantId;
import dev.aril.tenancy.UsageLedger;
import java.time.Instant;
import java.time.temporal.ChronoUnit;
import java.util.Iterator;
import java.util.Locale;
import java.util.function.Consumer;
import org.jspecify.annotations.Nullable;
import org.springframework.http.CacheControl;
import org.springframework.http.ContentDisposition;
import org.springframework.http.HttpHeaders;
import org.springframework.http.MediaType;
import org.springframework.http.ResponseEntity;
import org.springframework.stereotype.Component;
import reactor.core.publisher.Flux;
import tools.jackson.databind.JsonNode;
import tools.jackson.databind.json.JsonMapper;
import tools.jackson.databind.node.ObjectNode;

/**
 * The ledger's rows as a file, CSV (RFC 4180) or one JSON array, written while they are read: its
 * size does not matter, a slow reader makes the query wait, and one that hangs up ends it.
 */
@Component
final class UsageExport {
    enum Format {
        CSV,
        JSON
    }

    private final UsageLedger ledger;
    private final TenantNames names;
    private final Blocking blocking;

    UsageExport(UsageLedger ledger, TenantNames names, Blocking blocking) {
        this.ledger = ledger;
        this.names = names;
        this.blocking = blocking;
    }

    ResponseEntity<Flux<byte[]>> answer(@Nullable Tenant tenant, Query query) {
        Format format = query.choice("format", Format.values()).orElse(Format.CSV);
        Instant until = query.instant("until").orElseGet(Instant::now);
        Instant from = query.instant("from").orElseGet(() -> until.minus(30, ChronoUnit.DAYS));
        query.done();
        UsageApi.order(from, until);
        TenantId id = tenant == null ? null : tenant.id();
        String file =
                "usage-%s.%s"
                        .formatted(
                                tenant == null ? "all" : tenant.name(),
                                format.name().toLowerCase(Locale.ROOT));
        return ResponseEntity.ok()
                .contentType(
                        format == Format.CSV
                                ? MediaType.parseMediaType("text/csv;charset=UTF-8")
                                : MediaType.APPLICATION_JSON)
                .header(
                        HttpHeaders.CONTENT_DISPOSITION,
                        ContentDisposition.attachment().filename(file).build().toString())
                .cacheControl(CacheControl.noStore())
                .body(StreamedBody.of(blocking, out -> write(format, id, from, until, out)));
    }

    private void write(
            Format format,
            @Nullable TenantId tenant,
            Instant from,
            Instant until,
            Consumer<String> out) {
        Views views = new Views(names);
        Consumer<RecordedEvent> row = format == Format.CSV ? csv(views, out) : json(views, out);
        ledger.export(tenant, from, until, row);
        if (format == Format.JSON) {
            out.accept("\n]\n");
        }
    }

    private static Consumer<RecordedEvent> json(Views views, Consumer<String> out) {
        out.accept("[");
        return new Consumer<>() {
            private String before = "\n";

            @Override
            public void accept(RecordedEvent event) {
                out.accept(before + JsonMapper.shared().writeValueAsString(views.event(event)));
                before = ",\n";
            }
        };
    }

    private static Consumer<RecordedEvent> csv(Views views, Consumer<String> out) {
        out.accept(
                "request_id,tenant,key_id,model,adapter,adapter_version,prompt_tokens,cached_tokens,"
                        + "completion_tokens,finish_reason,admitted_at,started_at,scheduled_at,"
                        + "first_token_at,finished_at,engine_ms,cost_micros\r\n");
        return event -> {
            ObjectNode view = views.event(event);
            StringBuilder line = new StringBuilder();
            for (Iterator<JsonNode> cells = view.iterator(); cells.hasNext(); ) {
                line.append(quoted(cells.next())).append(cells.hasNext() ? "," : "\r\n");
            }
            out.accept(line.toString());
        };
    }

    private static String quoted(JsonNode cell) {
        if (cell.isNull()) {
            return "";
        }
        String text = cell.asString();
        return text.matches("[^\",\r\n]*") ? text : "\"" + text.replace("\"", "\"\"") + "\"";
    }
}
