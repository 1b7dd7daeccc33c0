package dev.aril.api;

import static org.assertj.core.api.Assertions.assertThat;

import dev.aril.tenancy.Actor;
import dev.aril.tenancy.KeyScope;
import java.net.http.HttpResponse;
import java.time.Instant;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.CsvSource;
import tools.jackson.databind.JsonNode;

/** What a tenant reads about its usage: the ledger's sums, in OpenAI's pages. */
final class UsageReportsTest extends ApiTest {
    private static final String USAGE = "/v1/organization/usage/completions";
    private static final String COSTS = "/v1/organization/costs";

    private final long now = Instant.now().getEpochSecond();

    private JsonNode get(String path) throws Exception {
        HttpResponse<String> response = send(request(path).GET());
        assertThat(response.statusCode()).as(response.body()).isEqualTo(200);
        return json(response);
    }

    private void ask(String prompt) throws Exception {
        String body = "{\"model\":\"novella-11m\",\"prompt\":\"" + prompt + "\"}";
        assertThat(send(post("/v1/completions", body)).statusCode()).isEqualTo(200);
    }

    /** One field over all buckets and results. */
    private static long sum(JsonNode page, String field) {
        long sum = 0;
        for (JsonNode bucket : page.get("data")) {
            for (JsonNode result : bucket.get("results")) {
                sum += result.get(field).longValue();
            }
        }
        return sum;
    }

    @Test
    void theSumsAreTheLedgers() throws Exception {
        ask("one two three");
        ask("one");
        for (String width : new String[] {"1m", "1h", "1d"}) {
            JsonNode page =
                    get(
                            USAGE
                                    + "?start_time="
                                    + (now - 120)
                                    + "&end_time="
                                    + (now + 300)
                                    + "&bucket_width="
                                    + width);
            assertThat(page.get("object").stringValue()).isEqualTo("page");
            assertThat(page.get("has_more").booleanValue()).isFalse();
            assertThat(sum(page, "num_model_requests")).isEqualTo(2);
            assertThat(sum(page, "input_tokens")).isEqualTo(14 + 4);
            assertThat(sum(page, "output_tokens")).isEqualTo(3 + 1);
            assertThat(sum(page, "input_cached_tokens")).isZero();
            for (JsonNode bucket : page.get("data")) {
                assertThat(bucket.get("object").stringValue()).isEqualTo("bucket");
                assertThat(bucket.get("start_time").longValue())
                        .isLessThan(bucket.get("end_time").longValue());
            }
        }
    }

    @Test
    void groupsAndFilters() throws Exception {
        ask("one two three");
        String first = key;
        key = keys.create(Actor.SERVER, tenant.id(), "other", KeyScope.ALL, null).secret();
        ask("one");
        String base = USAGE + "?start_time=" + (now - 120) + "&end_time=" + (now + 300);
        JsonNode grouped = get(base + "&group_by=api_key_id&group_by[]=model");
        int lines = 0;
        for (JsonNode bucket : grouped.get("data")) {
            for (JsonNode result : bucket.get("results")) {
                lines++;
                assertThat(result.get("model").stringValue()).isEqualTo("novella-11m");
                String id = result.get("api_key_id").stringValue();
                JsonNode only = get(base + "&api_key_ids=" + id);
                assertThat(sum(only, "input_tokens"))
                        .isEqualTo(result.get("input_tokens").longValue());
            }
        }
        assertThat(lines).isEqualTo(2);
        assertThat(sum(get(base + "&models=nothing"), "input_tokens")).isZero();
        assertThat(sum(get(base + "&models=novella-11m,other"), "input_tokens")).isEqualTo(18);
        key = first;
        newTenant();
        assertThat(sum(get(base), "input_tokens")).as("another tenant's").isZero();
    }

    @Test
    void pagesFollowEachOther() throws Exception {
        ask("one two three");
        String base =
                USAGE
                        + "?bucket_width=1m&limit=3&start_time="
                        + (now - 600)
                        + "&end_time="
                        + (now + 300);
        long buckets = 0;
        long tokens = 0;
        String page = "";
        long last = 0;
        do {
            JsonNode answer = get(base + (page.isEmpty() ? "" : "&page=" + page));
            for (JsonNode bucket : answer.get("data")) {
                assertThat(bucket.get("start_time").longValue()).isGreaterThan(last);
                last = bucket.get("start_time").longValue();
            }
            buckets += answer.get("data").size();
            tokens += sum(answer, "input_tokens");
            page = answer.get("next_page").asString("");
            assertThat(answer.get("has_more").booleanValue()).isEqualTo(!page.isEmpty());
        } while (!page.isEmpty());
        assertThat(buckets).isBetween(15L, 16L);
        assertThat(tokens).isEqualTo(14);
    }

    @Test
    void costsAreThereByDay() throws Exception {
        ask("one two three");
        JsonNode page = get(COSTS + "?start_time=" + (now - 86_400) + "&group_by=line_item");
        JsonNode result = page.get("data").get(page.get("data").size() - 1).get("results").get(0);
        assertThat(result.get("object").stringValue()).isEqualTo("organization.costs.result");
        assertThat(result.at("/amount/currency").stringValue()).isEqualTo("usd");
        assertThat(result.at("/amount/value").isNumber()).isTrue();
        assertThat(result.get("line_item").stringValue()).isEqualTo("novella-11m");
        assertThat(result.get("quantity").longValue()).isEqualTo(17);
    }

    @ParameterizedTest
    @CsvSource({
        "start_time,   ?",
        "start_time,   ?start_time=yesterday",
        "end_time,     ?start_time=1&end_time=-1",
        "bucket_width, ?start_time=1&bucket_width=2d",
        "limit,        ?start_time=1&limit=0",
        "limit,        ?start_time=1&limit=32",
        "page,         ?start_time=86400&page=page_0",
        "page,         ?start_time=86400&page=page_86401",
        "group_by,     ?start_time=1&group_by=user_id",
        "user_ids,     ?start_time=1&user_ids=u",
        "limit,        ?start_time=1&limit=1&limit=2",
    })
    void parametersAreHonouredOrRefusedByName(String name, String query) throws Exception {
        HttpResponse<String> response = send(request(USAGE + query).GET());
        assertThat(response.statusCode()).isEqualTo(400);
        assertThat(error(response).get("param").stringValue()).isEqualTo(name);
    }
}
