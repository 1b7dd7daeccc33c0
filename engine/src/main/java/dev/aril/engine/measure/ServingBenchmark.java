package dev.aril.engine.measure;

import dev.aril.engine.AdapterRef;
import dev.aril.engine.Engine;
import dev.aril.engine.EngineStats;
import dev.aril.engine.Generation;
import dev.aril.engine.GenerationEvent;
import dev.aril.engine.GenerationRequest;
import dev.aril.engine.SamplingParams;
import dev.aril.engine.measure.Workload.Arrivals;
import dev.aril.engine.measure.Workload.Plan;
import dev.aril.engine.measure.Workload.Request;
import java.util.ArrayList;
import java.util.List;
import java.util.Random;
import java.util.Set;
import java.util.concurrent.CompletableFuture;
import java.util.concurrent.Flow;
import java.util.concurrent.Semaphore;
import java.util.concurrent.TimeUnit;
import org.jspecify.annotations.Nullable;

/**
 * Serves a workload through the engine's door and tells what its clients saw: tokens a second, the
 * time to the first token from the moment a request came, and the times between tokens.
 */
final class ServingBenchmark {
    private static final int WARM_UP_TOKENS = 16;

    private final Engine engine;
    private final long warmUpNanos;

    /**
     * @param warmUpNanos how long the base model serves before a workload is measured, at least
     *     once with as many clients
     */
    ServingBenchmark(Engine engine, long warmUpNanos) {
        this.engine = engine;
        this.warmUpNanos = warmUpNanos;
    }

    /** A client: hears the tokens of one generation. */
    private static final class Client implements Flow.Subscriber<GenerationEvent> {
        private final long came;
        private final List<Double> gaps = new ArrayList<>();
        private final CompletableFuture<Client> done = new CompletableFuture<>();
        private long last;
        private long ended;
        private double firstMillis = Double.NaN;

        /**
         * @param came when the request came; it may have waited for its turn to be submitted
         */
        Client(long came) {
            this.came = came;
        }

        @Override
        public void onSubscribe(Flow.Subscription subscription) {
            subscription.request(Long.MAX_VALUE);
        }

        @Override
        public void onNext(GenerationEvent event) {
            long now = System.nanoTime();
            switch (event) {
                case GenerationEvent.Prompt unasked -> {}
                case GenerationEvent.Text text -> heard(now, text.tokens());
                case GenerationEvent.Finished finished -> {
                    ended = now;
                    done.complete(this);
                }
                case GenerationEvent.Failed failed ->
                        done.completeExceptionally(new IllegalStateException(failed.message()));
            }
        }

        /** A text of several ids counts as that many, evenly spaced. */
        private void heard(long now, int tokens) {
            if (last == 0) {
                firstMillis = (now - came) / 1e6;
            } else {
                for (int i = 0; i < tokens; i++) {
                    gaps.add((now - last) / 1e6 / tokens);
                }
            }
            last = now;
        }

        @Override
        public void onError(Throwable error) {
            done.completeExceptionally(error);
        }

        @Override
        public void onComplete() {}
    }

    /**
     * @param adapters at least as many as the workload has
     * @return the plan and what was seen
     */
    Row run(Plan plan, List<AdapterRef> adapters) throws InterruptedException {
        Workload workload = plan.draw();
        warmUp(plan);
        EngineStats before = engine.stats();
        Random ids = new Random(plan.seed() + 4);
        List<Client> clients = new ArrayList<>();
        int atOnce =
                plan.arrivals() instanceof Arrivals.Clients(int count) ? count : Integer.MAX_VALUE;
        Semaphore free = new Semaphore(atOnce);
        long start = System.nanoTime();
        for (Request request : workload.requests()) {
            free.acquire();
            long came = System.nanoTime();
            if (plan.arrivals() instanceof Arrivals.Poisson) {
                came = start + (long) (request.arrival() * 1e9);
                TimeUnit.NANOSECONDS.sleep(came - System.nanoTime());
            }
            Client client = new Client(came);
            clients.add(client);
            var _ = client.done.whenComplete((done, failed) -> free.release());
            submit("request-" + clients.size(), request, adapters, ids).subscribe(client);
        }
        long end = start;
        for (Client client : clients) {
            end = Math.max(end, client.done.join().ended);
        }
        return row(plan, workload, clients, (end - start) / 1e9, before);
    }

    private Row row(
            Plan plan,
            Workload workload,
            List<Client> clients,
            double seconds,
            EngineStats before) {
        EngineStats after = engine.stats();
        double[] first = clients.stream().mapToDouble(c -> c.firstMillis).toArray();
        double[] gaps =
                clients.stream()
                        .flatMap(c -> c.gaps.stream())
                        .mapToDouble(Double::doubleValue)
                        .toArray();
        long steps = steps(after) - steps(before);
        double host = after.hostNanos() - before.hostNanos();
        double device = after.deviceNanos() - before.deviceNanos();
        return Row.of("serving")
                .with("popularity", plan.popularity().label())
                .with("adapters", workload.adapters())
                .with("arrivals", plan.arrivals().toString())
                .with("requests", plan.requests())
                .with("prompt", plan.prompt().toString())
                .with("output", plan.output().toString())
                .with("longest", plan.longest())
                .with("seed", plan.seed())
                .with("prompt_tokens", workload.promptTokens())
                .with("output_tokens", workload.outputTokens())
                .with("seconds", seconds)
                .with("output_tokens_per_s", workload.outputTokens() / seconds)
                .with("ttft_p50_ms", Quantile.of(first, 0.5))
                .with("ttft_p99_ms", Quantile.of(first, 0.99))
                .with("inter_token_p50_ms", Quantile.of(gaps, 0.5))
                .with("inter_token_p99_ms", Quantile.of(gaps, 0.99))
                .with("steps", steps)
                .with("step_device_us", device / 1e3 / steps)
                .with("step_host_us", host / 1e3 / steps)
                .with("cold_loads", after.adapterLoads() - before.adapterLoads());
    }

    private static long steps(EngineStats stats) {
        return stats.steps().stream().mapToLong(Long::longValue).sum();
    }

    /** The base model alone, so that a workload's adapters are cold. */
    private void warmUp(Plan plan) {
        Random ids = new Random(plan.seed());
        int sequences =
                plan.arrivals() instanceof Arrivals.Clients(int count)
                        ? Math.min(count, plan.requests())
                        : 1;
        Request request = new Request(0, WARM_UP_TOKENS, WARM_UP_TOKENS, null);
        long start = System.nanoTime();
        do {
            List<Client> clients = new ArrayList<>();
            for (int i = 0; i < sequences; i++) {
                Client client = new Client(System.nanoTime());
                clients.add(client);
                submit("warm-up-" + i, request, List.of(), ids).subscribe(client);
            }
            clients.forEach(client -> client.done.join());
        } while (System.nanoTime() - start < warmUpNanos);
    }

    private Generation submit(String id, Request request, List<AdapterRef> adapters, Random ids) {
        int[] prompt = ids.ints(request.promptTokens(), 0, engine.model().vocabulary()).toArray();
        Integer which = request.adapter();
        @Nullable AdapterRef adapter = which == null ? null : adapters.get(which);
        // a flow for each adapter, as tenants are to the scheduler
        String flow = which == null ? "base" : "adapter-" + which;
        SamplingParams sampling =
                new SamplingParams(
                        request.outputTokens(),
                        0,
                        1,
                        0,
                        0,
                        null,
                        1,
                        0,
                        0,
                        List.of(),
                        Set.of(),
                        true);
        return engine.submit(new GenerationRequest(id, flow, prompt, adapter, sampling));
    }
}
