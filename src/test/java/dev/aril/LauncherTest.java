package dev.aril;

import static org.assertj.core.api.Assertions.assertThat;

import java.io.IOException;
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.Path;
import java.nio.file.attribute.FileTime;
import java.time.Instant;
import java.util.ArrayList;
import java.util.List;
import java.util.stream.Stream;
import org.junit.jupiter.api.BeforeEach;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;

/**
 * What {@code ./aril} does around Maven and Java, with scripts in their place that write down how
 * they are called. The installation's folder has a blank in its name.
 */
class LauncherTest {
    private static final String MAVEN =
            """
            #!/bin/sh
            echo "mvn $*" >>"$CALLS"
            mkdir -p platform-api/target && echo jar >platform-api/target/aril-app.jar
            exit "${MAVEN_EXIT:-0}"
            """;
    private static final String JAVA =
            """
            #!/bin/sh
            echo "java $*" >>"$CALLS"
            for argument; do
                case $argument in
                    -XX:AOTCacheOutput=*)
                        [ -n "${TRAINING_FAILS:-}" ] && exit 1
                        echo "12:00 INFO Engine: import: half of it"
                        trap 'echo "$ARIL_DATA" >"${argument#*=}"; exit 143' TERM
                        echo "12:01 INFO Welcome: ready: at last"
                        while :; do sleep 0.1; done
                        ;;
                    -Djarmode=tools)
                        for folder; do :; done
                        mkdir -p "$folder/lib" && echo jar >"$folder/aril-app.jar"
                        exit 0
                        ;;
                esac
            done
            printf '<%s>' "$@"
            """;

    @TempDir Path temp;
    private Path home;
    private Path calls;
    private ProcessBuilder launcher;

    private record Run(int status, String output, String errors) {}

    @BeforeEach
    void install() throws IOException {
        home = Files.createDirectory(temp.resolve("an aril"));
        calls = Files.createFile(temp.resolve("calls"));
        Path jdk = temp.resolve("jdk");
        program(jdk.resolve("bin/java"), JAVA);
        program(jdk.resolve("bin/javac"), "#!/bin/sh\n");
        program(temp.resolve("bin/mvn"), MAVEN);
        Files.writeString(
                jdk.resolve("release"),
                "JAVA_VERSION=\"25.0.1\"\nJAVA_RUNTIME_VERSION=\"25.0.1+9\"\n");
        Files.copy(Installation.HOME.resolve("aril"), home.resolve("aril"));
        Files.writeString(home.resolve("pom.xml"), "");
        Files.createDirectories(home.resolve("engine/src/main"));
        Files.createDirectories(home.resolve("db/migration"));
        launcher = new ProcessBuilder().directory(temp.toFile());
        var environment = launcher.environment();
        environment.put("JAVA25_HOME", jdk.toString());
        environment.put("PATH", temp.resolve("bin") + ":" + System.getenv("PATH"));
        environment.put("CALLS", calls.toString());
        environment.put("ARIL_DATA", temp.resolve("data").toString());
        environment.put("TMPDIR", Files.createDirectory(temp.resolve("tmp")).toString());
        environment.remove("ARIL_JAVA_OPTS");
    }

    @Test
    void aloneItPrintsHelpAndBuildsNothing() throws Exception {
        Run run = aril();

        assertThat(run.status()).isZero();
        assertThat(run.output())
                .contains("usage: ./aril COMMAND", "serve", "test", "ARIL_DATA", "ARIL_PORT");
        assertThat(calls()).isEmpty();
    }

    @Test
    void buildsOnceAndHandsEverythingOn() throws Exception {
        Run first = aril("bench", "--streams", "two words");
        assertThat(first.status()).as(first.errors()).isZero();
        assertThat(first.output())
                .contains(
                        "<--add-modules=jdk.incubator.vector>",
                        "<-Daril.home=" + home.toRealPath() + ">")
                .endsWith("<bench><--streams><two words>");
        assertThat(mavenCalls()).hasSize(1);

        aril("bench");
        assertThat(mavenCalls()).as("nothing was edited").hasSize(1);
    }

