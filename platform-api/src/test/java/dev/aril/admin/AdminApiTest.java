package dev.aril.admin;

import static org.assertj.core.api.Assertions.assertThat;

import dev.aril.tenancy.Role;
import java.net.http.HttpResponse;
import org.junit.jupiter.api.BeforeEach;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.CsvSource;
import tools.jackson.databind.JsonNode;

/** The administration API's everyday. */
final class AdminApiTest extends AdminTest {
    private String admin = "";
    private String tenant = "";

    @BeforeEach
    void logIn() {
        admin = basic(newAccount(Role.ADMIN));
        tenant = unique("t");
        assertThat(call(admin, "POST", "/tenants", "{\"name\":\"" + tenant + "\"}").statusCode())
                .isEqualTo(201);
    }

    private int models(String key) {
        return send(request("/v1/models").header("Authorization", "Bearer " + key)).statusCode();
    }

    private void eventually(String key, int status) throws InterruptedException {
        for (int i = 0; i < 500 && models(key) != status; i++) {
            Thread.sleep(10);
        }
        assertThat(models(key)).isEqualTo(status);
    }

    private JsonNode ok(String method, String path, String json) {
        HttpResponse<String> response = call(admin, method, path, json);
        assertThat(response.statusCode()).as(response.body()).isIn(200, 201);
        return json(response);
    }

    @Test
    void aTenantsLife() throws Exception {
        String key =
                ok("POST", "/tenants/" + tenant + "/keys", "{\"label\":\"one\"}")
                        .get("secret")
                        .stringValue();
        assertThat(models(key)).isEqualTo(200);
        assertThat(
                        json(call(admin, "POST", "/tenants/" + tenant + "/suspend", null))
                                .get("status")
                                .stringValue())
                .isEqualTo("suspended");
        eventually(key, 401);
        call(admin, "POST", "/tenants/" + tenant + "/resume", null);
        eventually(key, 200);
        JsonNode gone = json(call(admin, "DELETE", "/tenants/" + tenant + "?grace_days=7", null));
        assertThat(gone.get("status").stringValue()).isEqualTo("deleted");
        assertThat(gone.get("purge_at").isNull()).isFalse();
        eventually(key, 401);
        problem(call(admin, "POST", "/tenants/" + tenant + "/suspend", null), 409);
        call(admin, "POST", "/tenants/" + tenant + "/restore", null);
        eventually(key, 200);
    }

    @Test
    void aKeysLife() throws Exception {
        JsonNode made =
                ok(
                        "POST",
                        "/tenants/" + tenant + "/keys",
                        "{\"label\":\"one\",\"scopes\":[\"inference\"],"
                                + "\"expires_at\":\"2099-01-01T00:00:00Z\"}");
        String first = made.get("secret").stringValue();
        String path = "/tenants/" + tenant + "/keys/" + made.get("key_id").stringValue();
        String second =
                ok("POST", path + "/rotate", "{\"overlap_seconds\":3600}")
                        .get("secret")
                        .stringValue();
        assertThat(second).isNotEqualTo(first);
        assertThat(models(first)).isEqualTo(200);
        assertThat(models(second)).isEqualTo(200);
        HttpResponse<String> shown = call(admin, "GET", path, null);
        assertThat(shown.body()).doesNotContain("secret").doesNotContain(first);
        assertThat(json(shown).get("overlap_until").isNull()).isFalse();
        call(admin, "POST", path + "/revoke", null);
        eventually(first, 401);
        eventually(second, 401);
    }

    @Test
    void limitsAreSetRaisedAndLifted() {
        String path = "/tenants/" + tenant + "/limits";
        JsonNode set =
                ok("PUT", path, "{\"metric\":\"tokens_per_day\",\"hard\":1000,\"soft\":800}");
        assertThat(set.get("in_force").intValue()).isEqualTo(1000);
        JsonNode raised =
                ok(
                        "POST",
                        path + "/raise",
                        "{\"metric\":\"tokens_per_day\",\"to\":5000,"
                                + "\"until\":\"2099-01-01T00:00:00Z\"}");
        assertThat(raised.get("in_force").intValue()).isEqualTo(5000);
        assertThat(raised.get("hard").intValue()).isEqualTo(1000);
        ok(
                "PUT",
                path,
                "{\"metric\":\"requests_per_minute\",\"hard\":3,\"shadow\":true,"
                        + "\"scope\":\"adapter\",\"subject\":\"sql\"}");
        assertThat(json(call(admin, "GET", path, null)).get("items")).hasSize(2);
        assertThat(
                        call(
                                        admin,
                                        "DELETE",
                                        path
                                                + "?metric=requests_per_minute&scope=adapter&subject=sql",
                                        null)
                                .statusCode())
                .isEqualTo(204);
        assertThat(json(call(admin, "GET", path, null)).get("items")).hasSize(1);
    }

