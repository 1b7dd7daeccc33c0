package dev.aril.cuda;

import static org.assertj.core.api.Assertions.assertThat;
import static org.junit.jupiter.api.Assumptions.assumeTrue;

import java.io.File;
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.List;
import java.util.Map;
import java.util.concurrent.TimeUnit;
import java.util.stream.Stream;
import org.junit.jupiter.api.BeforeAll;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.CsvSource;

class CudaDeviceTest {
    private static final String NATIVE_LIBRARY = "libJCudaDriver-12.6.0-linux-x86_64.so";

    @TempDir static Path drivers;
    @TempDir Path temp;

    @BeforeAll
    static void compileTheStub() throws Exception {
        assumeTrue(
                System.getProperty("os.name").equals("Linux")
                        && System.getProperty("os.arch").equals("amd64"),
                "JCuda's natives here are for Linux on x86-64");
        assumeTrue(onPath("cc"), "no C compiler (cc) to build the stand-in driver with");
        Process cc =
                new ProcessBuilder(
                                "cc",
                                "-shared",
                                "-fPIC",
                                "-o",
                                drivers.resolve("libcuda.so.1").toString(),
                                Path.of("src/test/c/libcuda_stub.c").toString())
                        .inheritIO()
                        .start();
        assertThat(cc.waitFor()).isZero();
    }

    @Test
    void describesTheFirstDevice() throws Exception {
        assertThat(device(drivers, Map.of()))
                .isEqualTo(
                        new CudaDevice.Usable(0, "Stub 9000", 9, 0, 141L << 30, 13000).toString());
    }

    @Test
    void trustsNoLibraryInTheSharedTemporaryFolder() throws Exception {
        Path planted = Files.writeString(temp.resolve(NATIVE_LIBRARY), "not a library");

        assertThat(device(drivers, Map.of())).startsWith("Usable");
        assertThat(Files.readString(planted)).isEqualTo("not a library");
    }

    @Test
    void leavesNothingInTheTemporaryFolder() throws Exception {
        device(drivers, Map.of());

        try (Stream<Path> left = Files.list(temp)) {
            assertThat(left.filter(file -> !file.getFileName().toString().startsWith("hsperf")))
                    .isEmpty();
        }
    }

    @Test
    void saysThatADeviceIsTooOld() throws Exception {
        assertThat(device(drivers, Map.of("STUB_MAJOR", "7")))
                .isEqualTo(
                        "Unusable[reason=Stub 9000 has compute capability 7.0; the kernels need 8.0"
                                + " or newer]");
    }

    // A driver answers either way, by its version and by what hides the devices.
    @ParameterizedTest
    @CsvSource({"STUB_COUNT, 0", "STUB_INIT, 100"})
    void saysThatThereIsNoDevice(String call, String answer) throws Exception {
        assertThat(device(drivers, Map.of(call, answer)))
                .contains("Unusable", "no device", "CUDA_VISIBLE_DEVICES");
    }

    @Test
    void saysWhatTheDriverAnswered() throws Exception {
        assertThat(device(drivers, Map.of("STUB_INIT", "999")))
                .isEqualTo("Unusable[reason=cuInit answered CUDA_ERROR_UNKNOWN]");
    }

    @Test
    void saysThatTheDriverDoesNotLoad() throws Exception {
        Path broken = Files.createDirectory(temp.resolve("broken"));
        Files.writeString(broken.resolve("libcuda.so.1"), "not a driver");

        assertThat(device(broken, Map.of()))
                .startsWith("Unusable[reason=no NVIDIA driver: libcuda.so.1: ");
    }

    /** What a fresh process finds that looks for its driver in {@code library} first. */
    private String device(Path library, Map<String, String> environment) throws Exception {
        var builder =
                new ProcessBuilder(
                        List.of(
                                Path.of(System.getProperty("java.home"), "bin", "java").toString(),
                                "-Xmx64m",
                                "-XX:TieredStopAtLevel=1",
                                "--enable-native-access=ALL-UNNAMED",
                                "-Djava.io.tmpdir=" + temp,
                                "-cp",
                                System.getProperty("java.class.path"),
                                PrintDevice.class.getName()));
        builder.environment().put("LD_LIBRARY_PATH", library.toString());
        builder.environment().putAll(environment);
        Process process = builder.redirectErrorStream(true).start();
        String output = new String(process.getInputStream().readAllBytes(), StandardCharsets.UTF_8);
        assertThat(process.waitFor(60, TimeUnit.SECONDS)).isTrue();
        assertThat(process.exitValue()).as(output).isZero();
        return output.strip();
    }

    private static boolean onPath(String program) {
        return Stream.of(System.getenv("PATH").split(File.pathSeparator, -1))
                .anyMatch(folder -> Files.isExecutable(Path.of(folder, program)));
    }
}
