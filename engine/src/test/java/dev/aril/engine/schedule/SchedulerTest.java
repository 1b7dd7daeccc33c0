package dev.aril.engine.schedule;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;

import dev.aril.engine.AdapterRef;
import dev.aril.engine.SamplingParams;
import java.nio.file.Path;
import java.util.ArrayDeque;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.Deque;
import java.util.HashMap;
import java.util.HashSet;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import java.util.Objects;
import java.util.Random;
import java.util.Set;
import java.util.stream.IntStream;
import org.jspecify.annotations.Nullable;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.ValueSource;

class SchedulerTest {
    /** Loads adapters when the test says so, and checks that slots are used properly. */
    private static final class Shelf implements AdapterLoader {
        final Map<Integer, AdapterRef> loading = new LinkedHashMap<>();
        final Map<Integer, AdapterRef> there = new HashMap<>();
        final Map<Integer, Long> sizes = new HashMap<>();
        final Deque<String> log = new ArrayDeque<>();
        long bytes;

        @Override
        public void load(AdapterRef adapter, int slot) {
            assertThat(loading).doesNotContainKey(slot);
            assertThat(there).doesNotContainKey(slot);
            loading.put(slot, adapter);
            log.add("load " + slot);
        }

        @Override
        public void evict(int slot) {
            assertThat(there.remove(slot)).as("what was in slot %s", slot).isNotNull();
            bytes -= Objects.requireNonNull(sizes.remove(slot));
            log.add("evict " + slot);
        }

        List<Sequence> arrive(Scheduler scheduler, int slot, long size) {
            there.put(slot, loading.remove(slot));
            sizes.put(slot, size);
            bytes += size;
            return scheduler.loaded(slot, size);
        }

        /** The device is another one. */
        void lose() {
            loading.clear();
            there.clear();
            sizes.clear();
            bytes = 0;
        }
    }

    private static AdapterRef adapter(int number) {
        return new AdapterRef(String.format("%064x", number), Path.of("adapter" + number));
    }

    private static Sequence sequence(
            String id, String flow, int prompt, int maxTokens, @Nullable AdapterRef adapter) {
        return new Sequence(
                id,
                flow,
                IntStream.range(0, prompt).toArray(),
                adapter,
                SamplingParams.greedy(maxTokens),
                0);
    }

    private static Scheduler scheduler(int budget, int sequences, int blocks, Shelf shelf) {
        return new Scheduler(
                budget, sequences, new KvBlocks(blocks, 4), new ResidentAdapters(2, 1000, shelf));
    }

    private static int[] zeros(Batch batch) {
        return new int[batch.samples()];
    }

