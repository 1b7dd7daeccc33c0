package dev.aril.api;

import static org.assertj.core.api.Assertions.assertThat;

import java.net.http.HttpRequest.BodyPublishers;
import java.net.http.HttpResponse;
import java.util.List;
import java.util.stream.Stream;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.Arguments;
import org.junit.jupiter.params.provider.CsvSource;
import org.junit.jupiter.params.provider.MethodSource;
import tools.jackson.databind.JsonNode;

/** Every request that is not served, with its status, field and code. */
final class RefusalsTest extends ApiTest {
    private static final String CHAT = "/v1/chat/completions";
    private static final String TEXT = "/v1/completions";

    @ParameterizedTest
    @CsvSource(
            delimiter = '|',
            quoteCharacter = '`',
            value = {
                // field named by the error | further fields of an otherwise good request
                "temperature       | \"temperature\":2.5",
                "temperature       | \"temperature\":-0.1",
                "temperature       | \"temperature\":\"1\"",
                "temperature       | \"temperature\":1e999",
                "top_p             | \"top_p\":0",
                "top_p             | \"top_p\":1.01",
                "top_k             | \"top_k\":-2",
                "top_k             | \"top_k\":1.5",
                "min_p             | \"min_p\":-1",
                "seed              | \"seed\":9223372036854775808",
                "seed              | \"seed\":0.5",
                "seed              | \"seed\":1e300",
                "repetition_penalty| \"repetition_penalty\":0",
                "presence_penalty  | \"presence_penalty\":3",
                "frequency_penalty | \"frequency_penalty\":-3",
                "max_tokens        | \"max_tokens\":0",
                "max_tokens        | \"max_tokens\":\"5\"",
                "max_tokens        | \"max_tokens\":4294967297",
                "max_completion_tokens | \"max_completion_tokens\":1.5",
                "stop              | \"stop\":[]",
                "stop              | \"stop\":\"\"",
                "stop              | \"stop\":[\"a\",\"b\",\"c\",\"d\",\"e\"]",
                "stop[1]           | \"stop\":[\"a\",1]",
                "stop_token_ids    | \"stop_token_ids\":1",
                "stop_token_ids[0] | \"stop_token_ids\":[-1]",
                "stop_token_ids[1] | \"stop_token_ids\":[1,65536]",
                "ignore_eos        | \"ignore_eos\":1",
                "stream            | \"stream\":\"true\"",
                "stream_options    | \"stream_options\":{\"include_usage\":true}",
                "stream_options.include_usage | \"stream\":true,\"stream_options\":{\"include_usage\":1}",
                "stream_options.x  | \"stream\":true,\"stream_options\":{\"x\":1}",
                "stream_options    | \"stream\":true,\"stream_options\":true",
                "n                 | \"n\":129",
                "n                 | \"n\":0",
                "logprobs          | \"logprobs\":\"yes\"",
                "logit_bias        | \"logit_bias\":[1]",
                "logit_bias        | \"logit_bias\":{\"65536\":1}",
                "logit_bias        | \"logit_bias\":{\"the\":1}",
                "logit_bias        | \"logit_bias\":{\"-1\":1}",
                "logit_bias.5      | \"logit_bias\":{\"5\":100.5}",
                "logit_bias.7      | \"logit_bias\":{\"5\":1,\"7\":\"1\"}",
                "metadata          | \"metadata\":\"a\"",
                "user              | \"user\":5",
                "store             | \"store\":true",
                "service_tier      | \"service_tier\":\"priority\"",
                "no_such_field     | \"no_such_field\":null",
            })
    void fieldsOfBothAreHonouredOrRefusedByName(String field, String more) throws Exception {
        String chat =
                "{\"model\":\"novella-11m\",\"messages\":[{\"role\":\"user\",\"content\":\"a\"}],"
                        + more
                        + "}";
        String text = "{\"model\":\"novella-11m\",\"prompt\":\"a\"," + more + "}";
        for (HttpResponse<String> response :
                List.of(send(post(CHAT, chat)), send(post(TEXT, text)))) {
            assertThat(response.statusCode()).isEqualTo(400);
            assertThat(error(response).get("param").stringValue()).isEqualTo(field);
            assertThat(error(response).get("message").stringValue()).contains("'" + field + "'");
            assertThat(error(response).get("type").stringValue())
                    .isEqualTo("invalid_request_error");
        }
    }

