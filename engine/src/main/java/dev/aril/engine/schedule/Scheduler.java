package dev.aril.engine.schedule;

import dev.aril.engine.AdapterRef;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.Comparator;
import java.util.HashSet;
import java.util.LinkedHashSet;
import java.util.List;
import java.util.Map;
import java.util.Set;

/**
 * What does the next step compute? Continuous batching: every running sequence's next token, and
 * chunks of prompts in what is left of the token budget. Belongs to one thread.
 *
 * <p>Sequences are admitted in the {@link FairQueue}'s order. One whose adapter is being loaded
 * steps aside for the others; one that waits for KV blocks does not, and while one waits for an
 * adapter's room nobody else takes a new adapter, so that neither can starve. When blocks run out,
 * the sequence admitted last of the flow served most gives up its own and starts over, keeping its
 * tokens.
 */
public final class Scheduler {
    private static final Comparator<Span> BY_ADAPTER =
            Comparator.comparingInt(span ->
                    span.sequence().slot() == Sequence.NO_SLOT
                            ? Integer.MAX_VALUE
                            : span.sequence().slot());

    /**
     * Rows of prompts whose logprobs are wanted, in a step: each takes a row of logits, which is
     * the vocabulary's size.
     */
    private static final int MOST_SCORED = 64;

    private final int tokenBudget;
    private final int maxSequences;
    private final KvBlocks blocks;
    private final ResidentAdapters adapters;
    private final FairQueue queue = new FairQueue();

    /** In the order of admission. */
    private final Set<Sequence> running = new LinkedHashSet<>();

    /** False once an admission round met a sequence whose adapter finds no room. */
    private boolean adapterRoom;

    /**
     * @param tokenBudget rows of a batch at most
     * @param maxSequences sequences running at most; at most the token budget, so that each can
     *     decode in every step
     */
    public Scheduler(
            int tokenBudget, int maxSequences, KvBlocks blocks, ResidentAdapters adapters) {
        if (maxSequences < 1) {
            throw new IllegalArgumentException(
                    "maxSequences must be at least 1, not " + maxSequences);
        }
        if (tokenBudget < maxSequences) {
            throw new IllegalArgumentException(
                    "tokenBudget must be at least maxSequences ("
                            + maxSequences
                            + "), so that each can decode in every step, not "
                            + tokenBudget);
        }
        this.tokenBudget = tokenBudget;
        this.maxSequences = maxSequences;
        this.blocks = blocks;
        this.adapters = adapters;
    }

    /** Sequences in the queue. */
    public int waiting() {
        return queue.size();
    }

    /** Sequences with KV blocks. */
    public int running() {
        return running.size();
    }

    /**
     * Takes a new sequence into the queue.
     *
     * @throws IllegalArgumentException if all blocks together could not hold it, or there is no
     *     slot for its adapter
     */
    public void admit(Sequence sequence) {
        long most = (long) sequence.promptLength() + sequence.sampling().maxTokens();
        if (most > blocks.positions()) {
            throw new IllegalArgumentException(
                    "prompt and maxTokens make "
                            + most
                            + " positions; the KV cache holds "
                            + blocks.positions());
        }
        if (sequence.adapter() != null && adapters.slots() < 1) {
            throw new IllegalArgumentException("this engine was started without adapter slots");
        }
        if (sequence.state() != Sequence.State.NEW) {
            throw new IllegalStateException(sequence + " was admitted before");
        }
        sequence.state(Sequence.State.WAITING);
        queue.add(sequence);
    }

    /** Lets go of a sequence, waiting or running: finished, failed or cancelled. Idempotent. */
    public void end(Sequence sequence) {
        switch (sequence.state()) {
            case NEW, ENDED -> {
                return;
            }
            case WAITING -> queue.take(sequence);
            case RUNNING -> {
                running.remove(sequence);
                blocks.release(sequence);
            }
        }
        unpin(sequence);
        queue.leave(sequence);
        sequence.state(Sequence.State.ENDED);
    }

    /**
     * An adapter is in its slot.
     *
     * @param bytes it takes
     * @return those that can never run because it exceeds the budget; end them
     */
    public List<Sequence> loaded(int slot, long bytes) {
        List<Sequence> waited = adapters.pins(slot);
        return switch (adapters.loaded(slot, bytes)) {
            case READY, NO_ROOM -> List.of();
            case TOO_LARGE -> waited;
        };
    }