    @ParameterizedTest
    @ValueSource(longs = {1, 2, 3, 4, 5, 6})
    void booksBalanceThroughAnyHistory(long seed) {
        Random random = new Random(seed);
        int budget = 8 + random.nextInt(120);
        int most = 1 + random.nextInt(8);
        int adapters = 8;
        Shelf shelf = new Shelf();
        KvBlocks blocks = new KvBlocks(12 + random.nextInt(30), 4);
        ResidentAdapters residents = new ResidentAdapters(1 + random.nextInt(4), 1000, shelf);
        Scheduler scheduler = new Scheduler(budget, most, blocks, residents);
        // 5 is too large for the budget and 6 always fails
        long[] bytes = {100, 400, 900, 300, 700, 1001, 100, 1000};
        Set<Sequence> live = new HashSet<>();
        Map<Sequence, int[]> written = new HashMap<>();
        long memory = 750 + random.nextInt(250); // the device has less than the budget promises
        int outOfMemory = 0;
        int submitted = 0;
        int finished = 0;
        int steps = 0;
        int idleSteps = 0;
        while (submitted < 300 || !live.isEmpty()) {
            check(steps++ < 20_000, "everything ends");
            if (submitted < 300 && random.nextInt(3) == 0) {
                int kind = random.nextInt(adapters + 4);
                int prompt = 1 + random.nextInt(30);
                Sequence next =
                        sequence(
                                "s" + submitted++,
                                "flow" + random.nextInt(5),
                                prompt,
                                1 + random.nextInt(48 - prompt),
                                kind < adapters ? adapter(kind) : null);
                scheduler.admit(next);
                live.add(next);
            }
            if (random.nextInt(100) == 0) {
                scheduler.reset();
                shelf.lose();
                written.clear();
                assertThat(scheduler.running()).isZero();
                assertThat(blocks.free()).isEqualTo(blocks.count());
                assertThat(residents.bytes()).isZero();
            }
            if (random.nextInt(30) == 0 && !live.isEmpty()) {
                Sequence cancelled = List.copyOf(live).get(random.nextInt(live.size()));
                scheduler.end(cancelled);
                live.remove(cancelled);
            }
            for (int slot : List.copyOf(shelf.loading.keySet())) {
                if (random.nextInt(3) == 0) {
                    int number = number(shelf.loading.get(slot));
                    List<Sequence> failed;
                    long free = memory - shelf.bytes;
                    if (number == 6) {
                        shelf.loading.remove(slot);
                        failed = scheduler.loadFailed(slot);
                    } else if (number != 5 && bytes[number] > free) {
                        shelf.loading.remove(slot);
                        failed = scheduler.outOfMemory(slot, bytes[number], free);
                        outOfMemory++;
                    } else {
                        failed = shelf.arrive(scheduler, slot, bytes[number]);
                    }
                    boolean never = number == 5 || number == 6 || bytes[number] > memory;
                    assertThat(never || failed.isEmpty()).isTrue();
                    failed.forEach(scheduler::end);
                    live.removeAll(failed);
                }
            }
            scheduler.checkIntegrity();
            Batch batch = scheduler.next();
            scheduler.checkIntegrity();
            checkBatch(batch, budget, shelf, written);
            idleSteps = batch.isEmpty() && shelf.loading.isEmpty() ? idleSteps + 1 : 0;
            assertThat(idleSteps == 0 || live.isEmpty() || idleSteps < 2)
                    .as("sequences wait though nothing is running or loading")
                    .isTrue();
            if (batch.isEmpty()) {
                continue;
            }
            int[] sampled = new int[batch.samples()];
            Arrays.setAll(sampled, i -> random.nextInt(1000));
            // while the step runs, one of its sequences may go
            Sequence gone = null;
            if (random.nextInt(30) == 0) {
                gone = batch.spans().get(random.nextInt(batch.spans().size())).sequence();
                scheduler.end(gone);
                live.remove(gone);
            }
            boolean[] booked = scheduler.commit(batch, sampled);
            int sample = 0;
            for (int i = 0; i < booked.length; i++) {
                Span span = batch.spans().get(i);
                Sequence s = span.sequence();
                assertThat(booked[i]).isEqualTo(s != gone);
                if (span.samples()) {
                    int id = sampled[sample++];
                    if (!booked[i]) {
                        continue;
                    }
                    assertThat(s.token(s.length() - 1)).isEqualTo(id);
                    if (s.completionLength() == s.sampling().maxTokens()
                            || random.nextInt(60) == 0) {
                        scheduler.end(s);
                        live.remove(s);
                        finished++;
                    }
                }
            }
            scheduler.checkIntegrity();
        }
        assertThat(finished).isGreaterThan(75);
        assertThat(outOfMemory).isPositive();
        assertThat(scheduler.next().isEmpty()).isTrue();
        assertThat(blocks.free()).isEqualTo(blocks.count());
        assertThat(scheduler.waiting() + scheduler.running()).isZero();
    }

    private static int number(@Nullable AdapterRef adapter) {
        return adapter == null ? -1 : Integer.parseInt(adapter.digest(), 16);
    }