    @ParameterizedTest
    @CsvSource(
            delimiter = '|',
            quoteCharacter = '`',
            value = {
                "messages                    | \"messages\":[]",
                "messages                    | \"messages\":null",
                "messages                    | \"messages\":\"hello\"",
                "messages[0]                 | \"messages\":[\"hello\"]",
                "messages[0].role            | \"messages\":[{\"content\":\"a\"}]",
                "messages[0].role            | \"messages\":[{\"role\":\"tool\",\"content\":\"a\"}]",
                "messages[1].content         | \"messages\":[{\"role\":\"user\",\"content\":\"a\"},{\"role\":\"user\"}]",
                "messages[0].content         | \"messages\":[{\"role\":\"user\",\"content\":5}]",
                "messages[0].content         | \"messages\":[{\"role\":\"user\",\"content\":[]}]",
                "messages[0].content         | \"messages\":[{\"role\":\"user\",\"content\":\"a\\ud800b\"}]",
                "messages[0].content[0].type | \"messages\":[{\"role\":\"user\",\"content\":[{\"type\":\"image_url\",\"image_url\":{}}]}]",
                "messages[0].content[0].x    | \"messages\":[{\"role\":\"user\",\"content\":[{\"type\":\"text\",\"text\":\"a\",\"x\":1}]}]",
                "messages[0].name            | \"messages\":[{\"role\":\"user\",\"content\":\"a\",\"name\":\"bob\"}]",
                "messages[0].tool_calls      | \"messages\":[{\"role\":\"assistant\",\"content\":\"a\",\"tool_calls\":[]}]",
                "tools                       | \"tools\":[]",
                "tool_choice                 | \"tool_choice\":\"none\"",
                "functions                   | \"functions\":[{}]",
                "audio                       | \"audio\":{}",
                "modalities                  | \"modalities\":[\"audio\"]",
                "top_logprobs                | \"top_logprobs\":2",
                "top_logprobs                | \"top_logprobs\":2,\"logprobs\":false",
                "top_logprobs                | \"top_logprobs\":21,\"logprobs\":true",
                "logprobs                    | \"logprobs\":1",
                "response_format             | \"response_format\":{\"type\":\"json_object\"}",
                "response_format.type        | \"response_format\":{}",
                "prompt                      | \"prompt\":\"a\"",
                "suffix                      | \"suffix\":\"a\"",
            })
    void chatFields(String field, String fields) throws Exception {
        String messages =
                fields.contains("\"messages\"")
                        ? ""
                        : "\"messages\":[{\"role\":\"user\",\"content\":\"a\"}],";
        HttpResponse<String> response =
                send(post(CHAT, "{\"model\":\"novella-11m\"," + messages + fields + "}"));
        assertThat(response.statusCode()).isEqualTo(400);
        assertThat(error(response).get("param").stringValue()).isEqualTo(field);
    }

