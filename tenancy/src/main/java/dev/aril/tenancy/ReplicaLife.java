package dev.aril.tenancy;

import java.time.Duration;
import java.util.List;
import java.util.UUID;
import java.util.concurrent.Executors;
import java.util.concurrent.ScheduledExecutorService;
import java.util.concurrent.TimeUnit;
import org.slf4j.Logger;
import org.slf4j.LoggerFactory;
import org.springframework.jdbc.core.simple.JdbcClient;

/**
 * This process among those that share the database: says that it lives, and clears up after those
 * that no longer do. What a killed process held is free again within 30 seconds.
 */
final class ReplicaLife implements AutoCloseable {
    private static final Logger LOG = LoggerFactory.getLogger(ReplicaLife.class);

    private static final Duration BEAT = Duration.ofSeconds(2);
    private static final Duration SWEEP = Duration.ofSeconds(2);

    /** Without a beat for so long a process is taken for dead. */
    private static final Duration DEAD_AFTER = Duration.ofSeconds(12);

    /**
     * How long the database must have answered before others' silence means anything: after an
     * outage of its own, they need time to be heard.
     */
    private static final Duration LISTENED = Duration.ofSeconds(6);

    /**
     * A beat that the database takes longer for is a gap too. A shorter one is none: others, kept
     * waiting as long, are still far from being taken for dead.
     */
    private static final Duration SLOW = Duration.ofSeconds(5);

    private static final int SWEPT_AT_ONCE = 200;

    private final RowSecurity rows;
    private final JdbcClient sql;
    private final UUID replica;
    private final Quota quota;
    private final Tenants tenants;

    // A slow sweep must not make this process look dead.
    private final ScheduledExecutorService beating =
            Executors.newSingleThreadScheduledExecutor(daemon("replica-beat"));
    private final ScheduledExecutorService sweeping =
            Executors.newSingleThreadScheduledExecutor(daemon("replica-sweep"));

    /** By {@link System#nanoTime}: since when every beat has been written. */
    private volatile long unbrokenSince = System.nanoTime();

    ReplicaLife(RowSecurity rows, JdbcClient sql, UUID replica, Quota quota, Tenants tenants) {
        this.rows = rows;
        this.sql = sql;
        this.replica = replica;
        this.quota = quota;
        this.tenants = tenants;
    }

    /** The first beat is written before anything can be reserved. */
    void begin() {
        beat();
        openPartitions();
        every(beating, BEAT, "heartbeat", this::beatOrNote);
        every(sweeping, SWEEP, "sweep", this::sweep);
        every(sweeping, Duration.ofSeconds(10), "look for lost answers", this::forgetLost);
        every(sweeping, Duration.ofSeconds(30), "clean windows", this::cleanWindows);
        every(sweeping, Duration.ofMinutes(1), "purge", tenants::purge);
        every(sweeping, Duration.ofHours(6), "partitions", this::openPartitions);
    }

    private static void every(
            ScheduledExecutorService on, Duration time, String what, Runnable work) {
        on.scheduleWithFixedDelay(
                () -> {
                    try {
                        work.run();
                    } catch (RuntimeException e) {
                        LOG.warn("{} failed, will be tried again: {}", what, e.toString());
                    }
                },
                time.toMillis(),
                time.toMillis(),
                TimeUnit.MILLISECONDS);
    }

    private void beatOrNote() {
        long begun = System.nanoTime();
        try {
            beat();
        } catch (RuntimeException e) {
            unbrokenSince = System.nanoTime();
            throw e;
        }
        if (System.nanoTime() - begun > SLOW.toNanos()) {
            unbrokenSince = System.nanoTime();
        }
    }

    private void beat() {
        rows.ofAll(() ->
                sql.sql(
                                """
                                insert into replicas (id, seen_at) values (:id, clock_timestamp())
                                on conflict (id) do update set seen_at = excluded.seen_at
                                """)
                        .param("id", replica)
                        .update());
    }

    /** Settles by their checkpoints, or frees, the reservations of the dead. */
    void sweep() {
        if (System.nanoTime() - unbrokenSince < LISTENED.toNanos()) {
            return;
        }
        int swept;
        do {
            swept =
                    rows.ofAll(() ->
                            sql.sql("select quota_sweep(make_interval(secs => :silent), :most)")
                                    .param("silent", DEAD_AFTER.toSeconds())
                                    .param("most", SWEPT_AT_ONCE)
                                    .query(Integer.class)
                                    .single());
            if (swept > 0) {
                LOG.warn("freed {} reservations of a server that is gone", swept);
            }
        } while (swept == SWEPT_AT_ONCE);
    }

    private record Held(UUID id, UUID tenant) {}

    /** Rows of this process whose answer was lost with a connection. */
    void forgetLost() {
        List<Held> old =
                rows.ofAll(() ->
                        sql.sql(
                                        """
                                        select id, tenant_id as tenant from reservations
                                        where replica = :replica
                                          and admitted_at < clock_timestamp() - interval '10 s'
                                        """)
                                .param("replica", replica)
                                .query((row, _) ->
                                        new Held(
                                                row.getObject("id", UUID.class),
                                                row.getObject("tenant", UUID.class)))
                                .list());
        for (Held held : old) {
            if (!quota.holds(held.id())) {
                quota.forget(held.id(), new TenantId(held.tenant()));
            }
        }
    }

    private void cleanWindows() {
        rows.ofAll(() ->
                sql.sql(
                                """
                                delete from quota_windows
                                where reserved = 0
                                  and starts_at < clock_timestamp() - case
                                      when metric in ('requests_per_minute', 'tokens_per_minute')
                                          then interval '2 minutes'
                                      else interval '40 days' end
                                  and metric <> 'concurrent_requests'
                                """)
                        .update());
    }

    private void openPartitions() {
        rows.ofAll(() -> {
            sql.sql("select usage_partitions(clock_timestamp())").query(_ -> {});
            return true;
        });
    }

    private static java.util.concurrent.ThreadFactory daemon(String name) {
        return work -> {
            Thread thread = new Thread(work, name);
            thread.setDaemon(true);
            return thread;
        };
    }

    @Override
    public void close() {
        beating.shutdownNow();
        sweeping.shutdownNow();
    }
}
