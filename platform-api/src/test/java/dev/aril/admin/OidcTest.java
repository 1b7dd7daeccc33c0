package dev.aril.admin;

import static org.assertj.core.api.Assertions.assertThat;

import dev.aril.tenancy.Accounts;
import dev.aril.tenancy.Role;
import java.net.URI;
import java.net.http.HttpRequest;
import java.net.http.HttpResponse;
import java.util.Date;
import java.util.HashMap;
import java.util.List;
import java.util.Map;
import org.junit.jupiter.api.AfterEach;
import org.junit.jupiter.api.BeforeEach;
import org.junit.jupiter.api.Test;

/** People of an OpenID Connect issuer: by bearer token and by browser. */
final class OidcTest extends AdminTest {
    private final Accounts.OidcRule operators =
            new Accounts.OidcRule(
                    ISSUER.url(), "realm_access.roles", "aril-operators", Role.OPERATOR);

    @BeforeEach
    void allow() {
        accounts.addOidcRule(TEST, operators);
    }

    @AfterEach
    void disallow() {
        if (accounts.oidcRules().contains(operators)) {
            accounts.removeOidcRule(TEST, operators);
        }
    }

    private static Map<String, Object> claims() {
        return Map.of(
                "sub",
                "u-1",
                "aud",
                List.of("aril", "other"),
                "preferred_username",
                "ada",
                "realm_access",
                Map.of("roles", List.of("users", "aril-operators")));
    }

    private static Map<String, Object> but(String claim, Object value) {
        Map<String, Object> changed = new HashMap<>(claims());
        changed.put(claim, value);
        return changed;
    }

    private int status(String token) {
        return call("Bearer " + token, "GET", "/me", null).statusCode();
    }

    @Test
    void aTokensClaimsGiveItsRole() {
        String bearer = "Bearer " + ISSUER.sign(claims());
        var me = call(bearer, "GET", "/me", null);
        assertThat(me.statusCode()).as(me.body()).isEqualTo(200);
        assertThat(json(me).get("name").stringValue()).isEqualTo("oidc:test:u-1");
        assertThat(json(me).get("role").stringValue()).isEqualTo("operator");
        assertThat(call(bearer, "GET", "/accounts", null).statusCode()).isEqualTo(403);
        String name = unique("t");
        assertThat(call(bearer, "POST", "/tenants", "{\"name\":\"" + name + "\"}").statusCode())
                .isEqualTo(201);
        assertThat(call(bearer, "GET", "/audit?search=u-1", null).body())
                .contains("oidc:test:u-1")
                .contains(name);
    }

    @Test
    void everyOtherTokenIsRefused() {
        assertThat(status(ISSUER.sign(claims()))).isEqualTo(200);
        assertThat(status(ISSUER.forge(claims()))).as("another key").isEqualTo(401);
        assertThat(status(ISSUER.sign(but("aud", "other")))).as("another audience").isEqualTo(401);
        assertThat(status(ISSUER.sign(but("iss", "http://127.0.0.1:1"))))
                .as("another issuer")
                .isEqualTo(401);
        assertThat(status(ISSUER.sign(but("exp", new Date(System.currentTimeMillis() - 600_000)))))
                .as("expired")
                .isEqualTo(401);
        assertThat(status(ISSUER.sign(but("realm_access", Map.of("roles", List.of("users"))))))
                .as("no role")
                .isEqualTo(401);
        OidcIssuer stranger = new OidcIssuer();
        assertThat(status(stranger.sign(claims())))
                .as("an issuer that is not listed")
                .isEqualTo(401);
        String token = ISSUER.sign(claims());
        assertThat(status(token.substring(0, token.lastIndexOf('.') + 1)))
                .as("no signature")
                .isEqualTo(401);
        accounts.removeOidcRule(TEST, operators);
        assertThat(status(ISSUER.sign(claims()))).as("the rule is gone").isEqualTo(401);
    }

    @Test
    void anIssuerThatIsAwayIsNamed() {
        AdminProblem problem =
                AdminErrors.of(
                        new IssuerUnavailable("https://id.example", new IllegalStateException()));
        assertThat(problem.status().value()).isEqualTo(503);
        assertThat(problem.detail()).contains("https://id.example");
        assertThat(problem.retryAfter()).isEqualTo(10);
    }

    @Test
    void aBrowserLogsInThroughTheIssuer() {
        ISSUER.claims = claims();
        Browser browser = new Browser(this);
        assertThat(browser.get("/admin/login").body()).contains("/admin/oidc/start/test");
        HttpResponse<String> back = throughTheIssuer(browser);
        assertThat(back.headers().firstValue("location")).contains("/admin");
        HttpResponse<String> page = browser.get("/admin/tenants");
        assertThat(page.statusCode()).isEqualTo(200);
        assertThat(page.body()).contains("ada").contains("operator");
        assertThat(browser.get("/admin/accounts").statusCode()).isEqualTo(403);
        // a rule that is gone ends the session
        accounts.removeOidcRule(TEST, operators);
        assertThat(browser.get("/admin/tenants").statusCode()).isEqualTo(303);
    }

    @Test
    void aCodeOfAnotherSessionIsRefused() {
        ISSUER.claims = claims();
        Browser victim = new Browser(this);
        HttpResponse<String> start = victim.get("/admin/oidc/start/test");
        URI issuer = URI.create(start.headers().firstValue("location").orElseThrow());
        URI back =
                URI.create(
                        send(HttpRequest.newBuilder(issuer))
                                .headers()
                                .firstValue("location")
                                .orElseThrow());
        Browser thief = new Browser(this);
        thief.get("/admin/login");
        HttpResponse<String> refused = thief.get(back.getPath() + "?" + back.getRawQuery());
        assertThat(refused.headers().firstValue("location")).contains("/admin/login?issuer");
        assertThat(thief.get("/admin/tenants").statusCode()).isEqualTo(303);
    }

    private HttpResponse<String> throughTheIssuer(Browser browser) {
        HttpResponse<String> start = browser.get("/admin/oidc/start/test");
        assertThat(start.statusCode()).isEqualTo(302);
        URI issuer = URI.create(start.headers().firstValue("location").orElseThrow());
        assertThat(issuer.getRawQuery()).contains("code_challenge_method=S256");
        URI back =
                URI.create(
                        send(HttpRequest.newBuilder(issuer))
                                .headers()
                                .firstValue("location")
                                .orElseThrow());
        assertThat(back.getPath()).isEqualTo("/admin/oidc/return/test");
        return browser.get(back.getPath() + "?" + back.getRawQuery());
    }
}
