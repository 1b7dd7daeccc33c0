package dev.aril.api;

import static org.assertj.core.api.Assertions.assertThat;

import dev.aril.engine.GenerationRequest;
import java.net.http.HttpResponse;
import java.util.ArrayList;
import java.util.HashMap;
import java.util.List;
import java.util.Map;
import org.junit.jupiter.api.Test;
import tools.jackson.databind.JsonNode;
import tools.jackson.databind.json.JsonMapper;

/**
 * Several answers, several prompts, echoes and logprobs: what they look like and what they cost.
 */
final class ChoicesTest extends ApiTest {
    private static final String CHAT = "/v1/chat/completions";
    private static final String TEXT = "/v1/completions";

    private static String chat(String more) {
        return "{\"model\":\"novella-11m\",\"messages\":[{\"role\":\"user\",\"content\":\"one"
                + " two\"}],"
                + more
                + "}";
    }

    private static String text(String more) {
        return "{\"model\":\"novella-11m\"," + more + "}";
    }

    private List<GenerationRequest> lastRequests(int count) {
        List<GenerationRequest> all = List.copyOf(scripted().requests);
        return all.subList(all.size() - count, all.size());
    }

    @Test
    void severalAnswersAreChoicesOfOneRow() throws Exception {
        HttpResponse<String> response =
                send(post(CHAT, chat("\"n\":3,\"seed\":7,\"temperature\":1")));
        assertThat(response.statusCode()).isEqualTo(200);
        JsonNode choices = json(response).get("choices");
        assertThat(choices.size()).isEqualTo(3);
        for (int i = 0; i < 3; i++) {
            assertThat(choices.get(i).get("index").intValue()).isEqualTo(i);
            assertThat(choices.get(i).at("/message/content").stringValue()).isEqualTo("one two");
            assertThat(choices.get(i).get("finish_reason").stringValue()).isEqualTo("stop");
        }
        // the prompt once, the answers each
        assertThat(json(response).at("/usage/prompt_tokens").intValue()).isEqualTo(8);
        assertThat(json(response).at("/usage/completion_tokens").intValue()).isEqualTo(6);
        assertThat(usage()).hasSize(1);
        assertThat(usage().getFirst().promptTokens()).isEqualTo(8);
        assertThat(usage().getFirst().completionTokens()).isEqualTo(6);
        List<GenerationRequest> asked = lastRequests(3);
        assertThat(asked.getFirst().sampling().seed()).isEqualTo(7);
        assertThat(asked.stream().map(r -> r.sampling().seed()).distinct()).hasSize(3);
    }

    @Test
    void streamedChoicesEachHaveABeginningAndAnEnd() throws Exception {
        HttpResponse<String> response =
                send(
                        post(
                                CHAT,
                                chat(
                                        "\"n\":4,\"stream\":true,"
                                                + "\"stream_options\":{\"include_usage\":true}")));
        Map<Integer, StringBuilder> contents = new HashMap<>();
        Map<Integer, List<String>> ends = new HashMap<>();
        List<JsonNode> chunks = chunks(response.body());
        for (JsonNode chunk : chunks.subList(0, chunks.size() - 1)) {
            JsonNode choice = chunk.get("choices").get(0);
            int index = choice.get("index").intValue();
            assertThat(chunk.get("usage").isNull()).isTrue();
            StringBuilder content = contents.computeIfAbsent(index, i -> new StringBuilder());
            if (choice.get("delta").has("role")) {
                assertThat(content).isEmpty();
            }
            content.append(choice.get("delta").path("content").asString(""));
            if (!choice.get("finish_reason").isNull()) {
                ends.computeIfAbsent(index, i -> new ArrayList<>())
                        .add(choice.get("finish_reason").stringValue());
            }
        }
        for (int i = 0; i < 4; i++) {
            assertThat(contents.get(i)).hasToString("one two");
            assertThat(ends.get(i)).containsExactly("stop");
        }
        JsonNode last = chunks.getLast();
        assertThat(last.get("choices").size()).isZero();
        assertThat(last.at("/usage/prompt_tokens").intValue()).isEqualTo(8);
        assertThat(last.at("/usage/completion_tokens").intValue()).isEqualTo(8);
        assertThat(response.body()).endsWith("data: [DONE]\n\n");
    }

    @Test
    void severalPromptsComeInOrderEachWithItsAnswers() throws Exception {
        HttpResponse<String> response =
                send(post(TEXT, text("\"prompt\":[\"a b\",\"c\"],\"n\":2,\"best_of\":2")));
        JsonNode answer = json(response);
        assertThat(answer.get("choices").values().stream().map(c -> c.get("text").stringValue()))
                .containsExactly("a b", "a b", "c", "c");
        assertThat(answer.get("choices").values().stream().map(c -> c.get("index").intValue()))
                .containsExactly(0, 1, 2, 3);
        assertThat(answer.at("/usage/prompt_tokens").intValue()).isEqualTo(4 + 2);
        assertThat(answer.at("/usage/completion_tokens").intValue()).isEqualTo(2 * 2 + 2);
        response = send(post(TEXT, text("\"prompt\":[[0,104,105],[0,33]]")));
        assertThat(
                        json(response).get("choices").values().stream()
                                .map(c -> c.get("text").stringValue()))
                .containsExactly("hi", "!");
    }