    @ParameterizedTest
    @CsvSource(
            delimiter = '|',
            quoteCharacter = '`',
            value = {
                "prompt    | \"max_tokens\":1",
                "prompt    | \"prompt\":null",
                "prompt    | \"prompt\":5",
                "prompt    | \"prompt\":[]",
                "prompt[1] | \"prompt\":[\"a\",5]",
                "prompt[1] | \"prompt\":[[1],[]]",
                "prompt[0][0] | \"prompt\":[[[1]]]",
                "prompt[1] | \"prompt\":[1,\"a\"]",
                "n         | \"prompt\":[\"a\",\"b\"],\"n\":65",
                "logprobs  | \"prompt\":\"a\",\"logprobs\":true",
                "logprobs  | \"prompt\":\"a\",\"logprobs\":21",
                "prompt[0] | \"prompt\":[-1]",
                "prompt[1] | \"prompt\":[1,65536]",
                "suffix    | \"prompt\":\"a\",\"suffix\":\"b\"",
                "echo      | \"prompt\":\"a\",\"echo\":1",
                "best_of   | \"prompt\":\"a\",\"best_of\":2",
                "best_of   | \"prompt\":\"a\",\"n\":2,\"best_of\":3",
                "messages  | \"prompt\":\"a\",\"messages\":[]",
            })
    void completionFields(String field, String fields) throws Exception {
        HttpResponse<String> response =
                send(post(TEXT, "{\"model\":\"novella-11m\"," + fields + "}"));
        assertThat(response.statusCode()).isEqualTo(400);
        assertThat(error(response).get("param").stringValue()).isEqualTo(field);
    }

    @Test
    void unsupportedFieldsHaveTheirCode() throws Exception {
        JsonNode error = error(send(post(CHAT, chat("\"tools\":[{\"type\":\"function\"}]"))));
        assertThat(error.get("code").stringValue()).isEqualTo("unsupported_parameter");
        assertThat(error.get("message").stringValue())
                .isEqualTo("'tools' is not supported by this server; leave it out.");
        assertThat(error(send(post(CHAT, chat("\"mystery\":1")))).get("code").stringValue())
                .isEqualTo("unknown_parameter");
    }

    @ParameterizedTest
    @MethodSource("malformed")
    void malformedBodies(String body, String message) throws Exception {
        HttpResponse<String> response = send(post(CHAT, body));
        assertThat(response.statusCode()).isEqualTo(400);
        assertThat(error(response).get("message").stringValue()).contains(message);
    }

    static Stream<Arguments> malformed() {
        return Stream.of(
                Arguments.of("", "missing"),
                Arguments.of("{", "not valid JSON"),
                Arguments.of("[]", "must be a JSON object"),
                Arguments.of("null", "must be a JSON object"),
                Arguments.of("{} {}", "not valid JSON"),
                Arguments.of("{\"a\":1,\"a\":2}", "uplicate"),
                Arguments.of("{\"a\":NaN}", "not valid JSON"),
                Arguments.of("[".repeat(5000) + "]".repeat(5000), "not valid JSON"));
    }

    @Test
    void contextOverflowNamesTheNumbers() throws Exception {
        HttpResponse<String> response = send(post(CHAT, chat("\"max_tokens\":1024")));
        assertThat(response.statusCode()).isEqualTo(400);
        assertThat(error(response).get("code").stringValue()).isEqualTo("context_length_exceeded");
        assertThat(error(response).get("param").stringValue()).isEqualTo("messages");
        assertThat(error(response).get("message").stringValue())
                .isEqualTo(
                        "This model's maximum context length is 1024 tokens. However, you requested"
                                + " 1026 tokens (2 in the messages, 1024 in the completion). Please"
                                + " reduce the length of the messages or the completion.");
        String long2000 = "a".repeat(1999);
        response = send(post(TEXT, "{\"model\":\"novella-11m\",\"prompt\":\"" + long2000 + "\"}"));
        assertThat(error(response).get("param").stringValue()).isEqualTo("prompt");
        assertThat(error(response).get("message").stringValue())
                .isEqualTo(
                        "This model's maximum context length is 1024 tokens. However, your prompt"
                                + " resulted in 2000 tokens. Please reduce the length of the"
                                + " prompt.");
    }

    @Test
    void theHugestCompletionDoesNotOverflowTheSum() throws Exception {
        HttpResponse<String> response = send(post(CHAT, chat("\"max_tokens\":16777216")));
        assertThat(error(response).get("code").stringValue()).isEqualTo("context_length_exceeded");
    }

