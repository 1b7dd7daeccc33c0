package dev.aril.admin;

import com.github.benmanes.caffeine.cache.Cache;
import com.github.benmanes.caffeine.cache.Caffeine;
import dev.aril.tenancy.Tenant;
import dev.aril.tenancy.TenantId;
import dev.aril.tenancy.Tenants;
import java.util.regex.Pattern;
import org.springframework.http.HttpStatus;
import org.springframework.stereotype.Component;

/** Names in URLs and answers, ids inside. A tenant keeps its name for life. Blocks on SQL. */
@Component
final class TenantNames {
    static final String RULE =
            "1 to 63 lower-case letters, digits and hyphens, not beginning with a hyphen";
    static final Pattern FORM = Pattern.compile("[a-z0-9][a-z0-9-]{0,62}");

    private final Tenants tenants;
    private final Cache<TenantId, String> names = Caffeine.newBuilder().maximumSize(20_000).build();

    TenantNames(Tenants tenants) {
        this.tenants = tenants;
    }

    /** The id itself where the tenant is purged and its name gone. */
    String of(TenantId id) {
        String known = names.getIfPresent(id);
        if (known != null) {
            return known;
        }
        String name =
                tenants.details(id).map(details -> details.tenant().name()).orElseGet(id::toString);
        names.put(id, name);
        return name;
    }

    /**
     * @throws AdminRefusal 404 if there is none of that name
     */
    Tenant find(String name) {
        if (FORM.matcher(name).matches()) {
            var found = tenants.find(name);
            if (found.isPresent()) {
                return found.get();
            }
        }
        throw new AdminRefusal(
                new AdminProblem(
                        HttpStatus.NOT_FOUND,
                        "absent",
                        "There is no tenant " + Fields.shortened(name) + ".",
                        "tenant",
                        null,
                        "GET /admin/api/tenants lists all of them.",
                        null));
    }
}
