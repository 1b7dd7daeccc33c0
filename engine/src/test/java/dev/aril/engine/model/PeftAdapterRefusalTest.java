package dev.aril.engine.model;

import static dev.aril.engine.AdapterRejected.Part.CONFIG;
import static dev.aril.engine.AdapterRejected.Part.MODEL;
import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.catchThrowableOfType;

import dev.aril.engine.AdapterRejected;
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.List;
import java.util.Random;
import java.util.function.Consumer;
import java.util.function.Function;
import java.util.function.UnaryOperator;
import java.util.stream.Stream;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.MethodSource;

/** One valid adapter, spoiled in one way at a time: each is refused for the right reason. */
class PeftAdapterRefusalTest {
    @TempDir Path folder;

    /**
     * @param spoil writes the two files
     * @param reason is part of the message
     */
    record Mutant(
            String what,
            Function<AdapterFixture, byte[][]> spoil,
            AdapterRejected.Part part,
            String reason) {
        @Override
        public String toString() {
            return what;
        }
    }

    private static final class Mutants {
        final List<Mutant> all = new ArrayList<>();

        /** Changes a field of the config. */
        void config(String field, String json, String reason) {
            all.add(
                    new Mutant(
                            field + " = " + json.substring(0, Math.min(60, json.length())),
                            f -> {
                                f.config.put(field, json);
                                return files(f);
                            },
                            CONFIG,
                            reason));
        }

        /** Changes the config's text. */
        void configText(String what, UnaryOperator<String> change, String reason) {
            all.add(
                    new Mutant(
                            what,
                            f ->
                                    new byte[][] {
                                        change.apply(f.configJson())
                                                .getBytes(StandardCharsets.UTF_8),
                                        f.model()
                                    },
                            CONFIG,
                            reason));
        }

        /** Changes tensors before the file is put together. */
        void tensors(String what, Consumer<AdapterFixture> change, String reason) {
            all.add(
                    new Mutant(
                            what,
                            f -> {
                                change.accept(f);
                                return files(f);
                            },
                            MODEL,
                            reason));
        }

        /** Changes the header's text, its length kept true. */
        void header(String what, UnaryOperator<String> change, String reason) {
            model(what, f -> AdapterFixture.model(change.apply(f.header()), f.data()), reason);
        }

        /** Replaces the tensors' file. */
        void model(String what, Function<AdapterFixture, byte[]> make, String reason) {
            all.add(
                    new Mutant(
                            what,
                            f ->
                                    new byte[][] {
                                        f.configJson().getBytes(StandardCharsets.UTF_8),
                                        make.apply(f)
                                    },
                            MODEL,
                            reason));
        }

        private static byte[][] files(AdapterFixture f) {
            return new byte[][] {f.configJson().getBytes(StandardCharsets.UTF_8), f.model()};
        }
    }

    static Stream<Mutant> mutants() {
        Mutants m = new Mutants();
        files(m);
        headers(m);
        tensors(m);
        configTexts(m);
        configFields(m);
        return m.all.stream();
    }

    private static void files(Mutants m) {
        m.model("empty", _ -> new byte[0], "has 0 bytes");
        m.model("seven bytes", _ -> new byte[7], "has 7 bytes");
        m.model("truncated by one", f -> cut(f.model(), 1), "truncated");
        m.model("truncated in the header", f -> Arrays.copyOf(f.model(), 100), "header's length");
        m.model("one byte appended", f -> joined(f.model(), new byte[1]), "the tensors end at");
        m.model("zip appended", f -> joined(f.model(), ascii("PK\u0003\u0004")), "tensors end at");
        m.model("zip", f -> joined(ascii("PK\u0003\u0004"), f.model()), "a zip file");
        m.model("pickle protocol 2", f -> joined(bytes(0x80, 2, 0x8a, 10), f.model()), "a pickle");
        m.model("pickle protocol 4", f -> joined(bytes(0x80, 4, 0x95, 3), f.model()), "a pickle");
        m.model("gguf", f -> joined(ascii("GGUF\u0003"), f.model()), "a GGUF file");
        m.model("gzip", f -> joined(bytes(0x1f, 0x8b, 8, 0), f.model()), "a gzip file");
        m.model("numpy", f -> joined(bytes(0x93, 'N', 'U', 'M', 'P', 'Y'), f.model()), "a NumPy");
        m.model("hdf5", f -> joined(bytes(0x89, 'H', 'D', 'F', 13), f.model()), "an HDF5");
        m.model(
                "lfs pointer",
                _ -> ascii("version https://git-lfs.github.com/spec/v1\noid sha256:00\n"),
                "a Git LFS pointer");
        m.model("config uploaded twice", f -> ascii(f.configJson()), "header's length");
    }

