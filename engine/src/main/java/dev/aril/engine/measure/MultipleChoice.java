package dev.aril.engine.measure;

import dev.aril.engine.kernels.Kernels.Adapter;
import dev.aril.engine.text.TextFile;
import dev.aril.engine.text.Tokenizer;
import java.io.IOException;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.List;
import java.util.function.DoubleConsumer;
import org.jspecify.annotations.Nullable;
import tools.jackson.core.JacksonException;
import tools.jackson.databind.JsonNode;
import tools.jackson.databind.json.JsonMapper;

/**
 * How many questions a model answers by finding the right one of several continuations likeliest
 * (the method of EleutherAI's lm-evaluation-harness): each choice is appended to its question after
 * a blank, and the log-probabilities of its tokens are summed.
 *
 * @param right choices with the largest sum that are the answer
 * @param rightByLength the same of the sums divided by the choices' lengths in characters
 */
public record MultipleChoice(int questions, int right, int rightByLength) {
    /**
     * @param answer index of the right choice
     */
    record Question(String text, List<String> choices, int answer) {}

    public double accuracy() {
        return (double) right / questions;
    }

    /** Not drawn to short choices. */
    public double accuracyByLength() {
        return (double) rightByLength / questions;
    }

    /**
     * @param file JSON lines with {@code question}, {@code choices} and {@code answer}, the index
     *     of the right one
     * @throws IllegalArgumentException naming the line and the field that is wrong
     */
    static List<Question> read(Path file) throws IOException {
        List<Question> questions = new ArrayList<>();
        int number = 0;
        for (String line : TextFile.read(file).lines().toList()) {
            number++;
            if (line.isBlank()) {
                continue;
            }
            try {
                questions.add(question(JsonMapper.shared().readTree(line)));
            } catch (JacksonException e) {
                throw wrong(file, number, "is not JSON: " + e.getOriginalMessage());
            } catch (IllegalArgumentException e) {
                throw wrong(file, number, e.getMessage());
            }
        }
        if (questions.isEmpty()) {
            throw new IllegalArgumentException(file.getFileName() + " has no questions");
        }
        return questions;
    }

    private static IllegalArgumentException wrong(Path file, int line, @Nullable String what) {
        return new IllegalArgumentException(file.getFileName() + ", line " + line + ": " + what);
    }

    private static Question question(JsonNode node) {
        String text = node.path("question").asString("");
        if (text.isBlank()) {
            throw new IllegalArgumentException("question must be a text");
        }
        List<String> choices = new ArrayList<>();
        for (JsonNode choice : node.path("choices")) {
            if (!choice.isString() || choice.asString().isBlank()) {
                throw new IllegalArgumentException("choices must be texts");
            }
            choices.add(choice.asString());
        }
        if (choices.size() < 2) {
            throw new IllegalArgumentException("choices must be at least two texts");
        }
        JsonNode answer = node.path("answer");
        if (!answer.isInt() || answer.asInt() < 0 || answer.asInt() >= choices.size()) {
            throw new IllegalArgumentException(
                    "answer must be a choice's index, 0 to " + (choices.size() - 1));
        }
        return new Question(text.stripTrailing(), choices, answer.asInt());
    }

    /**
     * @param progress gets the share that is answered
     */
    public static MultipleChoice of(
            Scorer scorer,
            Tokenizer tokenizer,
            @Nullable Adapter adapter,
            Path file,
            DoubleConsumer progress)
            throws IOException {
        List<Question> questions = read(file);
        int right = 0;
        int byLength = 0;
        for (int q = 0; q < questions.size(); q++) {
            Question question = questions.get(q);
            double[] sums = new double[question.choices().size()];
            double[] means = new double[sums.length];
            for (int c = 0; c < sums.length; c++) {
                String choice = question.choices().get(c);
                sums[c] = logLikelihood(scorer, tokenizer, adapter, question.text(), choice);
                means[c] = sums[c] / choice.codePointCount(0, choice.length());
            }
            right += best(sums) == question.answer() ? 1 : 0;
            byLength += best(means) == question.answer() ? 1 : 0;
            progress.accept((q + 1.0) / questions.size());
        }
        return new MultipleChoice(questions.size(), right, byLength);
    }

    /** Of the choice's tokens: those of the whole text that the question alone does not have. */
    static double logLikelihood(
            Scorer scorer,
            Tokenizer tokenizer,
            @Nullable Adapter adapter,
            String question,
            String choice) {
        int[] whole = tokenizer.encode(question + " " + choice);
        int own = Math.max(1, whole.length - tokenizer.encode(question).length);
        int bos = scorer.bosId();
        int[] ids = whole;
        if (bos >= 0) {
            ids = new int[whole.length + 1];
            ids[0] = bos;
            System.arraycopy(whole, 0, ids, 1, whole.length);
        }
        if (ids.length > scorer.contextLength()) {
            // as the harness does: what is furthest back goes
            ids = Arrays.copyOfRange(ids, ids.length - scorer.contextLength(), ids.length);
        }
        double[] scores = scorer.score(ids, adapter);
        double sum = 0;
        for (int i = Math.max(0, scores.length - own); i < scores.length; i++) {
            sum += scores[i];
        }
        return sum;
    }

    private static int best(double[] scores) {
        int best = 0;
        for (int i = 1; i < scores.length; i++) {
            best = scores[i] > scores[best] ? i : best;
        }
        return best;
    }
}
