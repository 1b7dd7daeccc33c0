package dev.aril.admin;

import static org.assertj.core.api.Assertions.assertThat;

import dev.aril.tenancy.Account;
import dev.aril.tenancy.Role;
import java.util.ArrayList;
import java.util.List;
import org.junit.jupiter.api.Test;

/** Each operation of the document, called by each role: those below its role are refused. */
final class PolicyTest extends AdminTest {
    @Test
    void aHandlerWithoutARoleIsClosedToEverybody() {
        var answer = call(basic(newAccount(Role.ADMIN)), "GET", "/forgotten", null);
        assertThat(answer.statusCode()).isEqualTo(404);
        assertThat(answer.body()).doesNotContain("secret");
    }

    @Test
    void eachRoleMayWhatTheDocumentSays() {
        OpenApi document = new OpenApi(send(request("/openapi/admin.json").GET()).body());
        Account[] accounts = {
            newAccount(Role.VIEWER), newAccount(Role.OPERATOR), newAccount(Role.ADMIN)
        };
        List<String> wrong = new ArrayList<>();
        int refused = 0;
        for (OpenApi.Operation operation : document.operations()) {
            String path =
                    operation.path().substring("/admin/api".length()).replaceAll("\\{.*?}", "none");
            Role least = Role.of(operation.role());
            for (Account account : accounts) {
                // Nothing is changed by these: names that are not there, bodies that say nothing.
                var answer =
                        call(
                                basic(account),
                                operation.method(),
                                path,
                                operation.body().isEmpty() ? null : "{\"nothing\":1}");
                boolean may = account.role().includes(least);
                if (may == (answer.statusCode() == 403)) {
                    wrong.add(account.role() + " " + operation + ": " + answer.statusCode());
                }
                if (!may) {
                    refused++;
                    assertThat(problem(answer, 403).get("remedy").stringValue())
                            .contains(operation.role());
                }
            }
            assertThat(call("Bearer x", operation.method(), path, null).statusCode())
                    .as("%s", operation)
                    .isEqualTo(401);
        }
        assertThat(wrong).isEmpty();
        assertThat(refused).isGreaterThan(30);
    }
}