    @Test
    void tenantsAreSearchedAndPagedByKey() {
        String prefix = unique("page");
        for (int i = 0; i < 5; i++) {
            tenants.create(TEST, prefix + "-" + i);
        }
        StringBuilder seen = new StringBuilder();
        String after = "";
        do {
            JsonNode page =
                    json(
                            call(
                                    admin,
                                    "GET",
                                    "/tenants?limit=2&search="
                                            + prefix
                                            + (after.isEmpty() ? "" : "&after=" + after),
                                    null));
            page.get("items")
                    .forEach(t -> {
                        String name = t.get("name").stringValue();
                        seen.append(name.substring(name.length() - 1));
                    });
            after = page.get("next").asString("");
        } while (!after.isEmpty());
        assertThat(seen.toString()).isEqualTo("01234");
    }

    @Test
    void everyActIsInTheAuditLog() {
        ok("POST", "/tenants/" + tenant + "/keys", "{\"label\":\"one\"}");
        HttpResponse<String> log = call(admin, "GET", "/audit?tenant=" + tenant, null);
        assertThat(json(log).get("items")).hasSize(2);
        assertThat(log.body()).contains("\"origin\":\"api 127.0.0.1\"").doesNotContain("aril_");
        assertThat(json(call(admin, "GET", "/audit/verify", null)).get("holds").booleanValue())
                .isTrue();
    }

    @ParameterizedTest
    @CsvSource(
            delimiter = '|',
            value = {
                "POST|/tenants|{}|name",
                "POST|/tenants|{\"name\":\"-x\"}|name",
                "POST|/tenants|{\"name\":\"x\",\"colour\":1}|colour",
                "POST|/tenants|{\"name\":7}|name",
                "POST|/tenants|[]|body",
                "POST|/tenants|{\"name\":\"a\",\"name\":\"b\"}|body",
                "GET|/tenants?limit=0||limit",
                "GET|/tenants?sort=name||sort",
                "GET|/tenants?status=gone||status",
                "GET|/tenants?limit=1&limit=2||limit",
                "GET|/audit?after=%00||after",
                "PUT|/tenants/T/limits|{\"metric\":\"tokens\",\"hard\":1}|metric",
                "PUT|/tenants/T/limits|{\"metric\":\"tokens_per_day\"}|hard",
                "PUT|/tenants/T/limits|{\"metric\":\"tokens_per_day\",\"hard\":-1}|hard",
                "PUT|/tenants/T/limits|{\"metric\":\"tokens_per_day\",\"hard\":1.5}|hard",
                "PUT|/tenants/T/limits|{\"metric\":\"tokens_per_day\",\"hard\":1,\"scope\":\"key\"}|subject",
                "POST|/tenants/T/keys|{\"label\":\"\"}|label",
                "POST|/tenants/T/keys|{\"label\":\"x\",\"scopes\":[\"all\"]}|scopes",
                "POST|/tenants/T/keys|{\"label\":\"x\",\"expires_at\":\"soon\"}|expires_at",
                "GET|/usage?from=2026-01-02T00:00:00Z&until=2026-01-01T00:00:00Z||from",
                "GET|/usage?group_by=colour||group_by",
                "POST|/accounts|{\"name\":\"a\",\"role\":\"admin\",\"password\":\"short\"}|password",
                "POST|/accounts|{\"name\":\"a\",\"role\":\"owner\"}|role",
                "POST|/webhooks|{\"url\":\"ftp://x\"}|url"
            })
    void whatIsWrongIsNamed(String method, String path, String json, String field) {
        JsonNode problem =
                problem(call(admin, method, path.replace("/T/", "/" + tenant + "/"), json), 400);
        assertThat(problem.get("field").stringValue()).as("%s", problem).isEqualTo(field);
        assertThat(problem.has("remedy")).isTrue();
    }

    @Test
    void whatIsAbsentIsNotFoundAndWhatStandsAgainstItIsAConflict() {
        problem(call(admin, "GET", "/tenants/none", null), 404);
        problem(call(admin, "GET", "/tenants/" + tenant + "/keys/000000000000", null), 404);
        problem(call(admin, "POST", "/tenants", "{\"name\":\"" + tenant + "\"}"), 409);
        problem(call(admin, "POST", "/accounts/none/disable", null), 404);
    }

    @Test
    void usageIsExportedAsCsvAndJson() {
        HttpResponse<String> csv = call(admin, "GET", "/tenants/" + tenant + "/usage/export", null);
        assertThat(csv.statusCode()).isEqualTo(200);
        assertThat(csv.headers().firstValue("content-type")).contains("text/csv;charset=UTF-8");
        assertThat(csv.body()).startsWith("request_id,tenant,").endsWith("\r\n");
        HttpResponse<String> json =
                call(admin, "GET", "/tenants/" + tenant + "/usage/export?format=json", null);
        assertThat(json(json).isArray()).isTrue();
    }
}