    private static void headers(Mutants m) {
        for (long lie : new long[] {0, 1, -1, Long.MIN_VALUE, 5 << 20, Integer.MAX_VALUE}) {
            m.model(
                    "header length " + lie,
                    f -> AdapterFixture.model(lie, ascii(f.header()), f.data()),
                    "header's length is " + Long.toUnsignedString(lie));
        }
        m.model(
                "header length one short",
                f -> AdapterFixture.model(f.header().length() - 1, ascii(f.header()), f.data()),
                "not JSON");
        m.model(
                "header length one long",
                f -> AdapterFixture.model(f.header().length() + 1, ascii(f.header()), f.data()),
                "the header is not");
        m.header("an array", h -> "[" + h + "]", "does not start with {");
        m.header("leading space", h -> " " + h, "does not start with {");
        m.header("text after the object", h -> h + "x", "not JSON");
        m.header("second object", h -> h + "{}", "not JSON");
        m.model(
                "not UTF-8",
                f -> {
                    byte[] header = ascii(f.header());
                    header[40] = (byte) 0xff;
                    return AdapterFixture.model(header.length, header, f.data());
                },
                "not UTF-8");
        m.header(
                "duplicate tensor",
                h ->
                        "{\"%s\":{\"dtype\":\"F32\",\"shape\":[0,4],\"data_offsets\":[0,0]},"
                                        .formatted(AdapterFixture.QUERY_A)
                                + h.substring(1),
                "Duplicate");
        m.header(
                "duplicate key inside",
                h -> first(h, "\"dtype\":", "\"dtype\":\"F32\",\"dtype\":"),
                "Duplicate");
        m.header("depth bomb", h -> first(h, "\"pt\"", deep(1000)), "not JSON");
        m.header(
                "one level too deep",
                h -> first(h, "\"shape\":", "\"shape\":[" + deep(2) + "],\"x\":"),
                "not JSON");
        m.header(
                "100,000 tensors",
                h -> {
                    StringBuilder out = new StringBuilder(h.substring(0, h.length() - 1));
                    for (int i = 0; i < 100_000; i++) {
                        out.append(",\"t")
                                .append(i)
                                .append(
                                        "\":{\"dtype\":\"F32\",\"shape\":[0],\"data_offsets\":[0,0]}");
                    }
                    return out.append('}').toString();
                },
                "header's length");
        m.header("mostly header", h -> h + " ".repeat(70_000), "more than 1 %");
        m.header("metadata not strings", h -> first(h, "\"pt\"", "1"), "__metadata__");
        m.header("unknown key", h -> first(h, "\"dtype\":", "\"x\":1,\"dtype\":"), "exactly dtype");
        m.header("no dtype", h -> first(h, "\"dtype\":\"F32\",", ""), "exactly dtype");
        m.header(
                "offsets as object",
                h -> h.replaceFirst("\\[(\\d+),(\\d+)\\]\\}", "{\"a\":$1,\"b\":$2}}"),
                "exactly dtype");
        m.header(
                "three offsets",
                h -> h.replaceFirst("\\[0,(\\d+)\\]\\}", "[0,0,$1]}"),
                "exactly dtype");
        m.header("fractional shape", h -> first(h, "[4,96]", "[4.0,96]"), "whole numbers");
        m.header("negative shape", h -> first(h, "[4,96]", "[-4,-96]"), "whole numbers");
        m.header(
                "overflowing shape",
                h -> first(h, "[4,96]", "[4294967296,4294967297]"),
                "impossible shape");
        m.header(
                "shape beyond long",
                h -> first(h, "[4,96]", "[99999999999999999999,1]"),
                "whole numbers");
        m.header(
                "shape times width overflows",
                h -> first(h, "[4,96]", "[4611686018427387904,1]"),
                "impossible shape");
        m.header("lying shape", h -> first(h, "[4,96]", "[4,95]"), "needs another number");
        m.header("F64", h -> first(h, "F32", "F64"), "dtype F64");
        m.header("lower-case dtype", h -> first(h, "F32", "f32"), "dtype f32");
        m.header("slash in a name", h -> first(h, "lora_A", "../lora_A"), "the tensor name");
        m.header("empty name", h -> first(h, AdapterFixture.QUERY_A, ""), "the tensor name");
        m.header("long name", h -> first(h, "lora_A", "a".repeat(600)), "the tensor name");
        m.header("control character", h -> first(h, "lora_A", "lora\\u0000A"), "the tensor name");
    }

