package dev.aril.engine.measure;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;

import dev.aril.engine.Device;
import dev.aril.engine.kernels.CpuKernels;
import dev.aril.engine.measure.BenchmarkOptions.Part;
import dev.aril.engine.model.ModelConfig;
import java.io.ByteArrayOutputStream;
import java.io.IOException;
import java.io.PrintStream;
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.List;
import java.util.Map;
import java.util.Set;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.CsvSource;
import org.junit.jupiter.params.provider.ValueSource;
import tools.jackson.databind.JsonNode;
import tools.jackson.databind.json.JsonMapper;

class BenchmarkTest {
    /** Steps and a workload on the CPU, small enough for a test. */
    private static final List<String> SMALL =
            List.of(
                    "--device",
                    "cpu",
                    "--only=decode,prefill,serving",
                    "--shape=novella-11m",
                    "--batch=1,2",
                    "--context=8",
                    "--prompt-tokens=12",
                    "--rank=4",
                    "--warm-up=0",
                    "--clients=2",
                    "--requests=5",
                    "--prompt=uniform:3:6",
                    "--output=4",
                    "--popularity=none,skewed",
                    "--commit=abc1234");

    @TempDir Path home;
    private final ByteArrayOutputStream out = new ByteArrayOutputStream();
    private final ByteArrayOutputStream err = new ByteArrayOutputStream();

    private String bench(List<String> arguments) throws Exception {
        Benchmark.run(
                arguments,
                new Benchmark.Place(
                        home,
                        name -> Path.of(name),
                        List.of(),
                        new PrintStream(out, true, StandardCharsets.UTF_8),
                        new PrintStream(err, true, StandardCharsets.UTF_8)));
        return out.toString(StandardCharsets.UTF_8);
    }

    @Test
    void printsJsonLinesAloneAndRecordsTheSame() throws Exception {
        List<String> arguments = new ArrayList<>(SMALL);
        arguments.addAll(List.of("--json", "--record"));

        String printed = bench(arguments);

        List<JsonNode> rows =
                printed.lines().map(line -> JsonMapper.shared().readTree(line)).toList();
        // a prompt; off, none, distinct of one; off and five of two; two workloads
        assertThat(rows).extracting(row -> row.path("bench").asString()).hasSize(1 + 3 + 6 + 2);
        assertThat(rows)
                .allSatisfy(row -> {
                    assertThat(row.path("commit").asString()).isEqualTo("abc1234");
                    assertThat(row.path("date").asString()).matches("\\d{4}-\\d\\d-\\d\\d");
                    assertThat(row.path("device").asString()).isEqualTo("cpu");
                    assertThat(row.path("shape").asString()).isEqualTo("novella-11m");
                });
        JsonNode served = rows.getLast();
        assertThat(served.path("popularity").asString()).isEqualTo("skewed");
        assertThat(served.path("adapters").asInt()).isEqualTo(4);
        assertThat(served.path("cold_loads").asInt()).isEqualTo(4);
        assertThat(served.path("output_tokens").asInt()).isEqualTo(20);
        assertThat(served.path("steps").asInt()).isBetween(4, 30);
        assertThat(served.path("ttft_p50_ms").asDouble()).isPositive();
        assertThat(served.path("inter_token_p99_ms").asDouble()).isPositive();
        assertThat(rows)
                .filteredOn(row -> row.path("bench").asString().equals("decode"))
                .allSatisfy(row -> assertThat(row.path("us").asDouble()).isPositive());
        assertThat(Files.readString(home.resolve("bench/results/cpu.jsonl"))).isEqualTo(printed);

        out.reset();
        String table = bench(List.of("--table"));
        assertThat(table).contains("bench/results/cpu.jsonl", "abc1234", "| novella-11m |");
    }

