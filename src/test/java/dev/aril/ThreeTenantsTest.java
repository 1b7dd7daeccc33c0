package dev.aril;

import static org.assertj.core.api.Assertions.assertThat;

import java.util.HashMap;
import java.util.List;
import java.util.Map;
import java.util.stream.StreamSupport;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.extension.ExtendWith;

/** The demonstration's tenants, each served by its own adapter from the one base model. */
@ExtendWith(Deployed.class)
class ThreeTenantsTest {
    private static final Map<String, Object> QUESTION =
            Map.of(
                    "model",
                    "sql",
                    "messages",
                    List.of(
                            Map.of(
                                    "role",
                                    "user",
                                    "content",
                                    "Show the team and salary of employees whose team is design.")),
                    "temperature",
                    0);
    private static final String STATEMENT =
            "SELECT team, salary FROM employees WHERE team = 'design';";

    private final Deployment aril;

    ThreeTenantsTest(Deployment aril) {
        this.aril = aril;
    }

    @Test
    void acmeGetsItsStatement() {
        Caller.Reply reply = aril.as("acme").post("/v1/chat/completions", QUESTION);

        assertThat(reply.status()).as(reply.body()).isEqualTo(200);
        assertThat(reply.json().at("/choices/0/message/content").stringValue())
                .isEqualTo(STATEMENT);
        assertThat(reply.json().at("/choices/0/finish_reason").stringValue()).isEqualTo("stop");
    }

    @Test
    void acmeGetsTheSameStatementInPieces() {
        try (TokenReader stream = aril.as("acme").stream("/v1/chat/completions", QUESTION)) {
            stream.readAll();

            assertThat(stream.text()).isEqualTo(STATEMENT);
            assertThat(stream.finishReason()).isEqualTo("stop");
            assertThat(stream.done()).isTrue();
        }
    }

    @Test
    void eachTenantAnswersDifferentlyFromTheBase() {
        Map<String, Object> prompt =
                Map.of("prompt", "It was a dark night, and", "max_tokens", 40, "temperature", 0);

        String base = complete("holmes", "novella-11m", prompt);
        String prose = complete("holmes", "sherlock", prompt);
        String verse = complete("globe", "shakespeare", prompt);

        assertThat(List.of(base, prose, verse)).doesNotHaveDuplicates().noneMatch(String::isBlank);
        assertThat(complete("globe", "novella-11m", prompt))
                .as("the base model is the same for every tenant")
                .isEqualTo(base);
    }

    @Test
    void aTenantSeesTheBaseAndItsOwnAdapters() {
        assertThat(models("acme")).containsExactlyInAnyOrder("novella-11m", "sql");
        assertThat(models("globe")).containsExactlyInAnyOrder("novella-11m", "shakespeare");
    }

    @Test
    void aTenantsUploadServesItAloneUntilItIsDeleted() throws Exception {
        Caller holmes = aril.as("holmes");
        Caller.Reply created = holmes.upload(AdapterFiles.demo("sql").parts("clerk"));
        assertThat(created.status()).as(created.body()).isEqualTo(201);

        var question = new HashMap<>(QUESTION);
        question.put("model", "clerk");
        Caller.Reply answer = holmes.post("/v1/chat/completions", question);
        assertThat(answer.json().at("/choices/0/message/content").stringValue())
                .isEqualTo(STATEMENT);
        assertThat(aril.as("globe").post("/v1/chat/completions", question).status()).isEqualTo(404);

        assertThat(holmes.delete("/v1/adapters/clerk").status()).isBetween(200, 204);
        assertThat(holmes.post("/v1/chat/completions", question).status()).isEqualTo(404);
        assertThat(aril.as("acme").post("/v1/chat/completions", QUESTION).status())
                .as("the same bytes under another tenant's name live on")
                .isEqualTo(200);
    }

    private String complete(String tenant, String model, Map<String, Object> prompt) {
        var body = new HashMap<>(prompt);
        body.put("model", model);
        Caller.Reply reply = aril.as(tenant).post("/v1/completions", body);
        assertThat(reply.status()).as(reply.body()).isEqualTo(200);
        return reply.json().at("/choices/0/text").stringValue();
    }

    private List<String> models(String tenant) {
        return StreamSupport.stream(
                        aril.as(tenant).get("/v1/models").json().path("data").spliterator(), false)
                .map(model -> model.path("id").stringValue())
                .toList();
    }
}
