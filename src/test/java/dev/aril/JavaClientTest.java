package dev.aril;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;

import com.openai.client.OpenAIClient;
import com.openai.client.okhttp.OpenAIOkHttpClient;
import com.openai.core.http.StreamResponse;
import com.openai.errors.BadRequestException;
import com.openai.errors.NotFoundException;
import com.openai.errors.RateLimitException;
import com.openai.errors.UnauthorizedException;
import com.openai.models.chat.completions.ChatCompletion;
import com.openai.models.chat.completions.ChatCompletionChunk;
import com.openai.models.chat.completions.ChatCompletionCreateParams;
import com.openai.models.chat.completions.ChatCompletionStreamOptions;
import com.openai.models.chat.completions.ChatCompletionTokenLogprob;
import com.openai.models.completions.Completion;
import com.openai.models.completions.CompletionCreateParams;
import com.openai.models.models.Model;
import java.util.ArrayList;
import java.util.List;
import java.util.concurrent.CompletableFuture;
import org.junit.jupiter.api.AfterEach;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.extension.ExtendWith;

/** The official Java client works unchanged; the same as {@code openai-client.mjs} does in Node. */
@ExtendWith(Deployed.class)
class JavaClientTest {
    private static final String BASE = "novella-11m";
    private static final String QUESTION =
            "Show the team and salary of employees whose team is design.";
    private static final String STATEMENT =
            "SELECT team, salary FROM employees WHERE team = 'design';";

    private final Deployment aril;
    private final List<OpenAIClient> clients = new ArrayList<>();

    JavaClientTest(Deployment aril) {
        this.aril = aril;
    }

    @AfterEach
    void close() {
        clients.forEach(OpenAIClient::close);
    }

    private OpenAIClient client(String key, int retries) {
        OpenAIClient client =
                OpenAIOkHttpClient.builder()
                        .baseUrl(aril.caller().base() + "/v1")
                        .apiKey(key)
                        .maxRetries(retries)
                        .build();
        clients.add(client);
        return client;
    }

    private OpenAIClient acme() {
        return client(String.valueOf(aril.as("acme").key()), 2);
    }

    private static ChatCompletionCreateParams.Builder question(String model) {
        return ChatCompletionCreateParams.builder()
                .model(model)
                .addUserMessage(QUESTION)
                .temperature(0);
    }

    private static CompletionCreateParams.Builder prompt(String prompt, long maxTokens) {
        return CompletionCreateParams.builder().model(BASE).prompt(prompt).maxTokens(maxTokens);
    }

    @Test
    void models() {
        OpenAIClient client = acme();
        assertThat(client.models().list().data()).extracting(Model::id).contains(BASE, "sql");
        assertThat(client.models().retrieve("sql").id()).isEqualTo("sql");
        assertThatThrownBy(() -> client.models().retrieve("shakespeare"))
                .isInstanceOf(NotFoundException.class);
    }

    @Test
    void chatWholeAndStreamedWithUsage() {
        OpenAIClient client = acme();
        ChatCompletion whole = client.chat().completions().create(question("sql").build());
        whole.validate();
        assertThat(whole.choices().getFirst().message().content()).contains(STATEMENT);
        assertThat(whole.usage().orElseThrow().completionTokens()).isPositive();

        StringBuilder text = new StringBuilder();
        List<Long> tokens = new ArrayList<>();
        try (StreamResponse<ChatCompletionChunk> stream =
                client.chat()
                        .completions()
                        .createStreaming(
                                question("sql")
                                        .streamOptions(
                                                ChatCompletionStreamOptions.builder()
                                                        .includeUsage(true)
                                                        .build())
                                        .build())) {
            stream.stream()
                    .forEach(chunk -> {
                        chunk.choices()
                                .forEach(
                                        choice -> choice.delta().content().ifPresent(text::append));
                        chunk.usage().ifPresent(usage -> tokens.add(usage.completionTokens()));
                    });
        }
        assertThat(text).hasToString(STATEMENT);
        assertThat(tokens).containsExactly(whole.usage().orElseThrow().completionTokens());
    }

    @Test
    void completionsOfSeveralPromptsAndAnEcho() {
        OpenAIClient client = acme();
        Completion many =
                client.completions()
                        .create(
                                prompt("", 4)
                                        .promptOfArrayOfStrings(List.of("The moon", "The sun"))
                                        .n(2)
                                        .build());
        many.validate();
        assertThat(many.choices())
                .extracting(choice -> choice.index())
                .containsExactly(0L, 1L, 2L, 3L);
        Completion echo = client.completions().create(prompt("The moon", 4).echo(true).build());
        echo.validate();
        assertThat(echo.choices().getFirst().text()).startsWith("The moon");
    }

    @Test
    void logprobsAndSeveralAnswers() {
        OpenAIClient client = acme();
        ChatCompletion scored =
                client.chat()
                        .completions()
                        .create(question("sql").logprobs(true).topLogprobs(3).build());
        scored.validate();
        List<ChatCompletionTokenLogprob> tokens =
                scored.choices().getFirst().logprobs().orElseThrow().content().orElseThrow();
        StringBuilder text = new StringBuilder();
        for (ChatCompletionTokenLogprob token : tokens) {
            text.append(token.token());
            assertThat(token.logprob()).isNotPositive();
            assertThat(token.topLogprobs()).hasSize(3);
        }
        assertThat(text).hasToString(STATEMENT);
        ChatCompletion three =
                client.chat()
                        .completions()
                        .create(
                                question(BASE)
                                        .temperature(1)
                                        .seed(7)
                                        .n(3)
                                        .maxCompletionTokens(12)
                                        .build());
        assertThat(three.choices().stream().map(choice -> choice.message().content()).distinct())
                .hasSize(3);
    }

    @Test
    void errors() {
        OpenAIClient client = acme();
        assertThatThrownBy(() -> client("aril_no_such_key", 0).models().list())
                .isInstanceOf(UnauthorizedException.class);
        assertThatThrownBy(() -> client.chat().completions().create(question("gpt-4").build()))
                .isInstanceOf(NotFoundException.class);
        assertThatThrownBy(() ->
                        client.chat()
                                .completions()
                                .create(question(BASE).maxTokens(1_000_000).build()))
                .isInstanceOf(BadRequestException.class)
                .hasMessageContaining("maximum context length");
    }

    /**
     * This client waits as long as it is told, however long: it must not be told what does not
     * help.
     */
    @Test
    void retries() {
        OpenAIClient narrow = client(ClientTenants.narrow(aril), 10);
        CompletableFuture<Completion> second;
        try (StreamResponse<Completion> first =
                narrow.completions().createStreaming(prompt("The moon", 60).build())) {
            second =
                    CompletableFuture.supplyAsync(
                            () -> narrow.completions().create(prompt("The sun", 2).build()));
            assertThat(first.stream().count()).isPositive();
        }
        assertThat(second.join().choices()).hasSize(1);
        OpenAIClient small = client(ClientTenants.small(aril), 3);
        assertThatThrownBy(() -> small.completions().create(prompt("The moon", 100).build()))
                .isInstanceOf(RateLimitException.class)
                .hasMessageContaining("Request too large");
    }
}