    @Test
    void measuresSingleOperations() {
        List<Row> rows = new ArrayList<>();
        ModelConfig small =
                new ModelConfig(256, 384, 1, 4, 2, 64, 64, 64, 10_000, 1e-5f, true, 1, Set.of(2));
        try (Meter meter = new Meter(new CpuKernels(1))) {
            KernelBench bench =
                    new KernelBench(meter, new Roofline(1e10, 1e12), TorchBaseline.NONE, rows::add);
            new GemmBenchmark(bench, new int[] {1, 3}, new int[] {2}, new int[] {1})
                    .run(List.of(small, small));
            new LoraBenchmark(bench, 256).run(new int[] {1, 4}, new int[] {2});
            AttentionBenchmark attention = new AttentionBenchmark(bench, 4, 64);
            attention.decode(2, 20, 2);
            attention.prefill(17, 4);
        }

        assertThat(rows)
                .extracting(Row::bench)
                .containsExactly(
                        "gemm",
                        "gemm",
                        "gemm",
                        "gemm",
                        "gemm",
                        "gemm",
                        "gate-up",
                        "norm",
                        "head",
                        "sample",
                        "sample",
                        "lora",
                        "lora",
                        "lora",
                        "lora",
                        "lora",
                        "attention",
                        "attention-prefill");
        assertThat(rows)
                .allSatisfy(row -> {
                    assertThat(row.number("us")).isPositive();
                    assertThat(row.number("roofline_share")).isPositive();
                });
        assertThat(FiguresTable.of(rows)).contains("| 384 | 256 |", "m=3", "distinct");
    }

    @Test
    void findsItsOwnWorkAmongTheBaselines() {
        TorchBaseline torch =
                new TorchBaseline(
                        List.of(
                                Row.parse(
                                        "{\"bench\":\"gemm\",\"dtype\":\"fp8\",\"m\":1,\"us\":3}"),
                                Row.parse(
                                        "{\"bench\":\"gemm\",\"dtype\":\"bf16\",\"m\":1,\"us\":9}"),
                                Row.parse(
                                        "{\"bench\":\"peak\",\"dtype\":\"int8\","
                                                + "\"tera_ops_per_s\":1200}")));
        Row ours = Row.of("gemm").with("m", 1).with("us", 4.5);

        Row beside = torch.beside(ours, "gemm", Map.of("m", 1, "dtype", "bf16"));

        assertThat(beside.number("torch_us")).isEqualTo(9);
        assertThat(beside.number("times_torch")).isEqualTo(2);
        assertThat(torch.beside(ours, "gemm", Map.of("m", 2))).isEqualTo(ours);
        assertThat(torch.opsPerSecond()).isEqualTo(1.2e15);
        assertThat(TorchBaseline.NONE.opsPerSecond()).isInfinite();
        assertThat(FiguresTable.of(List.of(beside.with("n", 8).with("k", 8))))
                .contains("4.5 (2.0)");
    }

    @Test
    void saysThatTheBaselineIsSkipped() throws Exception {
        List<String> arguments = new ArrayList<>(SMALL);
        arguments.set(2, "--only=serving");
        arguments.add("--requests=1");
        arguments.add("--popularity=none");
        arguments.add("--baseline");

        bench(arguments);

        assertThat(err.toString(StandardCharsets.UTF_8))
                .contains("the baseline is skipped: none of the parts has one");
    }

    @Test
    void theLastOfTwoMeasurementsCounts() throws IOException {
        Path folder = Files.createDirectories(home.resolve("results"));
        Results results = new Results(folder);
        for (double rate : new double[] {100, 250}) {
            for (String device : List.of("cpu", "reference")) {
                results.append(
                        Row.of("streams")
                                .with("commit", "c" + (int) rate)
                                .with("date", "2026-01-01")
                                .with("model", "m")
                                .with("cores", 2)
                                .with("device", device)
                                .with("streams", 16)
                                .with("tokens_per_second", device.equals("cpu") ? rate : 50));
            }
        }

        String table = FiguresTable.recorded(results.read());

        assertThat(table)
                .contains("| 250.0 | 50.0      | 5.0   |", "c250 of 2026-01-01")
                .doesNotContain("c100", "100.0");
    }