    private static void tensors(Mutants m) {
        m.tensors("overlap", f -> f.queryB().offsets = span(f, -4), "begins at");
        m.tensors("hole", f -> f.queryB().offsets = span(f, 4), "begins at");
        m.tensors("aliased", f -> f.queryB().offsets = new long[] {0, 2048}, "begins at");
        m.tensors("backwards", f -> f.queryA().offsets = new long[] {1536, 0}, "offsets are wrong");
        m.tensors("NaN", f -> f.queryA().set(100, Float.NaN), QUERY_A_AT + "[1, 4]");
        m.tensors(
                "infinity",
                f -> f.queryA().set(383, Float.NEGATIVE_INFINITY),
                QUERY_A_AT + "[3, 95]");
        m.tensors(
                "infinity in F16",
                f -> {
                    f.queryA().set(0, 1e9f);
                    f.queryA().toHalf();
                },
                QUERY_A_AT + "[0, 0]");
        m.tensors(
                "NaN in BF16",
                f -> {
                    AdapterFixture.Tensor t = f.queryA();
                    t.dtype = "BF16";
                    t.data = new byte[t.data.length / 2];
                    t.data[2] = (byte) 0x81;
                    t.data[3] = (byte) 0xff;
                },
                QUERY_A_AT + "[0, 1]");
        m.tensors(
                "A missing",
                f -> f.tensors.remove(AdapterFixture.QUERY_A),
                "q_proj.lora_A.weight is missing");
        m.tensors(
                "B missing",
                f -> f.tensors.remove(AdapterFixture.QUERY_B),
                "q_proj.lora_B.weight is missing");
        m.tensors("no tensors", f -> f.tensors.clear(), "is missing, though target_modules");
        m.tensors("transposed", f -> f.queryA().shape = "[96,4]", "has shape [96, 4]; [4, 96]");
        m.tensors("one dimension", f -> f.queryA().shape = "[384]", "has shape [384]");
        m.tensors("three dimensions", f -> f.queryA().shape = "[4,96,1]", "has shape [4, 96, 1]");
        m.tensors(
                "another rank",
                f -> f.add(0, Projection.Q, 5, new Random(1)),
                "has shape [5, 96]; [4, 96]");
        m.tensors(
                "module not targeted",
                f -> f.add(0, Projection.K, 4, new Random(1)),
                "does not target");
        m.tensors(
                "layer beyond the model",
                f -> f.add(2, Projection.Q, 4, new Random(1)),
                "this model of 2 layers does not have");
        m.tensors(
                "integers",
                f -> {
                    f.queryA().dtype = "I32";
                },
                "dtype I32");
        m.tensors(
                "magnitude vector",
                f -> extra(f, "model.layers.0.self_attn.q_proj.lora_magnitude_vector"),
                "DoRA");
        m.tensors(
                "bias beside B",
                f -> extra(f, "model.layers.0.self_attn.q_proj.lora_B.bias"),
                "is a bias");
        m.tensors(
                "embedding",
                f -> extra(f, "model.embed_tokens.lora_embedding_A"),
                "adapts an embedding");
        m.tensors(
                "trained tokens",
                f -> extra(f, "model.embed_tokens.token_adapter.trainable_tokens_delta"),
                "token embeddings");
        m.tensors("whole weight", f -> extra(f, "lm_head.weight"), "whole weight");
        m.tensors(
                "third matrix",
                f -> extra(f, "model.layers.0.self_attn.q_proj.lora_C.weight"),
                "neither");
        m.tensors(
                "one matrix spelled twice",
                f ->
                        f.tensors.put(
                                AdapterFixture.QUERY_A.replace(".weight", ".default.weight"),
                                f.queryA()),
                "are the same matrix");
        m.tensors(
                "another adapter's name",
                f ->
                        f.rename(
                                AdapterFixture.QUERY_A,
                                AdapterFixture.QUERY_A.replace(".weight", ".mine.weight")),
                "neither");
        m.tensors(
                "leading zero in the layer",
                f ->
                        f.rename(
                                AdapterFixture.QUERY_A,
                                AdapterFixture.QUERY_A.replace("layers.0", "layers.00")),
                "is missing");
    }

