package dev.aril.api;

import static org.assertj.core.api.Assertions.assertThat;

import dev.aril.engine.GenerationRequest;
import dev.aril.engine.SamplingParams;
import dev.aril.tenancy.UsageEvent;
import java.net.http.HttpResponse;
import java.util.List;
import java.util.Map;
import java.util.Set;
import org.junit.jupiter.api.Test;
import tools.jackson.databind.JsonNode;

/** What a served chat looks like, byte for byte. */
final class ChatCompletionsTest extends ApiTest {
    private static final String CHAT = "/v1/chat/completions";

    @Test
    void wholeAnswer() throws Exception {
        HttpResponse<String> response = send(post(CHAT, chat("one two", "\"seed\":1")));
        assertThat(response.statusCode()).isEqualTo(200);
        JsonNode answer = json(response);
        assertThat(answer.get("id").stringValue()).matches("chatcmpl-[0-9a-f]{32}");
        assertThat(masked(response.body()))
                .isEqualTo(
                        """
                        {"id":"ID","object":"chat.completion","created":0,"model":"novella-11m",\
                        "choices":[{"index":0,"message":{"role":"assistant","content":"one two",\
                        "refusal":null},"logprobs":null,"finish_reason":"stop"}],\
                        "usage":{"prompt_tokens":8,"completion_tokens":2,"total_tokens":10,\
                        "prompt_tokens_details":{"cached_tokens":0},\
                        "completion_tokens_details":{"reasoning_tokens":0}}}\
                        """);
        assertThat(response.headers().firstValue("Content-Type")).contains("application/json");
        assertThat(response.headers().firstValue("x-request-id")).isPresent();
        assertThat(response.headers().firstValue("openai-processing-ms")).isPresent();
        assertThat(response.headers().firstValue("openai-version")).contains("2020-10-01");
    }

    @Test
    void streamWithUsage() throws Exception {
        HttpResponse<String> response =
                send(
                        post(
                                CHAT,
                                chat(
                                        "héllo 🙂 !",
                                        "\"stream\":true,\"stream_options\":{\"include_usage\":true}")));
        assertThat(response.statusCode()).isEqualTo(200);
        assertThat(masked(response.body()))
                .isEqualTo(
                        """
                        data: {"id":"ID","object":"chat.completion.chunk","created":0,"model":"novella-11m","choices":[{"index":0,"delta":{"role":"assistant","content":""},"logprobs":null,"finish_reason":null}],"usage":null}

                        data: {"id":"ID","object":"chat.completion.chunk","created":0,"model":"novella-11m","choices":[{"index":0,"delta":{"content":"héllo "},"logprobs":null,"finish_reason":null}],"usage":null}

                        data: {"id":"ID","object":"chat.completion.chunk","created":0,"model":"novella-11m","choices":[{"index":0,"delta":{"content":"🙂 "},"logprobs":null,"finish_reason":null}],"usage":null}

                        data: {"id":"ID","object":"chat.completion.chunk","created":0,"model":"novella-11m","choices":[{"index":0,"delta":{"content":"!"},"logprobs":null,"finish_reason":null}],"usage":null}

                        data: {"id":"ID","object":"chat.completion.chunk","created":0,"model":"novella-11m","choices":[{"index":0,"delta":{},"logprobs":null,"finish_reason":"stop"}],"usage":null}

                        data: {"id":"ID","object":"chat.completion.chunk","created":0,"model":"novella-11m","choices":[],"usage":{"prompt_tokens":11,"completion_tokens":3,"total_tokens":14,"prompt_tokens_details":{"cached_tokens":0},"completion_tokens_details":{"reasoning_tokens":0}}}

                        data: [DONE]

                        """);
        assertThat(response.headers().firstValue("Content-Type")).contains("text/event-stream");
        assertThat(response.headers().firstValue("Cache-Control")).contains("no-cache");
        assertThat(response.headers().firstValue("X-Accel-Buffering")).contains("no");
        assertThat(response.headers().firstValue("Content-Encoding")).isEmpty();
        assertThat(response.headers().firstValue("x-request-id")).isPresent();
        assertThat(response.headers().firstValue("openai-processing-ms")).isPresent();
    }

    @Test
    void streamWithoutUsageHasNoSuchKey() throws Exception {
        HttpResponse<String> response =
                send(post(CHAT, chat("one two three", "\"stream\":true,\"max_tokens\":2")));
        assertThat(response.body()).doesNotContain("usage").endsWith("data: [DONE]\n\n");
        assertThat(response.body()).contains("\"finish_reason\":\"length\"");
    }