    /** Every row is where it belongs; the cache then holds exactly what was computed. */
    private static void checkBatch(
            Batch batch, int budget, Shelf shelf, Map<Sequence, int[]> written) {
        assertThat(batch.rows()).isLessThanOrEqualTo(budget);
        LoraSegments segments = batch.segments();
        int row = 0;
        for (int i = 0; i < batch.spans().size(); i++) {
            Span span = batch.spans().get(i);
            Sequence s = span.sequence();
            check(span.firstRow() == row && span.rows() > 0, "rows are laid without gaps");
            check(
                    span.samples() == (s.computed() + span.rows() == s.length()),
                    "a span samples if it reaches the last token");
            int[] cache = written.computeIfAbsent(s, fresh -> new int[64]);
            for (int r = 0; r < span.rows(); r++, row++) {
                int position = batch.position(row);
                check(batch.spanOfRow()[row] == i, "spanOfRow");
                check(position == s.computed() + r, "positions go on where the cache ends");
                check(batch.token(row) == s.token(position), "tokens");
                check(position / 4 < s.blockCount(), "a block for each position");
                check(slotOfRow(segments, row) == s.slot(), "segments");
                cache[position] = batch.token(row);
            }
            for (int p = 0; p < s.computed() + span.rows(); p++) {
                check(cache[p] == s.token(p), "the cache holds what was computed");
            }
            AdapterRef there = s.slot() >= 0 ? shelf.there.get(s.slot()) : null;
            check(Objects.equals(there, s.adapter()), "the slot holds the sequence's adapter");
        }
        check(row == batch.rows(), "all rows belong to a span");
        check(
                IntStream.of(segments.slots()).distinct().count() == segments.count(),
                "one segment a slot");
    }

    /** As assertThat, for checks by the hundred thousand. */
    private static void check(boolean holds, String what) {
        if (!holds) {
            throw new AssertionError("does not hold: " + what);
        }
    }

    private static int slotOfRow(LoraSegments segments, int row) {
        for (int i = 0; i < segments.count(); i++) {
            if (row >= segments.starts()[i] && row < segments.starts()[i + 1]) {
                return segments.slots()[i];
            }
        }
        return Sequence.NO_SLOT;
    }

    @Test
    void aFloodOfOneFlowHoldsUpNobodyElse() {
        Scheduler scheduler = scheduler(16, 4, 100, new Shelf());
        List<Sequence> flood = new ArrayList<>();
        for (int i = 0; i < 50; i++) {
            flood.add(sequence("flood" + i, "flood", 8, 8, null));
            scheduler.admit(flood.get(i));
        }
        run(scheduler, 10);
        Sequence late = sequence("late", "modest", 8, 8, null);
        scheduler.admit(late);
        long floodBefore = served(flood);
        int steps = 0;
        while (late.completionLength() < 8) {
            run(scheduler, 1);
            steps++;
        }
        // a place is free after at most 9 steps of the four that run, then its own prompt and 8 ids
        assertThat(steps).isLessThan(9 + 8 + 4);
        assertThat(served(flood)).isGreaterThan(floodBefore);
    }

    @Test
    void backloggedFlowsAreServedAlike() {
        Scheduler scheduler = scheduler(64, 8, 200, new Shelf());
        List<Sequence> many = new ArrayList<>();
        List<Sequence> few = new ArrayList<>();
        for (int i = 0; i < 300; i++) {
            // short answers against long ones: tokens count, not requests
            Sequence a = sequence("a" + i, "short", 4, 4, null);
            scheduler.admit(a);
            many.add(a);
            if (i < 60) {
                Sequence b = sequence("b" + i, "long", 24, 24, null);
                scheduler.admit(b);
                few.add(b);
            }
        }
        run(scheduler, 80);
        double ratio = (double) cost(many) / cost(few);
        assertThat(ratio).isBetween(0.85, 1.18);
    }

