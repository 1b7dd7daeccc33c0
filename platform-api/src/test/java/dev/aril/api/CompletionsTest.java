package dev.aril.api;

import static org.assertj.core.api.Assertions.assertThat;

import java.net.http.HttpResponse;
import org.junit.jupiter.api.Test;

/** What a served completion looks like, byte for byte. */
final class CompletionsTest extends ApiTest {
    private static final String TEXT = "/v1/completions";

    @Test
    void wholeAnswer() throws Exception {
        HttpResponse<String> response =
                send(post(TEXT, "{\"model\":\"novella-11m\",\"prompt\":\"one two\"}"));
        assertThat(masked(response.body()))
                .isEqualTo(
                        """
                        {"id":"ID","object":"text_completion","created":0,"model":"novella-11m",\
                        "choices":[{"text":"one two","index":0,"logprobs":null,"finish_reason":"stop"}],\
                        "usage":{"prompt_tokens":8,"completion_tokens":2,"total_tokens":10,\
                        "prompt_tokens_details":{"cached_tokens":0},\
                        "completion_tokens_details":{"reasoning_tokens":0}}}\
                        """);
    }

    @Test
    void stream() throws Exception {
        HttpResponse<String> response =
                send(
                        post(
                                TEXT,
                                """
                                {"model":"novella-11m","prompt":["one two"],"stream":true,
                                 "stream_options":{"include_usage":true,"include_obfuscation":false}}\
                                """));
        assertThat(masked(response.body()))
                .isEqualTo(
                        """
                        data: {"id":"ID","object":"text_completion","created":0,"model":"novella-11m","choices":[{"text":"one ","index":0,"logprobs":null,"finish_reason":null}],"usage":null}

                        data: {"id":"ID","object":"text_completion","created":0,"model":"novella-11m","choices":[{"text":"two","index":0,"logprobs":null,"finish_reason":null}],"usage":null}

                        data: {"id":"ID","object":"text_completion","created":0,"model":"novella-11m","choices":[{"text":"","index":0,"logprobs":null,"finish_reason":"stop"}],"usage":null}

                        data: {"id":"ID","object":"text_completion","created":0,"model":"novella-11m","choices":[],"usage":{"prompt_tokens":8,"completion_tokens":2,"total_tokens":10,"prompt_tokens_details":{"cached_tokens":0},"completion_tokens_details":{"reasoning_tokens":0}}}

                        data: [DONE]

                        """);
    }

    @Test
    void promptOfTokenIds() throws Exception {
        HttpResponse<String> response =
                send(post(TEXT, "{\"model\":\"novella-11m\",\"prompt\":[0,104,105.0]}"));
        assertThat(json(response).at("/choices/0/text").stringValue()).isEqualTo("hi");
        assertThat(scripted().requests.getLast().prompt()).containsExactly(0, 104, 105);
    }

    @Test
    void sixteenTokensAreTheDefault() throws Exception {
        String prompt = "a ".repeat(20).strip();
        HttpResponse<String> response =
                send(post(TEXT, "{\"model\":\"novella-11m\",\"prompt\":\"" + prompt + "\"}"));
        assertThat(json(response).at("/usage/completion_tokens").intValue()).isEqualTo(16);
        assertThat(json(response).at("/choices/0/finish_reason").stringValue()).isEqualTo("length");
    }

    private static String masked(String body) {
        return body.replaceAll("\"cmpl-[0-9a-f]{32}\"", "\"ID\"")
                .replaceAll("\"created\":[0-9]{10}", "\"created\":0")
                .replace(": ping\n\n", "");
    }
}
