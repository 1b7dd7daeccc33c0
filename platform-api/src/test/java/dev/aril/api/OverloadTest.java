package dev.aril.api;

import static org.assertj.core.api.Assertions.assertThat;

import dev.aril.tenancy.Tenant;
import dev.aril.tenancy.UsageEvent;
import java.net.http.HttpResponse;
import java.net.http.HttpResponse.BodyHandlers;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.List;
import java.util.concurrent.CompletableFuture;
import org.junit.jupiter.api.Test;
import org.springframework.test.context.DynamicPropertyRegistry;
import org.springframework.test.context.DynamicPropertySource;
import org.springframework.test.context.TestPropertySource;

/** Who sends too much hears so itself; what takes too long ends, and is paid as far as it came. */
@TestPropertySource(
        properties = {
            "aril.queue.tenant=128",
            "aril.timeouts.first-token=2s",
            "aril.timeouts.between-tokens=300ms"
        })
final class OverloadTest extends ApiTest {
    private static final String TEXT = "/v1/completions";

    @DynamicPropertySource
    static void ownData(DynamicPropertyRegistry properties) {
        Path folder = temporaryFolder();
        properties.add("test.data.own", folder::toString);
    }

    private static String text(String prompt, String more) {
        return "{\"model\":\"novella-11m\",\"prompt\":\"" + prompt + "\"" + more + "}";
    }

    @Test
    void aTenantHasAQueueOfItsOwn() throws Exception {
        List<CompletableFuture<HttpResponse<String>>> waiting = new ArrayList<>();
        for (int i = 0; i < 2; i++) {
            waiting.add(
                    http.sendAsync(
                            post(TEXT, text("never", ",\"n\":60")).build(),
                            BodyHandlers.ofString()));
        }
        while (scripted().running.size() < 120) {
            Thread.sleep(5);
        }
        HttpResponse<String> refused = send(post(TEXT, text("a", ",\"n\":9")));
        assertThat(refused.statusCode()).isEqualTo(429);
        assertThat(error(refused).get("code").stringValue()).isEqualTo("tenant_queue_full");
        assertThat(error(refused).get("type").stringValue()).isEqualTo("requests");
        assertThat(error(refused).get("message").stringValue())
                .startsWith("120 sequences of yours wait for their first token already; at most");
        assertThat(refused.headers().firstValue("Retry-After")).contains("1");
        assertThat(refused.headers().firstValue("retry-after-ms")).contains("1000");
        assertThat(send(post(TEXT, text("a", ",\"n\":8"))).statusCode()).isEqualTo(200);

        Tenant first = tenant;
        newTenant();
        assertThat(send(post(TEXT, text("a", ",\"n\":9"))).statusCode()).isEqualTo(200);
        assertThat(tenant).isNotEqualTo(first);

        for (CompletableFuture<HttpResponse<String>> late : waiting) {
            HttpResponse<String> response = late.get();
            assertThat(response.statusCode()).isEqualTo(503);
            assertThat(error(response).get("code").stringValue()).isEqualTo("first_token_timeout");
            assertThat(response.headers().firstValue("Retry-After")).contains("1");
        }
        tenant = first;
        assertThat(awaitUsage(3))
                .extracting(UsageEvent::finishReason)
                .containsExactlyInAnyOrder("stop", "timeout", "timeout");
        assertThat(scripted().running).isEmpty();
    }

    @Test
    void aGenerationThatStallsEndsAndIsPaidAsFarAsItCame() throws Exception {
        HttpResponse<String> whole = send(post(TEXT, text("hold on", "")));
        assertThat(whole.statusCode()).isEqualTo(504);
        assertThat(error(whole).get("code").stringValue()).isEqualTo("token_timeout");
        assertThat(whole.headers().firstValue("x-should-retry")).contains("false");
        assertThat(awaitUsage(1)).hasSize(1);
        assertThat(usage().getFirst().finishReason()).isEqualTo("timeout");
        assertThat(usage().getFirst().completionTokens()).isEqualTo(1);

        HttpResponse<String> stream = send(post(TEXT, text("hold on", ",\"stream\":true")));
        assertThat(stream.body())
                .contains("\"text\":\"hold \"")
                .contains(": ping")
                .contains("\"code\":\"token_timeout\"")
                .doesNotContain("[DONE]");
        assertThat(awaitUsage(2)).hasSize(2);
    }
}