    @Test
    void idlingSavesUpNoCredit() {
        Scheduler scheduler = scheduler(16, 2, 100, new Shelf());
        for (int i = 0; i < 100; i++) {
            scheduler.admit(sequence("old" + i, "old", 8, 8, null));
        }
        run(scheduler, 200);
        List<Sequence> fresh = new ArrayList<>();
        List<Sequence> old = new ArrayList<>();
        for (int i = 0; i < 40; i++) {
            fresh.add(sequence("new" + i, "new", 8, 8, null));
            old.add(sequence("older" + i, "other", 8, 8, null));
            scheduler.admit(fresh.get(i));
            scheduler.admit(old.get(i));
        }
        run(scheduler, 100);
        // alike at once: the newcomer does not first catch up with what the others had before
        assertThat(Math.abs(cost(fresh) - cost(old))).isLessThanOrEqualTo(3 * (8 + 16));
    }

    @Test
    void aColdAdapterHoldsUpNobodyAndItsFailureEndsThoseThatWait() {
        Shelf shelf = new Shelf();
        Scheduler scheduler = scheduler(16, 4, 100, shelf);
        Sequence cold = sequence("cold", "a", 4, 4, adapter(1));
        Sequence too = sequence("too", "b", 4, 4, adapter(1));
        Sequence warm = sequence("warm", "a", 4, 4, null);
        scheduler.admit(cold);
        scheduler.admit(warm);
        scheduler.admit(too);
        Batch batch = scheduler.next();
        assertThat(batch.spans()).extracting(Span::sequence).containsExactly(warm);
        assertThat(shelf.loading).hasSize(1);
        scheduler.commit(batch, zeros(batch));
        shelf.loading.clear();
        assertThat(scheduler.loadFailed(0)).containsExactly(cold, too);
        scheduler.end(cold);
        scheduler.end(too);
        scheduler.checkIntegrity();
        assertThat(scheduler.waiting()).isZero();
        // a later request tries again
        scheduler.admit(sequence("again", "a", 4, 4, adapter(1)));
        scheduler.next();
        assertThat(shelf.loading).hasSize(1);
    }

    @Test
    void leastRecentlyUsedAdapterMakesRoomAndPinnedOnesStay() {
        Shelf shelf = new Shelf();
        Scheduler scheduler = scheduler(16, 4, 100, shelf);
        Sequence first = sequence("1", "a", 4, 9, adapter(1));
        Sequence second = sequence("2", "a", 4, 9, adapter(2));
        scheduler.admit(first);
        scheduler.admit(second);
        scheduler.next();
        shelf.arrive(scheduler, 0, 10);
        shelf.arrive(scheduler, 1, 10);
        run(scheduler, 2);
        Sequence third = sequence("3", "b", 4, 9, adapter(3));
        scheduler.admit(third);
        run(scheduler, 1);
        assertThat(shelf.log).containsExactly("load 0", "load 1");
        // the second was used last, though it was loaded last too: end it first, then the first
        scheduler.end(second);
        scheduler.end(first);
        run(scheduler, 1);
        assertThat(shelf.log).containsExactly("load 0", "load 1", "evict 1", "load 1");
    }

    @Test
    void whileOneWaitsForAdapterRoomNoneTakesANewAdapter() {
        Shelf shelf = new Shelf();
        Scheduler scheduler = scheduler(16, 8, 100, shelf);
        Sequence a = sequence("a", "greedy", 4, 40, adapter(1));
        Sequence b = sequence("b", "greedy", 4, 40, adapter(2));
        scheduler.admit(a);
        scheduler.admit(b);
        scheduler.next();
        shelf.arrive(scheduler, 0, 10);
        shelf.arrive(scheduler, 1, 10);
        run(scheduler, 3);
        Sequence starved = sequence("starved", "modest", 4, 4, adapter(3));
        scheduler.admit(starved);
        List<Sequence> joining = new ArrayList<>();
        for (int i = 0; i < 20; i++) {
            joining.add(sequence("join" + i, "greedy", 4, 4, adapter(1 + i % 2)));
            scheduler.admit(joining.get(i));
        }
        Sequence plain = sequence("plain", "greedy", 4, 4, null);
        scheduler.admit(plain);
        run(scheduler, 3);
        assertThat(joining).allMatch(s -> s.computed() == 0);
        assertThat(plain.computed()).isPositive();
        scheduler.end(a);
        run(scheduler, 1);
        assertThat(shelf.loading).containsValue(adapter(3));
    }

