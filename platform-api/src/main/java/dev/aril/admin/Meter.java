package dev.aril.admin;

import dev.aril.tenancy.LimitState;
import dev.aril.tenancy.QuotaScope;
import java.util.List;
import java.util.Locale;
import org.jspecify.annotations.Nullable;

/**
 * A limit as a bar: what is used, what is held by requests under way, what is free.
 *
 * @param usedWidth of 100
 * @param heldWidth of 100, beside it
 */
record Meter(
        LimitState state,
        String name,
        String figures,
        double usedWidth,
        double heldWidth,
        boolean over,
        @Nullable String note) {
    static Meter of(LimitState state) {
        Long most = state.inForce() == null ? state.limit().soft() : state.inForce();
        double whole = most == null ? 1 : Math.max(1, most);
        double used = Math.min(100, 100 * state.used() / whole);
        double held = Math.min(100 - used, 100 * state.reserved() / whole);
        return new Meter(
                state,
                name(state),
                Shown.number(state.used()) + " of " + (most == null ? "–" : Shown.number(most)),
                round(used),
                round(held),
                most != null && state.used() + state.reserved() >= most,
                note(state));
    }

    /** The whole tenant's, in a fixed order, so that columns stay put. */
    static List<Meter> tenants(List<LimitState> states) {
        return states.stream()
                .filter(state -> state.limit().scope().kind() == QuotaScope.Kind.TENANT)
                .map(Meter::of)
                .toList();
    }

    public String scope() {
        return state.limit().scope().toString();
    }

    public String kind() {
        return state.limit().scope().kind().text();
    }

    public String subject() {
        return state.limit().scope().subject();
    }

    public String metric() {
        return state.limit().metric().text();
    }

    public String held() {
        return state.reserved() == 0 ? "" : "+ " + Shown.number(state.reserved()) + " held";
    }

    public String hard() {
        return Shown.number(state.limit().hard());
    }

    public String soft() {
        return Shown.number(state.limit().soft());
    }

    private static String name(LimitState state) {
        String metric = state.limit().metric().text().replace('_', ' ');
        return metric.substring(0, 1).toUpperCase(Locale.ROOT) + metric.substring(1);
    }

    private static @Nullable String note(LimitState state) {
        if (state.limit().shadow()) {
            return "shadow: " + Shown.number(state.wouldHaveRefused()) + " would be refused";
        }
        if (state.limit().raisedUntil() != null) {
            return "raised until " + Shown.time(state.limit().raisedUntil());
        }
        if (state.inForce() == null) {
            return "warns only";
        }
        return state.resetAt() == null ? null : "new at " + Shown.time(state.resetAt());
    }

    private static double round(double width) {
        return Math.round(width * 100) / 100.0;
    }
}