    @Test
    void everyFieldReachesTheEngine() throws Exception {
        send(
                post(
                        CHAT,
                        chat(
                                "a b",
                                """
                                "max_tokens":9,"max_completion_tokens":7.0,"temperature":0.5,"top_p":0.9,
                                "top_k":40,"min_p":0.1,"seed":-9223372036854775808,"repetition_penalty":1.1,
                                "presence_penalty":-1,"frequency_penalty":1.5,"stop":["x","y"],
                                "stop_token_ids":[7,8.0],"ignore_eos":true,"n":1,"logprobs":true,
                                "logit_bias":{"5":-100,"6":2.5},
                                "user":"u","metadata":{"k":"v"},"safety_identifier":"s",
                                "prompt_cache_key":"p","store":false,"service_tier":"default",
                                "response_format":{"type":"text"},"tools":null,"stream":false,
                                "stream_options":null,"top_logprobs":3\
                                """)));
        assertThat(lastRequest().sampling())
                .isEqualTo(
                        new SamplingParams(
                                7,
                                0.5,
                                0.9,
                                40,
                                0.1,
                                Long.MIN_VALUE,
                                1.1,
                                -1,
                                1.5,
                                List.of("x", "y"),
                                Set.of(7, 8),
                                true,
                                Map.of(5, -100f, 6, 2.5f),
                                3,
                                false));
        assertThat(lastRequest().flow()).isEqualTo(tenant.id().toString());
        assertThat(lastRequest().adapter()).isNull();
    }

    @Test
    void defaultsAreOpenAisAndTheRestOfTheContext() throws Exception {
        send(post(CHAT, chat("abc", "\"temperature\":null,\"max_tokens\":null,\"stop\":null")));
        assertThat(lastRequest().sampling())
                .isEqualTo(
                        new SamplingParams(
                                ScriptedEngine.CONTEXT - 4,
                                1,
                                1,
                                0,
                                0,
                                null,
                                1,
                                0,
                                0,
                                List.of(),
                                Set.of(),
                                false));
    }

    @Test
    void contentMayComeInPartsAndAnswersComeBack() throws Exception {
        HttpResponse<String> response =
                send(
                        post(
                                CHAT,
                                """
                                {"model":"novella-11m","messages":[
                                 {"role":"system","content":"s"},
                                 {"role":"assistant","content":"a","refusal":null,"tool_calls":null},
                                 {"role":"user","content":[{"type":"text","text":"one "},{"type":"text","text":"two"}]}]}\
                                """));
        assertThat(json(response).at("/choices/0/message/content").stringValue())
                .isEqualTo("one two");
    }

    @Test
    void failureInMidStreamIsAnErrorEventAndNoDone() throws Exception {
        HttpResponse<String> response =
                send(post(CHAT, chat("fail now please", "\"stream\":true")));
        assertThat(response.statusCode()).isEqualTo(200);
        assertThat(response.body())
                .endsWith(
                        """
                        "delta":{"content":"now "},"logprobs":null,"finish_reason":null}]}

                        data: {"error":{"message":"the device is gone","type":"server_error","param":null,"code":"generation_failed"}}

                        """)
                .doesNotContain("[DONE]");
        assertThat(awaitUsage(1)).extracting(UsageEvent::finishReason).containsExactly("failed");
        assertThat(usage().getFirst().completionTokens()).isEqualTo(2);
    }

    @Test
    void failureOfAWholeAnswerIs500() throws Exception {
        HttpResponse<String> response = send(post(CHAT, chat("fail now please", "\"seed\":1")));
        assertThat(response.statusCode()).isEqualTo(500);
        assertThat(error(response).get("message").stringValue()).isEqualTo("the device is gone");
        assertThat(awaitUsage(1)).extracting(UsageEvent::finishReason).containsExactly("failed");
    }

    @Test
    void silenceIsFilledWithPings() throws Exception {
        try (var body = open(post(CHAT, chat("hold it", "\"stream\":true"))).body()) {
            StringBuilder seen = new StringBuilder();
            while (seen.indexOf(": ping\n\n: ping\n\n") < 0) {
                int next = body.read();
                assertThat(next).as(seen.toString()).isNotNegative();
                seen.append((char) next);
            }
            scripted().release();
            assertThat(new String(body.readAllBytes(), java.nio.charset.StandardCharsets.UTF_8))
                    .contains("\"content\":\"it\"")
                    .endsWith("data: [DONE]\n\n");
        }
    }

    private GenerationRequest lastRequest() {
        return scripted().requests.getLast();
    }

    private static String masked(String body) {
        return body.replaceAll("chatcmpl-[0-9a-f]{32}", "ID")
                .replaceAll("\"created\":[0-9]{10}", "\"created\":0")
                .replace(": ping\n\n", "");
    }

    private static String chat(String content, String more) {
        return "{\"model\":\"novella-11m\",\"messages\":[{\"role\":\"user\",\"content\":\""
                + content
                + "\"}],"
                + more
                + "}";
    }
}
