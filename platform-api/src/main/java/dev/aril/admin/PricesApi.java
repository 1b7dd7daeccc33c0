package dev.aril.admin;

import dev.aril.tenancy.Actor;
import dev.aril.tenancy.Price;
import dev.aril.tenancy.Prices;
import dev.aril.tenancy.Role;
import dev.aril.tenancy.TenantId;
import java.time.Instant;
import java.util.OptionalLong;
import org.springframework.http.HttpStatus;
import org.springframework.web.bind.annotation.GetMapping;
import org.springframework.web.bind.annotation.PostMapping;
import org.springframework.web.bind.annotation.ResponseStatus;
import org.springframework.web.bind.annotation.RestController;
import tools.jackson.databind.node.ObjectNode;

/** /admin/api/prices: what tokens cost, in whole micro-units for a million tokens. */
@RestController
final class PricesApi {
    private static final String MODEL = "text of 1 to 200 characters";
    private static final String ADAPTER = "an adapter's name";

    private final Prices prices;
    private final TenantNames names;

    PricesApi(Prices prices, TenantNames names) {
        this.prices = prices;
        this.names = names;
    }

    @GetMapping("/admin/api/prices")
    @Needs(Role.VIEWER)
    ObjectNode list(Query query) {
        query.done();
        return Views.list(prices.list(), new Views(names)::price);
    }

    @PostMapping("/admin/api/prices")
    @Needs(Role.ADMIN)
    @ResponseStatus(HttpStatus.CREATED)
    ObjectNode set(Actor by, Query query, Fields fields) {
        query.done();
        String model = fields.text("model", MODEL);
        if (model.isBlank() || model.length() > 200) {
            throw Fields.refused("model", "model has " + model.length() + " characters.", MODEL);
        }
        TenantId tenant =
                fields.optionalText("tenant", "a tenant's name")
                        .map(name -> names.find(name).id())
                        .orElse(null);
        String adapter = fields.optionalText("adapter", ADAPTER).orElse(null);
        if (adapter != null && !adapter.matches("[A-Za-z0-9][A-Za-z0-9._-]{0,63}")) {
            throw Fields.refused("adapter", "adapter is no adapter's name.", ADAPTER);
        }
        long prompt = amount(fields, "prompt");
        long cached = amount(fields, "cached");
        long completion = amount(fields, "completion");
        Instant from = fields.instant("valid_from").orElse(null);
        fields.done();
        Price price =
                new Price(
                        model,
                        tenant,
                        adapter,
                        prompt,
                        cached,
                        completion,
                        from == null ? Instant.now().plusSeconds(1) : from);
        Refused.by("valid_from", () -> prices.set(by, price));
        return new Views(names).price(price);
    }

    private static long amount(Fields fields, String name) {
        OptionalLong given = fields.number(name, 0, Price.MOST);
        return given.orElseThrow(() ->
                Fields.refused(
                        name, name + " is missing.", "a whole number from 0 to " + Price.MOST));
    }
}
