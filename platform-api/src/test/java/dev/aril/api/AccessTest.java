package dev.aril.api;

import static org.assertj.core.api.Assertions.assertThat;

import dev.aril.engine.EngineState;
import java.net.URI;
import java.net.http.HttpRequest;
import java.net.http.HttpRequest.BodyPublishers;
import java.net.http.HttpResponse;
import java.net.http.HttpResponse.BodyHandlers;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.ValueSource;

/** Who may call what. */
final class AccessTest extends ApiTest {
    private static final String UNAUTHORIZED =
            "{\"error\":{\"message\":\"No valid API key was given: send it as Authorization: Bearer"
                    + " KEY.\",\"type\":\"invalid_request_error\",\"param\":null,"
                    + "\"code\":\"invalid_api_key\"}}";

    @ParameterizedTest
    @ValueSource(
            strings = {
                "/v1/models",
                "/v1/models/novella-11m",
                "/v1/chat/completions",
                "/v1/completions",
                "/v1/adapters",
                "/v1/adapters/x",
                "/v1/nothing",
                "/v1"
            })
    void everythingUnderV1NeedsAKey(String path) throws Exception {
        for (String method : new String[] {"GET", "POST", "DELETE", "OPTIONS"}) {
            HttpResponse<String> response =
                    http.send(
                            bare(path).method(method, BodyPublishers.noBody()).build(),
                            BodyHandlers.ofString());
            assertThat(response.statusCode()).isEqualTo(401);
            assertThat(response.body()).isEqualTo(UNAUTHORIZED);
            assertThat(response.headers().firstValue("x-request-id")).isPresent();
            assertThat(response.headers().firstValue("openai-processing-ms")).isPresent();
        }
    }

    @Test
    void allWrongKeysGetOneAnswer() throws Exception {
        String right = key;
        char last = right.charAt(right.length() - 1);
        for (String wrong :
                new String[] {
                    "Bearer",
                    "Bearer ",
                    "Basic " + right,
                    right,
                    "Bearer x",
                    "Bearer " + right.substring(1),
                    "Bearer " + right + " x",
                    "Bearer " + right.substring(0, right.length() - 1) + (last == 'a' ? 'b' : 'a'),
                    "Bearer " + "a".repeat(5000)
                }) {
            HttpResponse<String> response =
                    http.send(
                            bare("/v1/models").header("Authorization", wrong).build(),
                            BodyHandlers.ofString());
            assertThat(response.statusCode()).as(wrong).isEqualTo(401);
            assertThat(response.body()).isEqualTo(UNAUTHORIZED);
            assertThat(response.headers().firstValue("WWW-Authenticate")).contains("Bearer");
        }
        HttpResponse<String> two =
                http.send(
                        bare("/v1/models")
                                .header("Authorization", "Bearer " + right)
                                .header("Authorization", "Bearer " + right)
                                .build(),
                        BodyHandlers.ofString());
        assertThat(two.statusCode()).isEqualTo(401);
    }

    @Test
    void theSchemeIsCaseless() throws Exception {
        HttpResponse<String> response =
                http.send(
                        bare("/v1/models/novella-11m")
                                .header("Authorization", "bearer " + key)
                                .build(),
                        BodyHandlers.ofString());
        assertThat(response.statusCode()).isEqualTo(200);
    }

    @Test
    void healthInfoAndMetricsAreOpen() throws Exception {
        for (String path :
                new String[] {
                    "/actuator/health",
                    "/actuator/health/liveness",
                    "/actuator/health/readiness",
                    "/actuator/info",
                    "/actuator/prometheus"
                }) {
            HttpResponse<String> response = http.send(bare(path).build(), BodyHandlers.ofString());
            assertThat(response.statusCode()).as(path).isEqualTo(200);
        }
        assertThat(http.send(bare("/actuator/health").build(), BodyHandlers.ofString()).body())
                .contains("\"status\":\"UP\"")
                .doesNotContain("details");
    }

    @Test
    void readinessAndLivenessFollowTheEngine() throws Exception {
        try {
            checkHealth(EngineState.READY, 200, 200);
            // a device that is set up anew is back soon; a new process would take longer
            checkHealth(EngineState.RESTARTING, 503, 200);
            checkHealth(EngineState.CLOSED, 503, 200);
            checkHealth(EngineState.BROKEN, 503, 503);
        } finally {
            scripted().state.set(EngineState.READY);
        }
    }

    private void checkHealth(EngineState state, int readiness, int liveness) throws Exception {
        scripted().state.set(state);
        assertThat(status("/actuator/health/readiness")).as("%s", state).isEqualTo(readiness);
        assertThat(status("/actuator/health/liveness")).as("%s", state).isEqualTo(liveness);
    }

    private int status(String path) throws Exception {
        return http.send(bare(path).build(), BodyHandlers.ofString()).statusCode();
    }

    @ParameterizedTest
    @ValueSource(
            strings = {
                "/",
                "/actuator",
                "/actuator/env",
                "/actuator/heapdump",
                "/actuator/shutdown",
                "/actuator/health/db",
                "/login",
                "/error",
                "/favicon.ico",
                "/V1/models",
                "//v1/models",
                "/actuator/../v1/models"
            })
    void nothingElseIsThere(String path) throws Exception {
        HttpResponse<String> response = http.send(bare(path).build(), BodyHandlers.ofString());
        assertThat(response.statusCode()).isIn(400, 401, 404);
        assertThat(response.body()).doesNotContain("novella").doesNotContain("<html");
    }

    @Test
    void metricsShowTheEnginesBooks() throws Exception {
        send(post("/v1/completions", "{\"model\":\"novella-11m\",\"prompt\":\"one two\"}"));
        String metrics =
                http.send(bare("/actuator/prometheus").build(), BodyHandlers.ofString()).body();
        assertThat(metrics)
                .contains("aril_engine_steps_total{adapters=\"0\"} 1.0")
                .contains("aril_engine_steps_total{adapters=\"3\"} 4.0")
                .contains("aril_engine_steps_total{adapters=\"4+\"} 5.0")
                .contains("aril_prompt_tokens_total 10.0")
                .contains("aril_engine_host_seconds_total 1.5")
                .contains("aril_engine_device_wait_seconds_total 2.5")
                .contains("aril_requests_waiting 0.0")
                .contains("aril_requests_running ")
                .contains("aril_kv_blocks 100.0")
                .contains("aril_kv_blocks_free 90.0")
                .contains("aril_adapters_resident 1.0")
                .contains("aril_generations_total{finish_reason=\"stop\"}")
                .contains("aril_time_to_first_token_seconds_count");
    }

    private HttpRequest.Builder bare(String path) {
        return HttpRequest.newBuilder(URI.create("http://127.0.0.1:" + port + path));
    }
}