    /**
     * An adapter could not be loaded.
     *
     * @return those that waited for it; end them
     */
    public List<Sequence> loadFailed(int slot) {
        List<Sequence> waited = adapters.pins(slot);
        adapters.failed(slot);
        return waited;
    }

    /**
     * The device had no room for an adapter, whatever the budget says. Those that waited for it try
     * again once others were evicted.
     *
     * @param bytes it takes
     * @param free bytes that were free, though not in one piece
     * @return those that can never run because it found no room though no other was there; end them
     */
    public List<Sequence> outOfMemory(int slot, long bytes, long free) {
        List<Sequence> waited = adapters.pins(slot);
        return adapters.outOfMemory(slot, bytes, free) ? List.of() : waited;
    }

    /**
     * The device is a new one that holds nothing. Running sequences start over, keeping their
     * tokens; no adapter is resident, and none that was being loaded will arrive.
     */
    public void reset() {
        for (Sequence sequence : List.copyOf(running).reversed()) {
            preempt(sequence);
        }
        adapters.forget();
    }

    /** The next step; empty if nothing can run before something is admitted or loaded. */
    public Batch next() {
        if (growDecodes()) {
            admitWaiting();
        }
        return batch();
    }

    /**
     * Books a step that was run.
     *
     * @param sampled [samples]: an id for each span that samples, in span order; that of a sequence
     *     ended or preempted since is ignored
     * @return [spans]: whether the span was booked
     */
    public boolean[] commit(Batch batch, int[] sampled) {
        if (sampled.length != batch.samples()) {
            throw new IllegalArgumentException(
                    batch.samples() + " spans sample, " + sampled.length + " ids were given");
        }
        boolean[] booked = new boolean[batch.spans().size()];
        int next = 0;
        for (int i = 0; i < booked.length; i++) {
            Span span = batch.spans().get(i);
            Sequence sequence = span.sequence();
            int id = span.samples() ? sampled[next++] : -1;
            booked[i] = sequence.state() == Sequence.State.RUNNING;
            if (!booked[i]) {
                continue;
            }
            sequence.advance(span.rows());
            if (span.samples() && sequence.sampling().maxTokens() > 0) {
                sequence.append(id);
                queue.charge(sequence, FairQueue.COMPLETION_WEIGHT);
            }
        }
        return booked;
    }

    /** Gives every running sequence the blocks of its next token; false if some were preempted. */
    private boolean growDecodes() {
        boolean roomForAll = true;
        for (Sequence sequence : List.copyOf(running)) {
            while (sequence.state() == Sequence.State.RUNNING
                    && !blocks.grow(sequence, sequence.length())) {
                preempt(victim());
                roomForAll = false;
            }
        }
        return roomForAll;
    }

    private Sequence victim() {
        Sequence victim = null;
        for (Sequence sequence : running) {
            if (victim == null || queue.served(sequence) >= queue.served(victim)) {
                victim = sequence;
            }
        }
        if (victim == null) {
            throw new IllegalStateException("KV blocks ran out with nothing running");
        }
        return victim;
    }

    private void preempt(Sequence sequence) {
        running.remove(sequence);
        blocks.release(sequence);
        unpin(sequence);
        sequence.state(Sequence.State.WAITING);
        queue.putBack(sequence);
    }

    private void admitWaiting() {
        adapterRoom = true;
        while (running.size() < maxSequences) {
            Sequence sequence = queue.first(this::ready);
            if (sequence == null || !blocks.grow(sequence, sequence.length() + 1)) {
                return;
            }
            queue.take(sequence);
            running.add(sequence);
            sequence.state(Sequence.State.RUNNING);
            if (!sequence.charged()) {
                sequence.charge();
                queue.charge(sequence, (long) FairQueue.PROMPT_WEIGHT * sequence.promptLength());
            }
        }
    }

    /** Whether a waiting sequence lacks nothing but KV blocks; a cold adapter starts to load. */
    private boolean ready(Sequence sequence) {
        AdapterRef adapter = sequence.adapter();
        if (adapter == null) {
            return true;
        }
        if (sequence.slot() == Sequence.NO_SLOT) {
            adapterRoom = adapterRoom && adapters.pin(sequence, adapter);
        }
        return sequence.slot() != Sequence.NO_SLOT && adapters.ready(sequence);
    }

