package dev.aril.admin;

import static org.assertj.core.api.Assertions.assertThat;
import static org.junit.jupiter.api.Assumptions.assumeTrue;

import com.microsoft.playwright.Browser.NewContextOptions;
import com.microsoft.playwright.BrowserType;
import com.microsoft.playwright.Page;
import com.microsoft.playwright.Playwright;
import com.microsoft.playwright.assertions.LocatorAssertions;
import com.microsoft.playwright.assertions.PlaywrightAssertions;
import com.microsoft.playwright.options.ColorScheme;
import dev.aril.tenancy.Account;
import dev.aril.tenancy.Limit;
import dev.aril.tenancy.Limits;
import dev.aril.tenancy.Metric;
import dev.aril.tenancy.QuotaScope;
import dev.aril.tenancy.Role;
import dev.aril.tenancy.Tenant;
import java.net.http.HttpRequest.BodyPublishers;
import java.net.http.HttpResponse;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.List;
import java.util.Map;
import java.util.Optional;
import java.util.stream.Stream;
import org.junit.jupiter.api.AfterAll;
import org.junit.jupiter.api.AfterEach;
import org.junit.jupiter.api.BeforeAll;
import org.junit.jupiter.api.BeforeEach;
import org.junit.jupiter.api.Test;
import org.springframework.beans.factory.annotation.Autowired;

/**
 * The dashboard in a real browser. Needs a Chromium and Node 18 or newer on the machine; without
 * them it says so and is skipped. {@code -Daril.screenshots=FOLDER} keeps pictures.
 */
final class DashboardTest extends AdminTest {
    private static final Optional<Path> CHROMIUM =
            program("chromium", "chromium-browser", "google-chrome");
    private static final Optional<Path> NODE = program("node", "nodejs");

    @SuppressWarnings("NullAway.Init") // started before all
    private static Playwright playwright;

    @SuppressWarnings("NullAway.Init")
    private static com.microsoft.playwright.Browser chromium;

    @Autowired Limits limits;

    private final List<String> complaints = new ArrayList<>();

    @SuppressWarnings("NullAway.Init") // opened before each
    private Page page;

    @SuppressWarnings("NullAway.Init")
    private Tenant tenant;

    private String key = "";

    private static Optional<Path> program(String... names) {
        return Stream.of(names)
                .flatMap(name ->
                        Stream.of(System.getenv("PATH").split(":"))
                                .map(folder -> Path.of(folder, name)))
                .filter(Files::isExecutable)
                .findFirst();
    }

    @BeforeAll
    static void start() {
        assumeTrue(CHROMIUM.isPresent(), "no Chromium on the PATH: the browser test is skipped");
        assumeTrue(NODE.isPresent(), "no Node on the PATH: the browser test is skipped");
        playwright =
                Playwright.create(
                        new Playwright.CreateOptions()
                                .setEnv(
                                        Map.of(
                                                "PLAYWRIGHT_SKIP_BROWSER_DOWNLOAD",
                                                "1",
                                                "PLAYWRIGHT_NODEJS_PATH",
                                                NODE.orElseThrow().toString())));
        chromium =
                playwright
                        .chromium()
                        .launch(
                                new BrowserType.LaunchOptions()
                                        .setExecutablePath(CHROMIUM.orElseThrow())
                                        .setArgs(
                                                List.of(
                                                        "--no-sandbox",
                                                        "--disable-gpu",
                                                        "--disable-quic",
                                                        "--no-first-run",
                                                        "--disable-background-networking",
                                                        "--disable-component-update",
                                                        "--disable-sync")));
    }

    @AfterAll
    static void stop() {
        if (playwright != null) {
            playwright.close();
        }
    }

