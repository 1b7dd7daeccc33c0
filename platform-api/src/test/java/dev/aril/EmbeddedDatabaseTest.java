package dev.aril;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;

import io.zonky.test.db.postgres.embedded.EmbeddedPostgres;
import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.nio.file.attribute.PosixFilePermissions;
import java.sql.Connection;
import java.sql.DriverManager;
import java.sql.SQLException;
import java.sql.Statement;
import java.util.List;
import java.util.stream.Stream;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;

/** The embedded server is a database to rely on, not the test fixture it is made from. */
final class EmbeddedDatabaseTest {
    @TempDir Path folder;

    private final EmbeddedDatabase configuration = new EmbeddedDatabase();

    @Test
    void isDurableAndSecured() throws Exception {
        try (DatabaseFolder claimed = DatabaseFolder.claim(folder);
                EmbeddedPostgres server = configuration.embeddedPostgres(claimed)) {
            try (Connection connection = connect(server, claimed.password())) {
                assertThat(ask(connection, "show fsync")).isEqualTo("on");
                assertThat(ask(connection, "show synchronous_commit")).isEqualTo("on");
                assertThat(ask(connection, "show full_page_writes")).isEqualTo("on");
                assertThat(ask(connection, "show listen_addresses")).isEqualTo("127.0.0.1");
                assertThat(ask(connection, "show unix_socket_directories")).isEmpty();
                assertThat(ask(connection, "show server_encoding")).isEqualTo("UTF8");
                assertThat(ask(connection, "select datcollate from pg_database limit 1"))
                        .isEqualTo("C");
                assertThat(
                                ask(
                                        connection,
                                        "select count(*)::text from pg_hba_file_rules where auth_method <> 'scram-sha-256'"))
                        .isEqualTo("0");
            }
            assertThatThrownBy(() -> connect(server, "wrong"))
                    .isInstanceOf(SQLException.class)
                    .hasMessageContaining("password authentication failed");
            assertThat(
                            PosixFilePermissions.toString(
                                    Files.getPosixFilePermissions(claimed.passwordFile())))
                    .isEqualTo("rw-------");
        }
    }

    @Test
    void keepsItsDataAndClearsAKilledPredecessorsServer() throws Exception {
        long orphan;
        try (DatabaseFolder claimed = DatabaseFolder.claim(folder)) {
            EmbeddedPostgres server = configuration.embeddedPostgres(claimed);
            try (Connection connection = connect(server, claimed.password());
                    Statement statement = connection.createStatement()) {
                statement.execute("create table kept as select 42 as answer");
            }
            orphan = postmaster(claimed);
            // As after a kill -9: the lock goes with the process, the server stays.
            loseLibraryLock(server);
        }
        assertThat(ProcessHandle.of(orphan)).isPresent();
        try (DatabaseFolder claimed = DatabaseFolder.claim(folder)) {
            assertThat(ProcessHandle.of(orphan).filter(ProcessHandle::isAlive)).isEmpty();
            try (EmbeddedPostgres server = configuration.embeddedPostgres(claimed);
                    Connection connection = connect(server, claimed.password())) {
                assertThat(ask(connection, "select answer::text from kept")).isEqualTo("42");
            }
        }
    }

    @Test
    void theApplicationOwnsNothingNotEvenWhatAnOlderVersionLeft() throws Exception {
        try (DatabaseFolder claimed = DatabaseFolder.claim(folder);
                EmbeddedPostgres server = configuration.embeddedPostgres(claimed)) {
            try (Connection superuser = connect(server, claimed.password());
                    Statement statement = superuser.createStatement()) {
                statement.execute("create table older (a int)");
                statement.execute("create function older() returns int language sql return 1");
            }
            EmbeddedRoles roles = configuration.embeddedRoles(server, claimed);
            configuration.embeddedRoles(server, claimed);
            String unknown = roles.password(EmbeddedRoles.APPLICATION);
            assertThat(unknown).isNotEqualTo(claimed.password());
            try (Connection owner =
                    DriverManager.getConnection(
                            roles.url(),
                            EmbeddedRoles.OWNER,
                            roles.password(EmbeddedRoles.OWNER))) {
                assertThat(
                                ask(
                                        owner,
                                        "select string_agg(tableowner, ',') from pg_tables"
                                                + " where schemaname = 'public'"))
                        .isEqualTo(EmbeddedRoles.OWNER);
                assertThat(
                                ask(
                                        owner,
                                        "select proowner::regrole::text from pg_proc"
                                                + " where proname = 'older'"))
                        .isEqualTo(EmbeddedRoles.OWNER);
            }
            try (Connection application =
                    DriverManager.getConnection(roles.url(), EmbeddedRoles.APPLICATION, unknown)) {
                assertThat(
                                ask(
                                        application,
                                        "select (rolsuper or rolbypassrls or rolcreaterole)::text"
                                                + " from pg_roles where rolname = current_user"))
                        .isEqualTo("false");
                assertThatThrownBy(() -> ask(application, "select count(*)::text from older"))
                        .hasMessageContaining("permission denied");
            }
        }
    }

    @Test
    void oneServerAFolder() throws Exception {
        try (DatabaseFolder claimed = DatabaseFolder.claim(folder)) {
            assertThatThrownBy(() -> DatabaseFolder.claim(folder))
                    .isInstanceOf(StartRefused.class)
                    .hasMessageContaining("Another running server");
            assertThat(claimed.cluster()).doesNotExist();
        }
    }

    @Test
    void aClusterCutShortIsSetAside() throws Exception {
        Files.createDirectories(folder.resolve("data"));
        Files.writeString(folder.resolve("data/postgresql.conf"), "half");
        try (DatabaseFolder claimed = DatabaseFolder.claim(folder);
                EmbeddedPostgres server = configuration.embeddedPostgres(claimed);
                Connection connection = connect(server, claimed.password())) {
            assertThat(ask(connection, "select 'well'")).isEqualTo("well");
        }
        try (Stream<Path> files = Files.list(folder)) {
            assertThat(files.map(file -> file.getFileName().toString()))
                    .anyMatch(name -> name.startsWith("data.incomplete-"));
        }
    }

    @Test
    void aLostPasswordIsSaid() throws Exception {
        try (DatabaseFolder claimed = DatabaseFolder.claim(folder);
                EmbeddedPostgres server = configuration.embeddedPostgres(claimed)) {
            assertThat(server.getPort()).isPositive();
        }
        Files.delete(folder.resolve("password"));
        assertThatThrownBy(() -> DatabaseFolder.claim(folder))
                .isInstanceOf(StartRefused.class)
                .hasMessageContaining("password, ");
    }

    private static long postmaster(DatabaseFolder folder) throws IOException {
        List<String> lines = Files.readAllLines(folder.cluster().resolve("postmaster.pid"));
        return Long.parseLong(lines.getFirst());
    }

    /** The library holds its own lock until its object is gone; a kill takes it at once. */
    private static void loseLibraryLock(EmbeddedPostgres server) throws Exception {
        var field = EmbeddedPostgres.class.getDeclaredField("lockStream");
        field.setAccessible(true);
        ((AutoCloseable) field.get(server)).close();
    }

    private static Connection connect(EmbeddedPostgres server, String password)
            throws SQLException {
        return DriverManager.getConnection(
                "jdbc:postgresql://127.0.0.1:" + server.getPort() + "/postgres",
                "postgres",
                password);
    }

    private static String ask(Connection connection, String question) throws SQLException {
        try (Statement statement = connection.createStatement();
                var row = statement.executeQuery(question)) {
            row.next();
            return row.getString(1);
        }
    }
}
