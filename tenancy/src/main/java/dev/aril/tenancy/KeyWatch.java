package dev.aril.tenancy;

import java.sql.Connection;
import java.sql.SQLException;
import java.time.Duration;
import java.util.OptionalLong;
import javax.sql.DataSource;
import org.jspecify.annotations.Nullable;
import org.postgresql.PGConnection;
import org.slf4j.Logger;
import org.slf4j.LoggerFactory;
import org.springframework.jdbc.core.simple.JdbcClient;
import org.springframework.jdbc.datasource.SingleConnectionDataSource;

/**
 * Have keys or tenants changed? A thread on a connection of its own hears of changes by LISTEN, and
 * asks for their revision several times a second in any case: so a change is known within a second
 * even where notifications are cut off, as by a pooler between.
 */
final class KeyWatch implements AutoCloseable {
    private static final Logger LOG = LoggerFactory.getLogger(KeyWatch.class);

    /** How long an answer about the revision is good: the longest a revoked key may go on. */
    static final Duration GOOD_FOR = Duration.ofSeconds(1);

    private static final Duration BETWEEN = Duration.ofMillis(300);

    /**
     * @param asked by {@link System#nanoTime}, before the database was asked
     */
    private record Confirmed(long revision, long asked) {}

    private final DataSource database;
    private final boolean listening;
    private final Thread thread = new Thread(this::watch, "key-watch");
    private volatile @Nullable Confirmed confirmed;
    private volatile boolean closing;

    /**
     * @param listening false asks only, as where notifications do not arrive
     */
    KeyWatch(DataSource database, boolean listening) {
        this.database = database;
        this.listening = listening;
        thread.setDaemon(true);
        thread.start();
    }

    /** The revision of a moment less than a second ago; empty when nobody knows. */
    OptionalLong revision() {
        Confirmed last = confirmed;
        return last != null && System.nanoTime() - last.asked() < GOOD_FOR.toNanos()
                ? OptionalLong.of(last.revision())
                : OptionalLong.empty();
    }

    private void watch() {
        while (!closing) {
            try (Connection connection = database.getConnection()) {
                JdbcClient sql =
                        JdbcClient.create(new SingleConnectionDataSource(connection, true));
                if (listening) {
                    sql.sql("listen aril_keys").update();
                }
                PGConnection ears = connection.unwrap(PGConnection.class);
                while (!closing) {
                    confirm(sql);
                    pause(ears);
                }
                if (listening) {
                    sql.sql("unlisten aril_keys").update();
                }
            } catch (SQLException | RuntimeException e) {
                if (!closing) {
                    LOG.warn(
                            "changes of keys are not heard, so none is remembered: {}",
                            e.toString());
                }
            } catch (InterruptedException e) {
                return;
            }
            try {
                Thread.sleep(BETWEEN.toMillis());
            } catch (InterruptedException e) {
                return;
            }
        }
    }

    private void confirm(JdbcClient sql) {
        long asked = System.nanoTime();
        long revision = sql.sql("select revision from key_revision").query(Long.class).single();
        confirmed = new Confirmed(revision, asked);
    }

    private void pause(PGConnection ears) throws SQLException, InterruptedException {
        if (listening) {
            ears.getNotifications((int) BETWEEN.toMillis());
        } else {
            Thread.sleep(BETWEEN.toMillis());
        }
    }

    @Override
    public void close() {
        closing = true;
        try {
            thread.join(Duration.ofSeconds(2));
            thread.interrupt();
        } catch (InterruptedException e) {
            Thread.currentThread().interrupt();
        }
    }
}