    @BeforeEach
    void open() {
        page = newPage(ColorScheme.LIGHT);
        tenant = newTenant();
        key = newKey(tenant);
        for (Map.Entry<Metric, Long> limit :
                Map.of(
                                Metric.TOKENS_PER_DAY, 50_000L,
                                Metric.TOKENS_PER_MINUTE, 5_000L,
                                Metric.REQUESTS_PER_MINUTE, 100L,
                                Metric.CONCURRENT_REQUESTS, 8L)
                        .entrySet()) {
            limits.set(
                    TEST,
                    tenant.id(),
                    Limit.hard(QuotaScope.TENANT, limit.getKey(), limit.getValue()));
        }
    }

    @AfterEach
    void noComplaints() {
        page.context().close();
        assertThat(complaints).as("errors in the browser's console").isEmpty();
    }

    private Page newPage(ColorScheme scheme) {
        Page made =
                chromium.newContext(
                                new NewContextOptions()
                                        .setColorScheme(scheme)
                                        .setViewportSize(1280, 800))
                        .newPage();
        made.onPageError(complaints::add);
        made.onConsoleMessage(message -> {
            if (message.type().equals("error") || message.type().equals("warning")) {
                complaints.add(message.text());
            }
        });
        made.setDefaultTimeout(15_000);
        return made;
    }

    private void logIn(Account account) {
        page.navigate("http://127.0.0.1:" + port + "/admin");
        page.fill("#username", account.name());
        page.fill("#password", PASSWORD);
        page.click("#log-in");
        page.waitForURL("**/admin/tenants");
    }

    private void shown(String selector, String text) {
        PlaywrightAssertions.assertThat(page.locator(selector))
                .containsText(text, new LocatorAssertions.ContainsTextOptions().setTimeout(15_000));
    }

    private HttpResponse<String> complete(int tokens) {
        return send(
                request("/v1/completions")
                        .header("Authorization", "Bearer " + key)
                        .header("Content-Type", "application/json")
                        .POST(
                                BodyPublishers.ofString(
                                        "{\"model\":\"novella-11m\",\"prompt\":\"one two three\","
                                                + "\"max_tokens\":"
                                                + tokens
                                                + "}")));
    }

    @Test
    void aLoweredLimitRefusesTheNextRequestWithTheNewNumbers() {
        assertThat(complete(60).statusCode()).isEqualTo(200);
        logIn(newAccount(Role.ADMIN));
        page.fill("#search", tenant.name());
        page.waitForURL("**search=" + tenant.name() + "*");
        page.click("#t-" + tenant.name());
        page.waitForURL("**/admin/tenants/" + tenant.name());
        shown("[data-metric=tokens_per_day] .figures", "of 50,000");

        page.selectOption("#set-limit [name=metric]", "tokens_per_day");
        page.fill("#set-limit [name=hard]", "20");
        page.click("#set-limit button");
        shown("#limits", "The limit is in force.");
        shown("[data-metric=tokens_per_day] .figures", "of 20");

        HttpResponse<String> refused = complete(60);
        assertThat(refused.statusCode()).isEqualTo(429);
        assertThat(refused.body()).contains("20");
        picture("tenant");
    }

    @Test
    void keysAreMadeRotatedAndRevoked() throws Exception {
        logIn(newAccount(Role.OPERATOR));
        page.navigate("http://127.0.0.1:" + port + "/admin/tenants/" + tenant.name());
        page.onDialog(dialog -> dialog.accept());
        page.click("#keys summary");
        page.fill("#new-key [name=label]", "from the dashboard");
        page.click("#new-key button");
        page.waitForSelector("#secret");
        String made = page.textContent("#secret").strip();
        assertThat(models(made)).isEqualTo(200);

        String row = "#keys tr:has-text('from the dashboard') ";
        page.click(row + "button:has-text('Rotate')");
        page.waitForFunction("old => document.querySelector('#secret').textContent !== old", made);
        String rotated = page.textContent("#secret").strip();
        assertThat(models(made)).isEqualTo(200);
        assertThat(models(rotated)).isEqualTo(200);

        page.click(row + "button:has-text('Revoke')");
        shown(row, "revoked");
        for (int i = 0; i < 300 && models(rotated) != 401; i++) {
            Thread.sleep(10);
        }
        assertThat(models(made)).isEqualTo(401);
        assertThat(models(rotated)).isEqualTo(401);
    }

