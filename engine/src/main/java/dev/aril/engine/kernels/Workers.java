package dev.aril.engine.kernels;

import java.util.concurrent.atomic.AtomicInteger;
import java.util.concurrent.locks.LockSupport;
import java.util.function.IntConsumer;
import org.jspecify.annotations.Nullable;

/**
 * Runs a loop's iterations on all cores. Operations follow each other within microseconds, so idle
 * workers spin for a moment before they park; which worker runs an iteration never changes its
 * result.
 */
final class Workers implements AutoCloseable {
    /** About as long as the serial stretch between two operations, in turns of the spin loop. */
    private static final int SPINS = 4_000;

    private static final class Job {
        final int tasks;
        final IntConsumer body;
        final AtomicInteger next = new AtomicInteger();
        final AtomicInteger done = new AtomicInteger();
        volatile @Nullable Throwable failure;

        Job(int tasks, IntConsumer body) {
            this.tasks = tasks;
            this.body = body;
        }

        void help() {
            for (int i = next.getAndIncrement(); i < tasks; i = next.getAndIncrement()) {
                try {
                    body.accept(i);
                } catch (Throwable t) { // handed to the caller of run
                    failure = t;
                }
                done.getAndIncrement();
            }
        }
    }

    private final Thread[] threads;
    private volatile @Nullable Job job;
    private volatile boolean open = true;

    /**
     * @param size threads that work, the caller of {@link #run} included
     */
    Workers(int size) {
        threads = new Thread[size - 1];
        for (int i = 0; i < threads.length; i++) {
            threads[i] = Thread.ofPlatform().daemon().name("kernels-" + (i + 1)).start(this::work);
        }
    }

    int size() {
        return threads.length + 1;
    }

    private void work() {
        Job last = null;
        int idle = 0;
        while (open) {
            Job now = job;
            if (now != null && now != last) {
                now.help();
                last = now;
                idle = 0;
            } else if (++idle < SPINS) {
                Thread.onSpinWait();
            } else {
                LockSupport.park(this);
            }
        }
    }

    /**
     * Runs body for 0 .. tasks - 1 and returns when all are done.
     *
     * @throws IllegalStateException with the cause, if an iteration threw
     */
    void run(int tasks, IntConsumer body) {
        if (tasks <= 1 || threads.length == 0) {
            for (int i = 0; i < tasks; i++) {
                body.accept(i);
            }
            return;
        }
        Job mine = new Job(tasks, body);
        job = mine;
        for (Thread thread : threads) {
            LockSupport.unpark(thread); // a flag test where the thread is awake
        }
        mine.help();
        while (mine.done.get() < tasks) {
            Thread.onSpinWait();
        }
        job = null;
        if (mine.failure != null) {
            throw new IllegalStateException("a kernel failed", mine.failure);
        }
    }

    @Override
    public void close() {
        open = false;
        for (Thread thread : threads) {
            LockSupport.unpark(thread);
        }
    }
}