    @Test
    void buildsAgainWhenASourceIsNewerOrGone() throws Exception {
        aril("build");
        Path source = Files.writeString(home.resolve("engine/src/main/A.java"), "class A {}");
        aril("build");
        assertThat(mavenCalls()).hasSize(2);

        aril("build");
        assertThat(mavenCalls()).hasSize(2);

        Files.delete(source);
        Files.setLastModifiedTime(source.getParent(), FileTime.from(Instant.now().plusSeconds(2)));
        aril("build");
        assertThat(mavenCalls()).hasSize(3);
    }

    @Test
    void aFailedBuildRunsNothing() throws Exception {
        launcher.environment().put("MAVEN_EXIT", "1");

        Run run = aril("bench");

        assertThat(run.status()).isEqualTo(1);
        assertThat(run.errors()).contains("the build failed");
        assertThat(calls()).noneMatch(call -> call.startsWith("java"));
    }

    @Test
    void servesWithACacheTrainedOnceAgainstAThrowAwayFolder() throws Exception {
        Run first = aril("serve", "--aril.demo=false");
        assertThat(first.status()).as(first.errors()).isZero();
        assertThat(first.errors()).contains("import: half of it");
        assertThat(first.output())
                .endsWith("<serve><--aril.demo=false>")
                .contains("<-XX:AOTCache=");
        Path cache = Path.of(first.output().replaceFirst("(?s).*<-XX:AOTCache=([^>]*)>.*", "$1"));
        assertThat(cache).exists().hasFileName("aril-25.0.1+9.aot");
        String folder = Files.readString(cache).strip();
        assertThat(folder).isNotEqualTo(temp.resolve("data").toString());
        assertThat(Path.of(folder)).doesNotExist();
        assertThat(temp.resolve("data/models")).isDirectory();

        aril("serve");
        assertThat(calls()).filteredOn(call -> call.contains("AOTCacheOutput")).hasSize(1);
    }

    @Test
    void servesWithoutACacheWhenTrainingFails() throws Exception {
        launcher.environment().put("TRAINING_FAILS", "yes");

        Run run = aril("serve");

        assertThat(run.status()).as(run.errors()).isZero();
        assertThat(run.errors()).contains("starts take longer");
        assertThat(run.output()).endsWith("<serve>").doesNotContain("AOTCache");
        try (Stream<Path> left = Files.list(temp.resolve("tmp"))) {
            assertThat(left).isEmpty();
        }
    }

    @Test
    void twoStartsBuildOnce() throws Exception {
        launcher.command("sh", home.resolve("aril").toString(), "build");
        Process one = launcher.start();
        Process two = launcher.start();

        assertThat(one.waitFor()).isZero();
        assertThat(two.waitFor()).isZero();
        assertThat(mavenCalls()).hasSize(1);
    }

    @Test
    void worksThroughALink() throws Exception {
        Path link = Files.createSymbolicLink(temp.resolve("link"), home.resolve("aril"));
        launcher.command(link.toString(), "bench");

        assertThat(run().output()).contains("<-Daril.home=" + home.toRealPath() + ">");
    }

    @Test
    void testsWithoutTheUsersSettings() throws Exception {
        program(
                temp.resolve("bin/mvn"),
                "#!/bin/sh\necho \"$PWD|${ARIL_DATA:-none}|$JAVA_HOME|$*\"\n");

        Run run = aril("test", "-Dtest=One");

        assertThat(run.output().strip())
                .isEqualTo(
                        home.toRealPath()
                                + "|none|"
                                + temp.resolve("jdk")
                                + "|-B -ntp verify -Dtest=One");
    }

    private Run aril(String... arguments) throws Exception {
        List<String> command = new ArrayList<>(List.of("sh", home.resolve("aril").toString()));
        command.addAll(List.of(arguments));
        launcher.command(command);
        return run();
    }

    private Run run() throws Exception {
        Path errors = Files.createTempFile(temp, "errors", "");
        Process process = launcher.redirectError(errors.toFile()).start();
        String output = new String(process.getInputStream().readAllBytes(), StandardCharsets.UTF_8);
        return new Run(process.waitFor(), output, Files.readString(errors));
    }

    private List<String> calls() throws IOException {
        return Files.readAllLines(calls);
    }

    private List<String> mavenCalls() throws IOException {
        return calls().stream().filter(call -> call.startsWith("mvn")).toList();
    }

    private static void program(Path file, String text) throws IOException {
        Files.createDirectories(file.getParent());
        Files.writeString(file, text);
        assertThat(file.toFile().setExecutable(true)).isTrue();
    }
}