    @Test
    void whatTheTemplateRefusesIsTheMessagesFault() throws Exception {
        HttpResponse<String> response =
                send(
                        post(
                                CHAT,
                                chat("").replace(
                                                "\"content\":\"a\"",
                                                "\"content\":\"untemplated\"")));
        assertThat(response.statusCode()).isEqualTo(400);
        assertThat(error(response).get("param").stringValue()).isEqualTo("messages");
        assertThat(error(response).get("message").stringValue()).isEqualTo("no such turn");
    }

    @Test
    void tooLargeABodyIs413() throws Exception {
        HttpResponse<String> response =
                send(post(CHAT, chat("\"user\":\"" + "x".repeat(10_000_000) + "\"")));
        assertThat(response.statusCode()).isEqualTo(413);
        assertThat(error(response).get("code").stringValue()).isEqualTo("payload_too_large");
    }

    @Test
    void unknownModelsAreOneAnswer() throws Exception {
        HttpResponse<String> response = send(post(CHAT, chat("").replace("novella-11m", "gpt-4")));
        assertThat(response.statusCode()).isEqualTo(404);
        assertThat(response.body())
                .isEqualTo(
                        "{\"error\":{\"message\":\"The model `gpt-4` does not exist or you do not"
                                + " have access to it.\",\"type\":\"invalid_request_error\","
                                + "\"param\":\"model\",\"code\":\"model_not_found\"}}");
        for (String name : new String[] {"", "a\\u0000b", "../x", "x".repeat(5000), "’; drop"}) {
            response = send(post(CHAT, chat("").replace("novella-11m", name)));
            assertThat(response.statusCode()).as(name).isEqualTo(404);
        }
    }

    @Test
    void anOverloadedEngineIs503() throws Exception {
        scripted().overloaded.set(true);
        try {
            for (String more : new String[] {"", "\"stream\":true"}) {
                HttpResponse<String> response = send(post(CHAT, chat(more)));
                assertThat(response.statusCode()).isEqualTo(503);
                assertThat(response.headers().firstValue("Retry-After")).contains("1");
                assertThat(error(response).get("code").stringValue())
                        .isEqualTo("engine_overloaded");
            }
        } finally {
            scripted().overloaded.set(false);
        }
        assertThat(usage()).isEmpty();
    }

    @Test
    void wrongTypeMethodAndRoute() throws Exception {
        HttpResponse<String> response =
                send(
                        request(CHAT)
                                .header("Content-Type", "text/plain")
                                .POST(BodyPublishers.ofString("{}")));
        assertThat(response.statusCode()).isEqualTo(415);
        assertThat(error(response).get("message").stringValue()).contains("application/json");

        response = send(request(CHAT).GET());
        assertThat(response.statusCode()).isEqualTo(405);
        assertThat(response.headers().firstValue("Allow")).contains("POST");
        error(response);

        response = send(request("/v1/embeddings").GET());
        assertThat(response.statusCode()).isEqualTo(404);
        assertThat(error(response).get("message").stringValue()).isEqualTo("There is no such URL.");
    }

    @Test
    void refusalsCarryTheHeaders() throws Exception {
        HttpResponse<String> response = send(post(CHAT, "{"));
        assertThat(response.headers().firstValue("x-request-id").orElseThrow())
                .matches("req_[0-9a-f]{32}");
        assertThat(response.headers().firstValue("openai-processing-ms").orElseThrow())
                .matches("[0-9]+");
        assertThat(response.headers().firstValue("openai-version")).contains("2020-10-01");
        assertThat(response.headers().firstValue("Content-Type")).contains("application/json");
    }

    private static String chat(String more) {
        return "{\"model\":\"novella-11m\",\"messages\":[{\"role\":\"user\",\"content\":\"a\"}]"
                + (more.isEmpty() ? "" : "," + more)
                + "}";
    }
}