    @Test
    void oneFailedChoiceEndsAllAndIsOwedOnce() throws Exception {
        HttpResponse<String> response =
                send(post(TEXT, text("\"prompt\":[\"forever\",\"fail now or never\"]")));
        assertThat(response.statusCode()).isEqualTo(500);
        assertThat(error(response).get("message").stringValue()).isEqualTo("the device is gone");
        assertThat(awaitUsage(1)).hasSize(1);
        assertThat(usage().getFirst().finishReason()).isEqualTo("failed");
        assertThat(usage().getFirst().promptTokens()).isEqualTo(8 + 18);
        assertThat(scripted().running).isEmpty();
    }

    @Test
    void anEchoComesBeforeTheText() throws Exception {
        HttpResponse<String> response =
                send(post(TEXT, text("\"prompt\":[\"ab \",\"c\"],\"echo\":true")));
        assertThat(
                        json(response).get("choices").values().stream()
                                .map(c -> c.get("text").stringValue()))
                .containsExactly("ab ab ", "cc");
        response = send(post(TEXT, text("\"prompt\":[0,104],\"echo\":true,\"stream\":true")));
        StringBuilder text = new StringBuilder();
        for (JsonNode chunk : chunks(response.body())) {
            text.append(chunk.at("/choices/0/text").stringValue());
        }
        assertThat(text).hasToString("hh");
    }

    @Test
    void aPromptAloneIsAnAnswerWhereItIsEchoed() throws Exception {
        HttpResponse<String> response =
                send(
                        post(
                                TEXT,
                                text(
                                        "\"prompt\":\"ab\",\"echo\":true,\"max_tokens\":0,"
                                                + "\"logprobs\":1")));
        assertThat(json(response).get("choices").toString())
                .isEqualTo(
                        """
                        [{"text":"ab","index":0,"logprobs":{"tokens":["<s>","a","b"],\
                        "token_logprobs":[null,-1.515625,-1.53125],\
                        "top_logprobs":[null,{"\\u0002":-0.25},{"\\u0002":-0.25}],\
                        "text_offset":[0,0,1]},"finish_reason":"length"}]\
                        """);
        assertThat(json(response).at("/usage/completion_tokens").intValue()).isZero();
        assertThat(json(response).at("/usage/prompt_tokens").intValue()).isEqualTo(3);
        assertThat(lastRequests(1).getFirst().sampling().maxTokens()).isZero();
        assertThat(send(post(TEXT, text("\"prompt\":\"ab\",\"max_tokens\":0"))).statusCode())
                .isEqualTo(400);
    }

    @Test
    void chatLogprobs() throws Exception {
        String content =
                """
                {"content":[{"token":"o","logprob":-1.734375,"bytes":[111],"top_logprobs":[\
                {"token":"\\u0002","logprob":-0.25,"bytes":[2]},\
                {"token":"o","logprob":-1.734375,"bytes":[111]},\
                {"token":"\uFFFD","logprob":-9999.0,"bytes":[195]}]}\
                """;
        HttpResponse<String> whole = send(post(CHAT, chat("\"logprobs\":true,\"top_logprobs\":3")));
        assertThat(json(whole).at("/choices/0/logprobs").toString())
                .startsWith(content)
                .endsWith("],\"refusal\":null}");
        assertThat(json(whole).at("/choices/0/logprobs/content").size()).isEqualTo(2);
        HttpResponse<String> stream =
                send(post(CHAT, chat("\"logprobs\":true,\"top_logprobs\":3,\"stream\":true")));
        List<JsonNode> chunks = chunks(stream.body());
        assertThat(chunks.getFirst().at("/choices/0/logprobs").isNull()).isTrue();
        assertThat(chunks.get(1).at("/choices/0/logprobs").toString())
                .isEqualTo(content + "],\"refusal\":null}");
        assertThat(chunks.getLast().at("/choices/0/logprobs").isNull()).isTrue();
        HttpResponse<String> chosen = send(post(CHAT, chat("\"logprobs\":true")));
        assertThat(json(chosen).at("/choices/0/logprobs/content/0/top_logprobs").isEmpty())
                .isTrue();
    }

    @Test
    void completionLogprobsRunOnOverTheChunksOfAStream() throws Exception {
        HttpResponse<String> response =
                send(post(TEXT, text("\"prompt\":\"ab cd ef\",\"logprobs\":3,\"stream\":true")));
        List<Integer> offsets = new ArrayList<>();
        for (JsonNode chunk : chunks(response.body())) {
            JsonNode logprobs = chunk.at("/choices/0/logprobs");
            if (!logprobs.isNull()) {
                offsets.add(logprobs.at("/text_offset/0").intValue());
                assertThat(logprobs.at("/top_logprobs/0").propertyNames())
                        .contains("bytes:\\xc3", "\u0002");
            }
        }
        // the scripted engine's tokens are their words' first letters
        assertThat(offsets).containsExactly(0, 1, 2);
    }

    private static List<JsonNode> chunks(String body) {
        List<JsonNode> chunks = new ArrayList<>();
        for (String line : body.split("\n")) {
            if (line.startsWith("data: {")) {
                chunks.add(JsonMapper.shared().readTree(line.substring(6)));
            }
        }
        return chunks;
    }
}
