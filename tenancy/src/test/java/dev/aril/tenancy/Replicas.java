package dev.aril.tenancy;

import com.zaxxer.hikari.HikariConfig;
import com.zaxxer.hikari.HikariDataSource;
import java.io.IOException;
import java.nio.file.Path;
import java.time.Duration;
import java.time.Instant;
import java.time.InstantSource;
import java.util.ArrayList;
import java.util.List;
import java.util.concurrent.atomic.AtomicReference;
import org.flywaydb.core.Flyway;
import org.springframework.jdbc.core.simple.JdbcClient;
import org.springframework.jdbc.support.JdbcTransactionManager;
import org.springframework.transaction.support.TransactionTemplate;

/** Several servers' tenancies on one new database, each with connections of its own. */
final class Replicas implements AutoCloseable {
    /** Added to every clock: the database's in decisions of the quota, and the servers'. */
    final AtomicReference<Duration> ahead = new AtomicReference<>(Duration.ZERO);

    private final TestPostgres database = TestPostgres.create();
    private final Path folder;
    private final List<HikariDataSource> pools = new ArrayList<>();
    private final List<Tenancy> all = new ArrayList<>();

    Replicas(Path folder, int count) throws IOException {
        this.folder = folder;
        Flyway.configure()
                .dataSource(database.url(), "aril_owner", TestPostgres.password())
                .locations("filesystem:../db/migration")
                .load()
                .migrate();
        for (int i = 0; i < count; i++) {
            start(true);
        }
    }

    /** One more. */
    Tenancy start(boolean listening) throws IOException {
        HikariConfig config = new HikariConfig();
        config.setJdbcUrl(database.url());
        config.setUsername("aril_app");
        config.setPassword(TestPostgres.password());
        config.setMaximumPoolSize(5);
        HikariDataSource pool = new HikariDataSource(config);
        pools.add(pool);
        InstantSource clock = () -> Instant.now().plus(ahead.get());
        Tenancy replica =
                new Tenancy(
                        pool,
                        new TransactionTemplate(new JdbcTransactionManager(pool)),
                        new TenancySettings(
                                folder.resolve("pepper"), folder.resolve("webhook-key"), true),
                        clock,
                        ahead::get,
                        listening);
        all.add(replica);
        return replica;
    }

    Tenancy get(int i) {
        return all.get(i);
    }

    List<Tenancy> all() {
        return all;
    }

    /** As a superuser. */
    JdbcClient sql() {
        return database.sql();
    }

    /** The application's own connections. */
    HikariDataSource pool(int i) {
        return pools.get(i);
    }

    @Override
    public void close() {
        all.forEach(Tenancy::close);
        pools.forEach(HikariDataSource::close);
    }
}
