package dev.aril.engine.measure;

import java.util.ArrayList;
import java.util.Collections;
import java.util.List;
import java.util.Random;
import org.jspecify.annotations.Nullable;

/**
 * Requests to serve, in the order they come.
 *
 * @param adapters different adapters among them
 */
record Workload(List<Request> requests, int adapters) {
    Workload {
        requests = List.copyOf(requests);
    }

    /**
     * @param arrival seconds after the first; 0 for all where clients send them one after the other
     * @param adapter which of the workload's, null for the base model
     */
    record Request(double arrival, int promptTokens, int outputTokens, @Nullable Integer adapter) {}

    /** When requests come. */
    sealed interface Arrivals {
        /** At random and independently of each other, at a mean rate. */
        record Poisson(double perSecond) implements Arrivals {
            @Override
            public String toString() {
                return perSecond + "/s";
            }
        }

        /** Each of a number of clients sends its next request when its last has ended. */
        record Clients(int count) implements Arrivals {
            @Override
            public String toString() {
                return count + (count == 1 ? " client" : " clients");
            }
        }
    }

    /**
     * What a workload is drawn from.
     *
     * @param longest tokens a prompt or an output has at most
     * @param seed the same seed and plan give the same workload; arrivals, lengths and adapters are
     *     drawn apart, so that plans which differ in one of them agree in the others
     */
    record Plan(
            int requests,
            Arrivals arrivals,
            Lengths prompt,
            Lengths output,
            int longest,
            Popularity popularity,
            long seed) {
        Workload draw() {
            Random times = new Random(seed);
            Random prompts = new Random(seed + 1);
            Random outputs = new Random(seed + 2);
            List<Integer> adapters = adapters();
            List<Request> drawn = new ArrayList<>();
            double now = 0;
            for (int i = 0; i < requests; i++) {
                if (i > 0 && arrivals instanceof Arrivals.Poisson(double perSecond)) {
                    now -= Math.log(1 - times.nextDouble()) / perSecond;
                }
                drawn.add(
                        new Request(
                                now,
                                Math.min(longest, prompt.draw(prompts)),
                                Math.min(longest, output.draw(outputs)),
                                adapters.isEmpty() ? null : adapters.get(i)));
            }
            return new Workload(drawn, popularity.counts(requests).length);
        }

        /** Each request's adapter, in an order of chance. */
        private List<Integer> adapters() {
            int[] counts = popularity.counts(requests);
            List<Integer> adapters = new ArrayList<>();
            for (int a = 0; a < counts.length; a++) {
                adapters.addAll(Collections.nCopies(counts[a], a));
            }
            Collections.shuffle(adapters, new Random(seed + 3));
            return adapters;
        }
    }

    /** Tokens that will be sampled. */
    int outputTokens() {
        return requests.stream().mapToInt(Request::outputTokens).sum();
    }

    int promptTokens() {
        return requests.stream().mapToInt(Request::promptTokens).sum();
    }
}