    private static final String QUERY_A_AT = AdapterFixture.QUERY_A + " holds NaN or infinity at ";

    private static void configTexts(Mutants m) {
        m.configText("empty config", _ -> "", "not a JSON object");
        m.configText("config truncated", c -> c.substring(0, c.length() - 1), "not valid JSON");
        m.configText("config continued", c -> c + "{}", "not valid JSON");
        m.configText("config a list", c -> "[" + c + "]", "not a JSON object");
        m.configText(
                "config with NaN",
                c -> first(c, "\"lora_alpha\":8", "\"lora_alpha\":NaN"),
                "not valid JSON");
        m.configText("config with a comment", c -> c + "//", "not valid JSON");
        m.configText("duplicate field", c -> first(c, "\"r\":4", "\"r\":4,\"r\":4"), "Duplicate");
        m.configText(
                "deep config", c -> first(c, "\"r\":4", "\"r\":" + deep(10_000)), "not valid JSON");
        m.configText("large config", c -> c + " ".repeat(65_536), "at most 65536");
        m.configText(
                "long number",
                c -> first(c, "\"r\":4", "\"r\":" + "4".repeat(100)),
                "not valid JSON");
        m.all.add(
                new Mutant(
                        "config not UTF-8",
                        f -> new byte[][] {bytes('{', '"', 0xff, '"', ':', '1', '}'), f.model()},
                        CONFIG,
                        "not UTF-8"));
    }