    @Test
    void aDamagedRecordIsNamed() throws IOException {
        Files.writeString(home.resolve("h200.jsonl"), "{\"bench\":\"copy\"}\n{\"bench\":\n");

        assertThatThrownBy(() -> new Results(home).read())
                .isInstanceOf(IOException.class)
                .hasMessage("h200.jsonl, line 2: not a JSON object");
    }

    @ParameterizedTest
    @CsvSource({
        "NVIDIA H200,h200.jsonl",
        "NVIDIA GeForce RTX 4090,geforce-rtx-4090.jsonl",
        "cpu,cpu.jsonl",
        "reference,cpu.jsonl",
        "../../etc,etc.jsonl",
    })
    void eachKindOfDeviceHasItsFile(String device, String file) {
        assertThat(Results.file(device)).isEqualTo(file);
    }

    @ParameterizedTest
    @CsvSource(
            delimiter = '|',
            value = {
                "--shape gpt-2 | --shape must be some of llama-2-7b,llama-3-8b,llama-3.2-1b,novella-11m, not \"gpt-2\"",
                "--only gpu | --only must be some of cpu,kernels,decode,prefill,serving, not \"gpu\"",
                "--only | --only needs a value; bench --help tells which",
                "--fast | there is no flag --fast; bench --help lists them",
                "--fast=1 | there is no flag --fast; bench --help lists them",
                "-x | there is no flag -x; bench --help lists them",
                "--json=yes | --json takes no value",
                "--device tpu | --device must be cuda or cpu, not \"tpu\"",
                "--rank 0 | --rank must be a whole number from 1 to 256, not \"0\"",
                "--batch 1,two | --batch must be a whole number from 1 to 1024, not \"two\"",
                "--rate -1 | --rate must be from 0.001 to 1000000.0, not \"-1\"",
                "--popularity zipf | --popularity must be some of none,identical,uniform,skewed,distinct, not \"zipf\"",
                "a b | one model can be measured at a time, not a and b",
                "--table --json | --table prints what was recorded and goes with no other argument",
                "--only decode --shape novella-11m --context 2000 | --context must be at most 1024 for novella-11m, not 2000",
                "--device cpu --only kernels | --only kernels measures a GPU's kernels; leave it out with --device cpu or where there is no GPU",
            })
    void badInputIsToldWithItsRemedy(String line, String message) {
        assertThatThrownBy(
                        () -> BenchmarkOptions.parse(Arrays.asList(line.strip().split(" ")), false))
                .isInstanceOf(IllegalArgumentException.class)
                .hasMessage(message.strip());
    }

    @Test
    void defaultsAreWhatTheMachineCan() {
        BenchmarkOptions cpu = BenchmarkOptions.parse(List.of(), false);
        BenchmarkOptions gpu = BenchmarkOptions.parse(List.of(), true);

        assertThat(cpu.device()).isEqualTo(Device.CPU);
        assertThat(Arrays.stream(Part.values()).filter(cpu::has))
                .containsExactly(Part.CPU, Part.SERVING);
        assertThat(cpu.shapes()).containsExactly(Shape.NOVELLA_11M);
        assertThat(gpu.device()).isEqualTo(Device.CUDA);
        assertThat(Arrays.stream(Part.values()).filter(gpu::has))
                .containsExactly(Part.KERNELS, Part.DECODE, Part.PREFILL, Part.SERVING);
        assertThat(gpu.shapes()).containsExactly(Shape.LLAMA_2_7B, Shape.LLAMA_3_8B);
    }

    @ParameterizedTest
    @ValueSource(strings = {"--help", "-h"})
    void helpNamesEveryFlag(String flag) throws Exception {
        assertThat(bench(List.of(flag)))
                .contains("--only", "--shape", "--baseline", "--record", "--popularity", "--seed");
    }
}
