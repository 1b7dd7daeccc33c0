package dev.aril.engine.schedule;

import java.util.ArrayDeque;
import java.util.ArrayList;
import java.util.Comparator;
import java.util.Deque;
import java.util.HashMap;
import java.util.List;
import java.util.Map;
import java.util.TreeSet;
import java.util.function.Predicate;
import org.jspecify.annotations.Nullable;

/**
 * Who is next? The waiting flow that was served least, by the virtual token counter of "Fairness in
 * Serving Large Language Models" (arXiv 2401.00588): each flow's counter grows with the tokens
 * computed for it, and a flow that had nothing waiting is lifted to the least counter of those that
 * wait, so that idling saves up no credit. Within a flow, first come, first served.
 */
final class FairQueue {
    /** Cost of a prompt's token. */
    static final int PROMPT_WEIGHT = 1;

    /** Cost of a generated token: the paper's two, for it takes a step of its own. */
    static final int COMPLETION_WEIGHT = 2;

    /** Idle flows whose counter is remembered. */
    private static final int MAX_IDLE = 10_000;

    private static final class Flow {
        final String name;
        final long arrival;
        final Deque<Sequence> waiting = new ArrayDeque<>();
        long served;

        /** Its sequences, waiting and running. */
        int sequences;

        Flow(String name, long arrival, long served) {
            this.name = name;
            this.arrival = arrival;
            this.served = served;
        }
    }

    private static final Comparator<Flow> LEAST_SERVED =
            Comparator.comparingLong((Flow flow) -> flow.served)
                    .thenComparingLong(flow -> flow.arrival);

    private final Map<String, Flow> flows = new HashMap<>();
    private final TreeSet<Flow> queued = new TreeSet<>(LEAST_SERVED);

    /** Flows without sequences that were served more than the floor: forgetting one forgives it. */
    private final TreeSet<Flow> idle = new TreeSet<>(LEAST_SERVED);

    private long floor;
    private long arrivals;
    private int size;

    /** Sequences waiting. */
    int size() {
        return size;
    }

    /** A new sequence, behind its flow's others. */
    void add(Sequence sequence) {
        Flow flow = flows.get(sequence.flow());
        if (flow == null) {
            flow = new Flow(sequence.flow(), arrivals++, floor);
            flows.put(flow.name, flow);
        } else if (flow.sequences == 0) {
            idle.remove(flow);
        }
        flow.sequences++;
        enqueue(flow, sequence, false);
    }

    /** A sequence that was taken before and lost its place, ahead of its flow's others. */
    void putBack(Sequence sequence) {
        enqueue(flow(sequence), sequence, true);
    }

    /**
     * The first sequence that is ready, of the least served flow that has one.
     *
     * @return null if none is ready
     */
    @Nullable Sequence first(Predicate<Sequence> ready) {
        for (Flow flow : queued) {
            for (Sequence sequence : flow.waiting) {
                if (ready.test(sequence)) {
                    return sequence;
                }
            }
        }
        return null;
    }

    /** Takes a waiting sequence out: it runs now. */
    void take(Sequence sequence) {
        Flow flow = flow(sequence);
        if (!flow.waiting.remove(sequence)) {
            throw new IllegalStateException(sequence + " is not waiting");
        }
        size--;
        if (flow.waiting.isEmpty()) {
            queued.remove(flow);
        }
        raiseFloor();
    }

    /** A sequence, running by now or taken out, is over for good. */
    void leave(Sequence sequence) {
        Flow flow = flow(sequence);
        if (--flow.sequences == 0) {
            idle.add(flow);
            forget();
        }
    }

    /** Counts service to a flow that has a sequence here. */
    void charge(Sequence sequence, long cost) {
        Flow flow = flow(sequence);
        boolean waits = queued.remove(flow);
        flow.served += cost;
        if (waits) {
            queued.add(flow);
            raiseFloor();
        }
    }

    /** The counter of a sequence's flow. */
    long served(Sequence sequence) {
        return flow(sequence).served;
    }

    List<Sequence> waiting() {
        List<Sequence> all = new ArrayList<>(size);
        queued.forEach(flow -> all.addAll(flow.waiting));
        return all;
    }

    private void enqueue(Flow flow, Sequence sequence, boolean ahead) {
        if (flow.waiting.isEmpty()) {
            flow.served = Math.max(flow.served, floor);
            queued.add(flow);
            raiseFloor();
        }
        if (ahead) {
            flow.waiting.addFirst(sequence);
        } else {
            flow.waiting.addLast(sequence);
        }
        size++;
    }

    private void raiseFloor() {
        if (!queued.isEmpty() && queued.first().served > floor) {
            floor = queued.first().served;
            forget();
        }
    }

    /**
     * An idle flow at or below the floor would be lifted to it when it returns: nothing is lost.
     */
    private void forget() {
        while (!idle.isEmpty() && (idle.first().served <= floor || idle.size() > MAX_IDLE)) {
            Flow forgotten = idle.first();
            idle.remove(forgotten);
            flows.remove(forgotten.name);
        }
    }

    private Flow flow(Sequence sequence) {
        Flow flow = flows.get(sequence.flow());
        if (flow == null) {
            throw new IllegalStateException(sequence + " was never added");
        }
        return flow;
    }

    void checkIntegrity() {
        int waiting = 0;
        for (Flow flow : flows.values()) {
            waiting += flow.waiting.size();
            boolean ok =
                    flow.waiting.size() <= flow.sequences
                            && queued.contains(flow) == !flow.waiting.isEmpty()
                            && idle.contains(flow) == (flow.sequences == 0)
                            && (flow.waiting.isEmpty() || flow.served >= floor);
            if (!ok) {
                throw new IllegalStateException("the books of flow " + flow.name + " are wrong");
            }
        }
        if (waiting != size || queued.size() + idle.size() > flows.size()) {
            throw new IllegalStateException(size + " should wait, " + waiting + " do");
        }
    }
}