    private static void configFields(Mutants m) {
        m.config("peft_type", "\"LOHA\"", "peft_type must be LORA");
        m.config("peft_type", "null", "peft_type must be LORA");
        m.config("task_type", "\"SEQ_CLS\"", "task_type must be CAUSAL_LM");
        m.config("r", "0", "r must be from 1 to 256");
        m.config("r", "257", "r must be from 1 to 256");
        m.config("r", "4.5", "r must be a whole number");
        m.config("r", "\"4\"", "r must be a whole number");
        m.config("r", "99999999999", "r must be a whole number");
        m.config("lora_alpha", "\"8\"", "lora_alpha must be a finite number");
        m.config("lora_alpha", "1e999", "lora_alpha must be a finite number");
        m.config("lora_alpha", "1e300", "too large for single precision");
        m.config("use_rslora", "1", "use_rslora must be true or false");
        m.config("use_dora", "true", "use_dora asks for DoRA");
        m.config("bias", "\"lora_only\"", "bias must be");
        m.config("lora_bias", "true", "lora_bias asks for");
        m.config("modules_to_save", "[\"lm_head\"]", "modules_to_save asks for");
        m.config("trainable_token_indices", "[1]", "trainable_token_indices asks for");
        m.config("layer_replication", "[[0,2]]", "layer_replication asks for");
        m.config("target_parameters", "[\"x\"]", "target_parameters asks for");
        m.config("alora_invocation_tokens", "[1]", "alora_invocation_tokens asks for");
        m.config("use_qalora", "true", "use_qalora asks for");
        m.config("use_bdlora", "true", "use_bdlora asks for");
        m.config("arrow_config", "{\"top_k\":1}", "arrow_config asks for");
        m.config("kasa_config", "{\"x\":1}", "kasa_config asks for");
        m.config("monteclora_config", "{\"x\":1}", "monteclora_config asks for");
        m.config("velora_config", "{\"x\":1}", "velora_config asks for");
        m.config("megatron_config", "{\"x\":1}", "megatron_config asks for");
        m.config("fan_in_fan_out", "true", "fan_in_fan_out asks for");
        m.config("a_future_field", "1", "a_future_field is not a field known here");
        for (String init :
                List.of("pissa", "pissa_niter_4", "olora", "corda", "loftq", "lora_ga")) {
            m.config("init_lora_weights", "\"" + init + "\"", "presumes a changed base model");
        }
        m.config("init_lora_weights", "{}", "presumes a changed base model");
        m.config("target_modules", "[]", "names no module");
        m.config("target_modules", "\"\"", "names no module");
        m.config("target_modules", "[\"c_attn\"]", "names no module");
        m.config("target_modules", "{\"q_proj\":1}", "target_modules must be a list");
        m.config("target_modules", "[1]", "list of strings");
        m.config("target_modules", "[\"q_proj\",\"lm_head\"]", "target_modules names lm_head");
        m.config("target_modules", "\".*\"", "target_modules names model.embed_tokens");
        m.config("target_modules", "\".*(?<=q)_proj\"", "without lookaround");
        m.config("target_modules", "\"(q)\\\\1\"", "without lookaround or back-references");
        m.config("target_modules", "\"(\"", "not read here");
        m.config("target_modules", "\"" + "a".repeat(600) + "\"", "at most 512");
        m.config("target_modules", "\"" + "(".repeat(200) + ")".repeat(200) + "\"", "too complex");
        m.config("target_modules", "\"((a{50}){50}){50}\"", "too complex");
        m.config("target_modules", "\"a{99999999999999999999}\"", "too complex");
        m.config("target_modules", "\"(" + "ab".repeat(20) + "){90}\"", "too complex");
        m.config("target_modules", "\"^(([a-z_.0-9])+)+!$\"", "names no module");
        m.config("layers_to_transform", "[7]", "names no module");
        m.config("layers_to_transform", "\"0\"", "layers_to_transform must be a list");
        m.config("layers_pattern", "\"layers\"", "needs layers_to_transform");
        m.config("rank_pattern", "{\"q_proj\":0}", "rank_pattern must be from 1 to 256");
        m.config("rank_pattern", "{\"q_proj\":2.5}", "whole numbers");
        m.config("rank_pattern", "[4]", "rank_pattern must be an object");
        m.config("rank_pattern", "{\"(q\":4}", "not read here");
        m.config("alpha_pattern", "{\"q_proj\":\"x\"}", "alpha_pattern must be a finite number");
        StringBuilder many = new StringBuilder("{\"x\":1");
        for (int i = 0; i < 1100; i++) {
            many.append(",\"x").append(i).append("\":1");
        }
        m.config("alpha_pattern", many.append("}").toString(), "too large: at most 1024");
        m.all.add(
                new Mutant(
                        "rank_pattern against the tensors",
                        f -> {
                            f.config.put("rank_pattern", "{\"q_proj\":8}");
                            return Mutants.files(f);
                        },
                        MODEL,
                        "has shape [4, 96]; [8, 96]"));
        m.all.add(
                new Mutant(
                        "layers_to_transform with a pattern",
                        f -> {
                            f.config.put("layers_to_transform", "[0]");
                            f.config.put("target_modules", "\".*q_proj\"");
                            return Mutants.files(f);
                        },
                        CONFIG,
                        "needs target_modules to be a list"));
        m.all.add(
                new Mutant(
                        "layers_pattern an expression",
                        f -> {
                            f.config.put("layers_to_transform", "[0]");
                            f.config.put("layers_pattern", "[\"(a+)+\"]");
                            return Mutants.files(f);
                        },
                        CONFIG,
                        "plain names"));
    }

