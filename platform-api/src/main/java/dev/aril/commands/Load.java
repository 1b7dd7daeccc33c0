package dev.aril.commands;

import java.io.IOException;
import java.net.URI;
import java.net.http.HttpClient;
import java.net.http.HttpRequest;
import java.net.http.HttpRequest.BodyPublishers;
import java.net.http.HttpResponse;
import java.net.http.HttpResponse.BodyHandlers;
import java.time.Duration;
import java.util.ArrayList;
import java.util.Collections;
import java.util.List;
import java.util.concurrent.CompletableFuture;
import java.util.concurrent.ExecutorService;
import java.util.concurrent.Executors;
import java.util.concurrent.atomic.AtomicLong;
import java.util.concurrent.locks.LockSupport;

/** Chats, one like the other, to a server on this machine. */
final class Load {
    private static final String BODY =
            """
            {"model":"instant","messages":[{"role":"user","content":"a word"}],"max_tokens":16}\
            """;

    private final HttpClient http =
            HttpClient.newBuilder().version(HttpClient.Version.HTTP_1_1).build();
    private final HttpRequest request;
    private final AtomicLong answered = new AtomicLong();

    Load(int port, String key) {
        request =
                HttpRequest.newBuilder(
                                URI.create("http://127.0.0.1:" + port + "/v1/chat/completions"))
                        .header("Authorization", "Bearer " + key)
                        .header("Content-Type", "application/json")
                        .POST(BodyPublishers.ofString(BODY))
                        .build();
    }

    /** Answers so far. */
    long answered() {
        return answered.get();
    }

    /**
     * Sends at fixed times, whether answers come or not.
     *
     * @return milliseconds from when each was to be sent to its answer
     */
    List<Double> atRate(int rate, Duration time) {
        List<CompletableFuture<Double>> answers = new ArrayList<>();
        long gap = 1_000_000_000L / rate;
        long begin = System.nanoTime();
        for (long due = begin; due - begin < time.toNanos(); due += gap) {
            while (System.nanoTime() < due) {
                LockSupport.parkNanos(due - System.nanoTime());
            }
            long from = due;
            answers.add(
                    http.sendAsync(request, BodyHandlers.ofString())
                            .thenApply(this::accept)
                            .thenApply(answer -> (System.nanoTime() - from) / 1e6));
        }
        return answers.stream().map(CompletableFuture::join).toList();
    }

    /**
     * @param clients that send one request after the other
     * @return answers a second
     */
    double closedLoop(int clients, Duration time) {
        long before = answered.get();
        long end = System.nanoTime() + time.toNanos();
        try (ExecutorService threads = Executors.newVirtualThreadPerTaskExecutor()) {
            for (int i = 0; i < clients; i++) {
                threads.submit(() -> {
                    while (System.nanoTime() < end) {
                        send();
                    }
                    return null;
                });
            }
        }
        return (answered.get() - before) / (time.toMillis() / 1e3);
    }

    private void send() throws IOException, InterruptedException {
        accept(http.send(request, BodyHandlers.ofString()));
    }

    private HttpResponse<String> accept(HttpResponse<String> response) {
        if (response.statusCode() != 200) {
            throw new IllegalStateException(response.statusCode() + ": " + response.body());
        }
        answered.incrementAndGet();
        return response;
    }

    static double quantile(List<Double> values, double share) {
        List<Double> sorted = new ArrayList<>(values);
        Collections.sort(sorted);
        return sorted.get((int) Math.min(sorted.size() - 1, share * sorted.size()));
    }
}