    @Test
    void aNewDeviceStartsEverybodyOverInTheirOrder() {
        Shelf shelf = new Shelf();
        Scheduler scheduler = scheduler(16, 3, 100, shelf);
        List<Sequence> all = new ArrayList<>();
        for (int i = 0; i < 5; i++) {
            all.add(sequence("s" + i, "x", 4, 9, i == 0 ? adapter(1) : null));
            scheduler.admit(all.get(i));
            if (i == 0) {
                scheduler.next();
                shelf.arrive(scheduler, 0, 10);
            }
        }
        run(scheduler, 3);
        List<Sequence> before = all.stream().filter(s -> s.computed() > 0).toList();
        assertThat(before).containsExactlyElementsOf(all.subList(0, 3));
        int[] tokens = Arrays.copyOf(all.get(0).tokens(), all.get(0).length());
        scheduler.reset();
        shelf.lose();
        scheduler.checkIntegrity();
        assertThat(all).allMatch(s -> s.computed() == 0 && s.slot() == Sequence.NO_SLOT);
        assertThat(Arrays.copyOf(all.get(0).tokens(), all.get(0).length())).isEqualTo(tokens);
        // an adapter that was there has to come again
        run(scheduler, 1);
        assertThat(shelf.loading).containsValue(adapter(1));
        shelf.arrive(scheduler, shelf.loading.keySet().iterator().next(), 10);
        run(scheduler, 30);
        assertThat(all).allMatch(s -> s.completionLength() == 9);
    }

    @Test
    void anAdapterThatFindsNoMemoryWaitsUntilOthersLeave() {
        Shelf shelf = new Shelf();
        Scheduler scheduler = scheduler(16, 4, 100, shelf);
        Sequence running = sequence("r", "a", 4, 40, adapter(1));
        scheduler.admit(running);
        scheduler.next();
        shelf.arrive(scheduler, 0, 300);
        run(scheduler, 1);
        Sequence waits = sequence("w", "b", 4, 4, adapter(2));
        scheduler.admit(waits);
        run(scheduler, 1);
        assertThat(shelf.loading.remove(1)).isEqualTo(adapter(2));
        // the books have room for 700 more, the device has not
        assertThat(scheduler.outOfMemory(1, 300, 100)).isEmpty();
        run(scheduler, 5);
        assertThat(shelf.loading).as("nothing is tried that cannot succeed").isEmpty();
        scheduler.end(running);
        run(scheduler, 1);
        assertThat(shelf.log).endsWith("evict 0", "load 0");
        // alone on the device: there is nothing left to wait for
        shelf.loading.clear();
        assertThat(scheduler.outOfMemory(0, 300, 250)).containsExactly(waits);
        scheduler.end(waits);
        scheduler.checkIntegrity();
    }