    @ParameterizedTest
    @MethodSource("mutants")
    void isRefusedForTheRightReason(Mutant mutant) throws Exception {
        byte[][] files = mutant.spoil().apply(new AdapterFixture());
        AdapterFixture.write(folder, files[0], files[1]);
        AdapterRejected refusal = refusal();
        assertThat(refusal).hasMessageContaining(mutant.reason());
        assertThat(refusal.part()).isEqualTo(mutant.part());
        assertThat(refusal.getMessage())
                .matches("\\p{Print}{1,1000}")
                .startsWith(mutant.part().field())
                .doesNotContain(folder.toString());
    }

    @Test
    void aMissingFileIsNamed() throws Exception {
        new AdapterFixture().writeTo(folder);
        Files.delete(folder.resolve("adapter_model.safetensors"));
        assertThat(refusal()).hasMessageContaining("adapter_model.safetensors is missing");
        Files.delete(folder.resolve("adapter_config.json"));
        assertThat(refusal()).hasMessageContaining("adapter_config.json is missing");
    }

    /** Any flipped bit of the header, and any cut of the file, is refused or changes the digest. */
    @Test
    void noDamageGoesUnnoticed() throws Exception {
        AdapterFixture fixture = new AdapterFixture();
        byte[] config = fixture.configJson().getBytes(StandardCharsets.UTF_8);
        byte[] whole = fixture.model();
        String digest;
        try (PeftAdapter adapter =
                PeftAdapter.read(fixture.writeTo(folder), AdapterFixture.MODEL)) {
            digest = adapter.digest();
        }
        Random random = new Random(11);
        int headerEnd = 8 + fixture.header().length();
        int metadata = fixture.header().indexOf("pt") + 8;
        for (int i = 0; i < 300; i++) {
            byte[] damaged;
            if (i % 3 == 0) {
                damaged = Arrays.copyOf(whole, random.nextInt(whole.length));
            } else {
                damaged = whole.clone();
                int at =
                        i % 3 == 1
                                ? random.nextInt(headerEnd)
                                : headerEnd + random.nextInt(whole.length - headerEnd);
                if (at == metadata || at == metadata + 1) {
                    continue;
                }
                damaged[at] ^= (byte) (1 << random.nextInt(8));
            }
            AdapterFixture.write(folder, config, damaged);
            try (PeftAdapter adapter = PeftAdapter.read(folder, AdapterFixture.MODEL)) {
                assertThat(adapter.digest()).as("damage %d", i).isNotEqualTo(digest);
            } catch (AdapterRejected e) {
                assertThat(e).hasMessageStartingWith("adapter_model: ");
            }
        }
    }

    private AdapterRejected refusal() {
        return catchThrowableOfType(
                AdapterRejected.class,
                () -> PeftAdapter.read(folder, AdapterFixture.MODEL).close());
    }

    /** Where B would lie, moved by some bytes. */
    private static long[] span(AdapterFixture f, long shift) {
        long begin = f.queryA().data.length + shift;
        return new long[] {begin, begin + f.queryB().data.length};
    }

    private static void extra(AdapterFixture f, String name) {
        f.tensors.put("base_model.model." + name, new AdapterFixture.Tensor(1, 1, new float[1]));
    }

    private static String first(String text, String what, String by) {
        int at = text.indexOf(what);
        assertThat(at).as("%s in the file", what).isNotNegative();
        return text.substring(0, at) + by + text.substring(at + what.length());
    }

    private static String deep(int levels) {
        return "[".repeat(levels) + "]".repeat(levels);
    }

    private static byte[] cut(byte[] bytes, int count) {
        return Arrays.copyOf(bytes, bytes.length - count);
    }

    private static byte[] joined(byte[] a, byte[] b) {
        byte[] out = Arrays.copyOf(a, a.length + b.length);
        System.arraycopy(b, 0, out, a.length, b.length);
        return out;
    }

    private static byte[] ascii(String text) {
        return text.getBytes(StandardCharsets.ISO_8859_1);
    }

    private static byte[] bytes(int... values) {
        byte[] out = new byte[values.length];
        for (int i = 0; i < values.length; i++) {
            out[i] = (byte) values[i];
        }
        return out;
    }
}
