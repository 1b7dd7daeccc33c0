package dev.aril;

import static org.assertj.core.api.Assertions.assertThat;

import java.io.IOException;
import java.io.UncheckedIOException;
import java.net.ServerSocket;
import java.net.URI;
import java.nio.file.Files;
import java.nio.file.Path;
import java.time.Duration;
import java.util.ArrayList;
import java.util.List;
import java.util.concurrent.TimeUnit;
import org.springframework.jdbc.core.simple.JdbcClient;
import org.springframework.jdbc.datasource.DriverManagerDataSource;

/** The program as an operator starts it, in a process that can be killed. */
final class ArilProcess implements AutoCloseable {
    private final Path data;
    private final Path log;
    private final int port;
    private final Process process;

    private ArilProcess(Path data, Path log, int port, Process process) {
        this.data = data;
        this.log = log;
        this.port = port;
        this.process = process;
    }

    /** Returns when it is ready; {@code settings} are written {@code --name=value}. */
    static ArilProcess start(Path data, String... settings) throws IOException {
        int port = freePort();
        Path log = Files.createTempFile("aril-process-", ".log");
        List<String> command =
                new ArrayList<>(
                        List.of(
                                Path.of(System.getProperty("java.home"), "bin", "java").toString(),
                                "--add-modules=jdk.incubator.vector",
                                "--enable-native-access=ALL-UNNAMED",
                                "-Daril.home=" + Installation.HOME,
                                "-cp",
                                System.getProperty("java.class.path"),
                                Aril.class.getName(),
                                "serve",
                                "--aril.bind=127.0.0.1"));
        command.addAll(List.of(settings));
        var builder = new ProcessBuilder(command).redirectErrorStream(true);
        builder.environment().put("ARIL_DATA", data.toString());
        builder.environment().put("ARIL_PORT", Integer.toString(port));
        Process process = builder.redirectOutput(log.toFile()).start();
        var started = new ArilProcess(data, log, port, process);
        try {
            started.awaitReady();
        } catch (RuntimeException | Error e) {
            started.close();
            throw e;
        }
        return started;
    }

    private void awaitReady() {
        long deadline = System.nanoTime() + Duration.ofMinutes(2).toNanos();
        while (!ready()) {
            if (!process.isAlive() || System.nanoTime() > deadline) {
                throw new AssertionError("not ready; its output:\n" + output());
            }
            try {
                Thread.sleep(100);
            } catch (InterruptedException e) {
                throw new AssertionError(e);
            }
        }
    }

    /** Ready, and the demonstration's keys are written. */
    private boolean ready() {
        try {
            return caller().get("/actuator/health/readiness").status() == 200
                    && Files.exists(data.resolve("demo-keys.json"));
        } catch (UncheckedIOException notYetListening) {
            return false;
        }
    }

    Caller as(String tenant) {
        return caller().withKey(Deployment.keys(data).get(tenant));
    }

    /** The database it runs, beside it: PostgreSQL writes its port down for its own tools. */
    JdbcClient sql() throws IOException {
        return superuser(data);
    }

    static JdbcClient superuser(Path data) throws IOException {
        Path folder = data.resolve("postgres");
        String port = Files.readAllLines(folder.resolve("data/postmaster.pid")).get(3).strip();
        return JdbcClient.create(
                new DriverManagerDataSource(
                        "jdbc:postgresql://127.0.0.1:" + port + "/postgres",
                        "postgres",
                        Files.readString(folder.resolve("password")).strip()));
    }

    private Caller caller() {
        return new Caller(URI.create("http://127.0.0.1:" + port), null);
    }

    /** kill -9: no shutdown hook runs. */
    void kill() throws InterruptedException {
        process.destroyForcibly();
        assertThat(process.waitFor(30, TimeUnit.SECONDS)).isTrue();
    }

    /** SIGTERM; returns at once. */
    void terminate() {
        process.destroy();
    }

    int awaitExit() throws InterruptedException {
        assertThat(process.waitFor(60, TimeUnit.SECONDS)).as(output()).isTrue();
        return process.exitValue();
    }

    String output() {
        try {
            return Files.readString(log);
        } catch (IOException e) {
            throw new UncheckedIOException(e);
        }
    }

    private static int freePort() throws IOException {
        try (var socket = new ServerSocket(0)) {
            return socket.getLocalPort();
        }
    }

    @Override
    public void close() throws IOException {
        process.destroyForcibly();
        process.onExit().join();
        Files.delete(log);
    }
}