    @Test
    void preemptionKeepsTokensAndStartsOver() {
        // 6 blocks of 4: two sequences of 12 + 1 do not fit for long
        Scheduler scheduler = scheduler(32, 2, 6, new Shelf());
        Sequence a = sequence("a", "x", 8, 12, null);
        Sequence b = sequence("b", "y", 8, 12, null);
        scheduler.admit(a);
        scheduler.admit(b);
        boolean preempted = false;
        int[] before = {};
        for (int i = 0; i < 60 && (a.completionLength() < 12 || b.completionLength() < 12); i++) {
            Batch batch = scheduler.next();
            scheduler.checkIntegrity();
            for (Sequence s : List.of(a, b)) {
                if (s.computed() == 0 && s.completionLength() > 0) {
                    preempted = true;
                    before = Arrays.copyOfRange(s.tokens(), 8, s.length());
                    assertThat(before).containsOnly(7);
                }
            }
            int[] sampled = zeros(batch);
            Arrays.fill(sampled, 7);
            scheduler.commit(batch, sampled);
            for (Span span : batch.spans()) {
                if (span.sequence().completionLength() == 12) {
                    scheduler.end(span.sequence());
                }
            }
        }
        assertThat(preempted).isTrue();
        assertThat(before).isNotEmpty();
        assertThat(a.completionLength()).isEqualTo(12);
        assertThat(b.completionLength()).isEqualTo(12);
    }

    @Test
    void longPromptsAreComputedInChunksBesideDecodes() {
        Scheduler scheduler = scheduler(10, 4, 100, new Shelf());
        Sequence decoding = sequence("d", "a", 1, 50, null);
        scheduler.admit(decoding);
        run(scheduler, 1);
        Sequence prompt = sequence("p", "b", 25, 5, null);
        scheduler.admit(prompt);
        int[] computed = new int[3];
        for (int i = 0; i < 3; i++) {
            Batch batch = scheduler.next();
            assertThat(batch.rows()).isEqualTo(i < 2 ? 10 : 8);
            assertThat(batch.samples()).isEqualTo(i < 2 ? 1 : 2);
            scheduler.commit(batch, zeros(batch));
            computed[i] = prompt.computed();
        }
        assertThat(computed).containsExactly(9, 18, 25);
        assertThat(prompt.completionLength()).isEqualTo(1);
    }

    @Test
    void aFlowsManyPromptsLeaveRowsToOthers() {
        Scheduler scheduler = scheduler(128, 64, 2000, new Shelf());
        for (int i = 0; i < 20; i++) {
            scheduler.admit(sequence("bulk" + i, "bulk", 300, 5, null));
        }
        run(scheduler, 2);
        Sequence small = sequence("small", "modest", 60, 5, null);
        scheduler.admit(small);
        run(scheduler, 1);
        assertThat(small.completionLength()).isEqualTo(1);
    }

    @Test
    void limitsAreNamed() {
        assertThatThrownBy(() -> scheduler(3, 4, 10, new Shelf()))
                .hasMessageContaining("tokenBudget must be at least maxSequences (4)");
        assertThatThrownBy(() -> scheduler(3, 0, 10, new Shelf()))
                .hasMessageContaining("maxSequences must be at least 1");
        Scheduler scheduler = scheduler(8, 4, 2, new Shelf());
        assertThatThrownBy(() -> scheduler.admit(sequence("s", "a", 4, 5, null)))
                .hasMessageContaining("9 positions; the KV cache holds 8");
        Batch batch = scheduler.next();
        assertThatThrownBy(() -> scheduler.commit(batch, new int[1]))
                .hasMessageContaining("0 spans sample, 1 ids were given");
    }

    private static void run(Scheduler scheduler, int steps) {
        for (int i = 0; i < steps; i++) {
            Batch batch = scheduler.next();
            scheduler.checkIntegrity();
            scheduler.commit(batch, zeros(batch));
            for (Span span : batch.spans()) {
                Sequence s = span.sequence();
                if (s.completionLength() == s.sampling().maxTokens()) {
                    scheduler.end(s);
                }
            }
        }
    }

    private static long served(List<Sequence> sequences) {
        return sequences.stream().mapToLong(Sequence::completionLength).sum();
    }

    private static long cost(List<Sequence> sequences) {
        return sequences.stream()
                .filter(s -> s.completionLength() > 0)
                .mapToLong(s -> s.promptLength() + 2L * s.completionLength())
                .sum();
    }
}