    @Test
    void aRequestAppearsWithoutReloading() {
        logIn(newAccount(Role.VIEWER));
        page.navigate("http://127.0.0.1:" + port + "/admin/tenants/" + tenant.name());
        shown("#requests", "No requests yet.");
        page.waitForSelector("[data-chart] canvas");
        assertThat(complete(16).statusCode()).isEqualTo(200);
        shown("#requests", "base model");
        shown("[data-metric=requests_per_minute] .figures", "1 of 100");
        page.waitForFunction(
                "() => Number(document.querySelector('[data-chart]').dataset.drawn) > 0");
    }

    @Test
    void aViewerSeesAndChangesNothing() {
        logIn(newAccount(Role.VIEWER));
        assertThat(page.locator("summary:has-text('New tenant')").count()).isZero();
        assertThat(page.locator("a:has-text('Accounts')").count()).isZero();
        page.navigate("http://127.0.0.1:" + port + "/admin/tenants/" + tenant.name());
        assertThat(page.locator("#keys button").count()).isZero();
        assertThat(page.locator("#limits button").count()).isZero();
    }

    @Test
    void whatIsRefusedIsSaidOnThePage() {
        logIn(newAccount(Role.ADMIN));
        page.click("summary:has-text('New tenant')");
        page.fill("#name", tenant.name());
        page.click("button:has-text('Create')");
        shown("#notice", "taken");
        // the browser itself notes the refused request; nothing else is wrong
        complaints.removeIf(text -> text.contains("409") || text.contains("Response Status Error"));
    }

    @Test
    void theKeyboardIsEnough() {
        Account account = newAccount(Role.ADMIN);
        page.navigate("http://127.0.0.1:" + port + "/admin");
        page.keyboard().type(account.name());
        page.keyboard().press("Tab");
        page.keyboard().type(PASSWORD);
        page.keyboard().press("Enter");
        page.waitForURL("**/admin/tenants");
        page.keyboard().press("Tab");
        assertThat(page.evaluate("document.activeElement.textContent"))
                .isEqualTo("Skip to content");
        page.fill("#search", tenant.name());
        page.waitForURL("**search=" + tenant.name() + "*");
        page.focus("#t-" + tenant.name());
        // the list is replaced every other second, and the focus stays
        page.waitForResponse(r -> r.url().contains("search=" + tenant.name()), () -> {});
        page.waitForTimeout(200);
        assertThat(page.evaluate("document.activeElement.id")).isEqualTo("t-" + tenant.name());
        page.keyboard().press("Enter");
        page.waitForURL("**/admin/tenants/" + tenant.name());
    }

    @Test
    void theOtherPagesWork() {
        Account admin = newAccount(Role.ADMIN);
        logIn(admin);
        page.click("nav a:has-text('Audit log')");
        shown("#list", "account.create");
        page.click("button:has-text('Verify the chain')");
        shown("#notice", "as they were written");
        picture("audit");
        page.click("nav a:has-text('System')");
        shown("main", "Requests running");
        page.click("button:has-text('Check')");
        shown("#notice", "Every counter equals its rows");
        page.click("nav a:has-text('Accounts')");
        page.click("summary:has-text('New account')");
        String name = unique("made");
        page.fill("[name=name]", name);
        page.click("button:has-text('Create')");
        shown("#list", name);
        assertThat(page.textContent("#secret").strip()).hasSize(24);
        page.click("button:has-text('Log out')");
        shown("#message", "logged out");
    }

    private int models(String bearer) {
        return send(request("/v1/models").header("Authorization", "Bearer " + bearer)).statusCode();
    }

    private void picture(String name) {
        String folder = System.getProperty("aril.screenshots");
        if (folder != null) {
            page.screenshot(new Page.ScreenshotOptions().setPath(Path.of(folder, name + ".png")));
        }
    }
}
