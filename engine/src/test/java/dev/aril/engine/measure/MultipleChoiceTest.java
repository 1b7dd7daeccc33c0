package dev.aril.engine.measure;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;
import static org.assertj.core.api.Assertions.within;

import dev.aril.engine.kernels.CpuKernels;
import dev.aril.engine.model.Checkpoint;
import dev.aril.engine.model.Forward;
import dev.aril.engine.text.Tokenizer;
import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.List;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.CsvSource;

class MultipleChoiceTest {
    private static final Path MODEL = Path.of("../models/novella-11m");

    /** A choice's likelihood is the difference between the whole's and the question's. */
    @Test
    void aChoiceIsScoredGivenItsQuestion() throws IOException {
        try (Checkpoint checkpoint = Checkpoint.open(MODEL);
                Tokenizer tokenizer = Tokenizer.open(MODEL);
                CpuKernels kernels = new CpuKernels(0)) {
            Scorer scorer = new Scorer(new Forward(checkpoint, kernels, Scorer.CHUNK, 0));
            String question = "It was a dark and stormy";
            double night = MultipleChoice.logLikelihood(scorer, tokenizer, null, question, "night");
            double spoon = MultipleChoice.logLikelihood(scorer, tokenizer, null, question, "spoon");
            assertThat(night).isGreaterThan(spoon + 2);
            double whole = sum(scorer, tokenizer, question + " night");
            assertThat(night).isCloseTo(whole - sum(scorer, tokenizer, question), within(1e-3));
            MultipleChoice example =
                    MultipleChoice.of(
                            scorer,
                            tokenizer,
                            null,
                            MODEL.resolve("text/choices.jsonl"),
                            share -> {});
            assertThat(example.questions()).isEqualTo(24);
            // 0.25 by chance
            assertThat(example.accuracy()).isGreaterThan(0.5);
            assertThat(example.accuracyByLength()).isGreaterThan(0.4);
        }
    }

    private static double sum(Scorer scorer, Tokenizer tokenizer, String text) {
        int[] own = tokenizer.encode(text);
        int[] ids = new int[own.length + 1];
        ids[0] = 1;
        System.arraycopy(own, 0, ids, 1, own.length);
        return java.util.Arrays.stream(scorer.score(ids, null)).sum();
    }

    @ParameterizedTest
    @CsvSource(
            delimiter = '|',
            quoteCharacter = '\0',
            value = {
                "{\"choices\":[\"a\",\"b\"],\"answer\":0}|line 2: question must be a text",
                "{\"question\":\"q\",\"choices\":[\"a\"],\"answer\":0}|line 2: choices must be at",
                "{\"question\":\"q\",\"choices\":[\"a\",3],\"answer\":0}|line 2: choices must be t",
                "{\"question\":\"q\",\"choices\":[\"a\",\"b\"],\"answer\":2}|an index, 0 to 1",
                "{\"question\":\"q\",\"choices\":[\"a\",\"b\"],\"answer\":\"a\"}|an index, 0 to 1",
                "{\"question\":|line 2: is not JSON"
            })
    void whatIsWrongIsNamed(String line, String message, @TempDir Path folder) throws IOException {
        Path file = folder.resolve("choices.jsonl");
        String fine = "{\"question\":\"q\",\"choices\":[\"a\",\"b\"],\"answer\":1}";
        Files.write(file, List.of(fine, line));
        String expected = message.replace("an index", "a choice's index");
        assertThatThrownBy(() -> MultipleChoice.read(file))
                .isInstanceOf(IllegalArgumentException.class)
                .hasMessageContaining("choices.jsonl, line 2")
                .hasMessageContaining(expected);
    }
}
