package dev.aril.commands;

import com.zaxxer.hikari.HikariConfig;
import com.zaxxer.hikari.HikariDataSource;
import dev.aril.tenancy.Tenancy;
import dev.aril.tenancy.TenancySettings;
import io.zonky.test.db.postgres.embedded.EmbeddedPostgres;
import java.io.IOException;
import java.net.ServerSocket;
import java.nio.file.Files;
import java.nio.file.Path;
import java.time.Duration;
import java.util.List;
import java.util.concurrent.TimeUnit;
import org.flywaydb.core.Flyway;
import org.springframework.core.io.ClassPathResource;
import org.springframework.jdbc.core.simple.JdbcClient;
import org.springframework.jdbc.datasource.DriverManagerDataSource;
import org.springframework.jdbc.datasource.init.ResourceDatabasePopulator;
import org.springframework.jdbc.datasource.init.ScriptUtils;
import org.springframework.util.FileSystemUtils;

/**
 * A PostgreSQL for proofs, in a throw-away folder: as durable as the server's own one, and made to
 * be killed.
 */
final class ProofDatabase implements AutoCloseable {
    private final Path folder;
    private final int port;
    private EmbeddedPostgres server;

    private ProofDatabase(Path folder, int port) throws IOException {
        this.folder = folder;
        this.port = port;
        this.server = launch();
    }

    static ProofDatabase start() throws IOException {
        Path folder = Files.createTempDirectory("aril-proof");
        int port;
        try (ServerSocket free = new ServerSocket(0)) {
            port = free.getLocalPort();
        }
        ProofDatabase database = new ProofDatabase(folder, port);
        var superuser = database.superuser();
        var roles = new ResourceDatabasePopulator(new ClassPathResource("db/roles.sql"));
        roles.setSeparator(ScriptUtils.EOF_STATEMENT_SEPARATOR);
        roles.execute(superuser);
        JdbcClient.create(superuser).sql("alter database postgres owner to aril_owner").update();
        Flyway.configure()
                .dataSource(database.url(), "aril_owner", "")
                .locations("classpath:db/migration")
                .load()
                .migrate();
        return database;
    }

    private EmbeddedPostgres launch() throws IOException {
        return EmbeddedPostgres.builder()
                .setDataDirectory(folder.resolve("data"))
                .setCleanDataDirectory(false)
                .setOverrideWorkingDirectory(folder.resolve("bin").toFile())
                .setRegisterShutdownHook(false)
                .setPort(port)
                .setPGStartupWait(Duration.ofSeconds(60))
                .setServerConfig("fsync", "on")
                .setServerConfig("synchronous_commit", "on")
                .setServerConfig("listen_addresses", "127.0.0.1")
                .setServerConfig("max_connections", "100")
                .start();
    }

    /** kill -9 of the postmaster; returns when it serves again, with how long that took. */
    Duration killAndRestart() throws IOException, InterruptedException {
        List<String> lines = Files.readAllLines(folder.resolve("data/postmaster.pid"));
        ProcessHandle postmaster =
                ProcessHandle.of(Long.parseLong(lines.getFirst().strip())).orElseThrow();
        List<ProcessHandle> backends = postmaster.descendants().toList();
        long begun = System.nanoTime();
        postmaster.destroyForcibly();
        postmaster.onExit().orTimeout(30, TimeUnit.SECONDS).join();
        for (ProcessHandle backend : backends) {
            // They notice by themselves; the memory they share must be free before the next start.
            backend.onExit().orTimeout(30, TimeUnit.SECONDS).join();
        }
        // Lets go of the library's lock; there is no server left to stop.
        server.close();
        server = launch();
        return Duration.ofNanos(System.nanoTime() - begun);
    }

    String url() {
        return "jdbc:postgresql://127.0.0.1:" + port + "/postgres";
    }

    Path folder() {
        return folder;
    }

    private DriverManagerDataSource superuser() {
        return new DriverManagerDataSource(url(), "postgres", "");
    }

    JdbcClient sql() {
        return JdbcClient.create(superuser());
    }

    /** One server's tenancy with connections of its own. */
    Server replica() throws IOException {
        return replica(url(), folder);
    }

    static Server replica(String url, Path folder) throws IOException {
        HikariConfig config = new HikariConfig();
        config.setJdbcUrl(url);
        config.setUsername("aril_app");
        config.setMaximumPoolSize(8);
        config.setConnectionTimeout(5000);
        HikariDataSource pool = new HikariDataSource(config);
        try {
            return new Server(
                    pool, Tenancy.open(pool, new TenancySettings(folder.resolve("pepper"))));
        } catch (IOException | RuntimeException e) {
            pool.close();
            throw e;
        }
    }

    /** See {@link #replica}. */
    record Server(HikariDataSource pool, Tenancy tenancy) implements AutoCloseable {
        @Override
        public void close() {
            tenancy.close();
            pool.close();
        }
    }

    @Override
    public void close() throws IOException {
        server.close();
        FileSystemUtils.deleteRecursively(folder);
    }
}
