package dev.aril.admin;

import static org.assertj.core.api.Assertions.assertThat;

import dev.aril.tenancy.Account;
import dev.aril.tenancy.Role;
import java.net.http.HttpResponse;
import java.util.Map;
import org.junit.jupiter.api.Test;

/** The dashboard's door: sessions, forged forms, guessed passwords. */
final class LogInTest extends AdminTest {
    @Test
    void aSessionBeginsAnewWithTheLogIn() {
        Account account = newAccount(Role.VIEWER);
        Browser browser = new Browser(this);
        browser.get("/admin/login");
        String before = browser.cookie;
        HttpResponse<String> in = browser.logIn(account.name(), PASSWORD);
        assertThat(in.statusCode()).isEqualTo(302);
        assertThat(in.headers().firstValue("location")).contains("/admin");
        assertThat(before).isNotNull();
        assertThat(browser.cookie).isNotEqualTo(before);
        assertThat(browser.setCookie)
                .startsWith("aril-admin=")
                .contains("; Path=/admin")
                .containsIgnoringCase("; HttpOnly")
                .contains("; SameSite=Lax");
        assertThat(browser.get("/admin/tenants").body()).contains(account.name());

        Browser other = new Browser(this);
        other.cookie = before;
        assertThat(other.get("/admin/tenants").statusCode()).isEqualTo(303);
    }

    @Test
    void nobodyGetsInWithoutLoggingIn() {
        for (String path : new String[] {"/admin", "/admin/tenants", "/admin/audit", "/admin/x"}) {
            HttpResponse<String> response = new Browser(this).get(path);
            assertThat(response.statusCode()).as(path).isEqualTo(303);
            assertThat(response.headers().firstValue("location")).contains("/admin/login");
        }
    }

    @Test
    void aFormWithoutItsTokenIsRefused() {
        Account account = newAccount(Role.ADMIN);
        Browser browser = new Browser(this);
        browser.logIn(account.name(), PASSWORD);
        String name = unique("t");
        HttpResponse<String> forged = browser.post("/admin/tenants", null, Map.of("name", name));
        assertThat(forged.statusCode()).isEqualTo(403);
        assertThat(forged.body()).contains("Reload the page");
        assertThat(tenants.find(name)).isEmpty();
        assertThat(
                        browser.submit("/admin/tenants", "/admin/tenants", Map.of("name", name))
                                .statusCode())
                .isEqualTo(200);
        assertThat(tenants.find(name)).isPresent();
        // nor does a foreign site log a browser in or out
        assertThat(
                        new Browser(this)
                                .post("/admin/login", null, Map.of("username", "a"))
                                .statusCode())
                .isEqualTo(403);
        assertThat(browser.post("/admin/logout", null, Map.of()).statusCode()).isEqualTo(403);
    }

    @Test
    void loggingOutEndsTheSession() {
        Account account = newAccount(Role.VIEWER);
        Browser browser = new Browser(this);
        browser.logIn(account.name(), PASSWORD);
        String inside = browser.cookie;
        HttpResponse<String> out = browser.submit("/admin/tenants", "/admin/logout", Map.of());
        assertThat(out.headers().firstValue("location")).contains("/admin/login?bye");
        browser.cookie = inside;
        assertThat(browser.get("/admin/tenants").statusCode()).isEqualTo(303);
    }

    @Test
    void aChangedAccountEndsItsSessions() {
        Account account = newAccount(Role.ADMIN);
        Browser browser = new Browser(this);
        browser.logIn(account.name(), PASSWORD);
        assertThat(browser.get("/admin/accounts").statusCode()).isEqualTo(200);
        accounts.changeRole(TEST, account.name(), Role.VIEWER);
        assertThat(browser.get("/admin/accounts").statusCode()).isEqualTo(303);
        browser.logIn(account.name(), PASSWORD);
        assertThat(browser.get("/admin/accounts").statusCode()).isEqualTo(403);
        assertThat(browser.get("/admin/tenants").statusCode()).isEqualTo(200);
        accounts.disable(TEST, account.name());
        assertThat(browser.get("/admin/tenants").statusCode()).isEqualTo(303);
        assertThat(browser.logIn(account.name(), PASSWORD).headers().firstValue("location"))
                .contains("/admin/login?wrong");
    }

    @Test
    void guessingIsSlowedAndOthersAreNotLockedOut() {
        Account account = newAccount(Role.VIEWER);
        Account other = newAccount(Role.VIEWER);
        Browser browser = new Browser(this);
        for (int i = 0; i < LoginFailures.SAME_NAME_AND_ADDRESS; i++) {
            assertThat(
                            browser.logIn(account.name(), "wrong password " + i)
                                    .headers()
                                    .firstValue("location"))
                    .contains("/admin/login?wrong");
        }
        assertThat(browser.logIn(account.name(), PASSWORD).headers().firstValue("location"))
                .contains("/admin/login?wait");
        var api = call(basic(account), "GET", "/me", null);
        assertThat(problem(api, 429).get("remedy").stringValue()).contains("Wait");
        assertThat(api.headers().firstValue("retry-after")).isPresent();
        assertThat(call(basic(other), "GET", "/me", null).statusCode()).isEqualTo(200);
    }

    @Test
    void pagesTakeNothingFromElsewhere() {
        HttpResponse<String> page = new Browser(this).get("/admin/login");
        assertThat(page.headers().firstValue("content-security-policy"))
                .contains(AdminAccess.CONTENT_SECURITY_POLICY);
        assertThat(page.headers().firstValue("x-frame-options")).contains("DENY");
        assertThat(page.headers().firstValue("x-content-type-options")).contains("nosniff");
        assertThat(page.headers().firstValue("referrer-policy")).contains("no-referrer");
        assertThat(page.headers().firstValue("cache-control"))
                .hasValueSatisfying(value -> assertThat(value).contains("no-store"));
        assertThat(page.body()).doesNotContain("style=").doesNotContain("onclick");
    }

    @Test
    void theApiTakesNoSession() {
        Account account = newAccount(Role.ADMIN);
        Browser browser = new Browser(this);
        browser.logIn(account.name(), PASSWORD);
        assertThat(browser.get("/admin/api/tenants").statusCode()).isEqualTo(401);
        assertThat(call(basic(account), "GET", "/tenants", null).headers().firstValue("set-cookie"))
                .isEmpty();
    }

    @Test
    void assetsAreServedAndNothingBesideThem() {
        Browser browser = new Browser(this);
        for (String path :
                new String[] {
                    "/admin/assets/aril.css",
                    "/admin/assets/aril.js",
                    "/admin/assets/aril.svg",
                    "/admin/assets/htmx.org/dist/htmx.min.js",
                    "/admin/assets/uplot/dist/uPlot.iife.min.js",
                    "/admin/assets/uplot/dist/uPlot.min.css"
                }) {
            assertThat(browser.get(path).statusCode()).as(path).isEqualTo(200);
        }
        for (String path :
                new String[] {
                    "/admin/assets/application.yml",
                    "/admin/assets/%2e%2e/application.yml",
                    "/admin/assets/templates/admin/login.html"
                }) {
            assertThat(browser.get(path).statusCode()).as(path).isIn(400, 404);
        }
    }
}