    private Batch batch() {
        List<Span> spans = new ArrayList<>(running.size());
        List<Sequence> prefilling = new ArrayList<>();
        int budget = tokenBudget;
        for (Sequence sequence : running) {
            if (gap(sequence) == 1) {
                spans.add(new Span(sequence, 0, 1, true));
                budget--;
            } else {
                prefilling.add(sequence);
            }
        }
        int scored = MOST_SCORED;
        for (Map.Entry<Sequence, Integer> share : PrefillShares.of(prefilling, budget).entrySet()) {
            Sequence sequence = share.getKey();
            int rows = share.getValue();
            if (sequence.scoresPrompt()) {
                rows = Math.min(rows, scored);
                scored -= rows;
                if (rows == 0) {
                    continue;
                }
            }
            spans.add(new Span(sequence, 0, rows, rows == gap(sequence)));
            budget -= rows;
        }
        spans.sort(BY_ADAPTER);
        return lay(spans, tokenBudget - budget);
    }

    /** Puts spans, sorted by adapter, into rows. */
    private static Batch lay(List<Span> spans, int rows) {
        List<Span> placed = new ArrayList<>(spans.size());
        int[] tokens = new int[rows];
        int[] positions = new int[rows];
        int[] spanOfRow = new int[rows];
        int[] starts = new int[spans.size() + 1];
        int[] slots = new int[spans.size()];
        int segments = 0;
        int row = 0;
        for (Span span : spans) {
            Sequence sequence = span.sequence();
            placed.add(new Span(sequence, row, span.rows(), span.samples()));
            for (int i = 0; i < span.rows(); i++, row++) {
                positions[row] = sequence.computed() + i;
                tokens[row] = sequence.token(positions[row]);
                spanOfRow[row] = placed.size() - 1;
            }
            if (sequence.slot() != Sequence.NO_SLOT) {
                if (segments == 0 || slots[segments - 1] != sequence.slot()) {
                    slots[segments++] = sequence.slot();
                }
                starts[segments] = row;
            }
        }
        return new Batch(
                placed,
                new LoraSegments(
                        Arrays.copyOf(starts, segments + 1), Arrays.copyOf(slots, segments)),
                tokens,
                positions,
                spanOfRow);
    }

    private static int gap(Sequence sequence) {
        return sequence.length() - sequence.computed();
    }

    private void unpin(Sequence sequence) {
        if (sequence.slot() != Sequence.NO_SLOT) {
            adapters.unpin(sequence);
        }
    }

    /**
     * @throws IllegalStateException if a block, a pin or a sequence is lost or counted twice
     */
    void checkIntegrity() {
        Set<Sequence> all = new HashSet<>(running);
        List<Sequence> waiting = queue.waiting();
        all.addAll(waiting);
        if (all.size() != running.size() + waiting.size() || running.size() > maxSequences) {
            throw new IllegalStateException(
                    running.size() + " run, " + waiting.size() + " wait, together " + all.size());
        }
        check(running, Sequence.State.RUNNING);
        check(waiting, Sequence.State.WAITING);
        for (Sequence sequence : waiting) {
            if (sequence.blockCount() != 0 || sequence.computed() != 0) {
                throw new IllegalStateException(sequence + " waits and holds blocks");
            }
        }
        for (Sequence sequence : running) {
            boolean adapterThere = sequence.adapter() == null || adapters.ready(sequence);
            boolean enough =
                    (long) sequence.blockCount() * blocks.blockTokens() >= sequence.computed();
            if (!adapterThere || !enough || gap(sequence) < 1) {
                throw new IllegalStateException(sequence + " should not be running");
            }
        }
        blocks.checkIntegrity(running);
        adapters.checkIntegrity(all);
        queue.checkIntegrity();
    }

    private static void check(Iterable<Sequence> sequences, Sequence.State expected) {
        for (Sequence sequence : sequences) {
            if (sequence.state() != expected) {
                throw new IllegalStateException(sequence + " should be " + expected);
            }
        }
    }
}
