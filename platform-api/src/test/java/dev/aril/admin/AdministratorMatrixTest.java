package dev.aril.admin;

import static org.assertj.core.api.Assertions.assertThat;

import dev.aril.tenancy.Account;
import dev.aril.tenancy.Role;
import dev.aril.tenancy.Tenant;
import java.net.http.HttpResponse;
import java.util.ArrayList;
import java.util.List;
import org.junit.jupiter.api.Test;

/**
 * Each operation of the administration's document that takes a tenant and a key, by each role, with
 * another tenant's key: the same answer as for a key that is not there.
 */
final class AdministratorMatrixTest extends AdminTest {
    @Test
    void anAdministratorsUrlOfOneTenantNeverReachesAnothersKey() {
        Tenant own = newTenant();
        Tenant other = newTenant();
        String key = newKey(other);
        String keyId = key.split("_")[1];
        OpenApi document = new OpenApi(send(request("/openapi/admin.json").GET()).body());
        Account[] accounts = {
            newAccount(Role.VIEWER), newAccount(Role.OPERATOR), newAccount(Role.ADMIN)
        };
        int cells = 0;
        for (OpenApi.Operation operation : document.operations()) {
            if (operation.in("path").stream().noneMatch(p -> p.name().equals("key"))) {
                continue;
            }
            String path = operation.path().substring("/admin/api".length());
            for (Account account : accounts) {
                List<String> answers = new ArrayList<>();
                for (String[] ids :
                        new String[][] {
                            {own.name(), keyId},
                            {own.name(), "000000000000"},
                        }) {
                    HttpResponse<String> answer =
                            call(
                                    basic(account),
                                    operation.method(),
                                    path.replace("{tenant}", ids[0]).replace("{key}", ids[1]),
                                    operation.body().isEmpty() ? null : "{}");
                    cells++;
                    answers.add(answer.statusCode() + " " + answer.body().replace(ids[1], "KEY"));
                }
                assertThat(answers.get(0))
                        .as("%s by %s", operation, account.role())
                        .isEqualTo(answers.get(1))
                        .doesNotStartWith("2");
            }
        }
        assertThat(keys.find(other.id(), keyId).orElseThrow().revokedAt()).isNull();
        assertThat(
                        send(request("/v1/models").header("Authorization", "Bearer " + key))
                                .statusCode())
                .isEqualTo(200);
        System.out.printf("matrix: %d cells of the administration API, 0 leaks%n", cells);
        assertThat(cells).isGreaterThanOrEqualTo(18);
    }
}
