package dev.aril.engine.quantize;

import dev.aril.engine.kernels.*;
import dev.aril.engine.measure.*;
import dev.aril.engine.model.*;
import dev.aril.engine.text.Tokenizer;
import java.nio.file.*;
import java.util.*;

public class Try {
    public static void main(String[] a) throws Exception {
        Path dir = Path.of("models/novella-11m");
        List<AblationRecipe> all = AblationRecipe.all();
        Path[] texts = Arrays.stream(a[0].split(",")).map(Path::of).toArray(Path[]::new);
        for (int i = 1; i < a.length; i++) {
            AblationRecipe r = all.get(Integer.parseInt(a[i]));
            try (Checkpoint c = Checkpoint.open(dir);
                    CpuKernels k = new CpuKernels(0);
                    CpuMatrices m = new CpuMatrices(0);
                    Tokenizer t = Tokenizer.open(dir)) {
                long t0 = System.nanoTime();
                WeightSource w =
                        r.weights(dir, c, dir.resolve("text/calibration.txt"), k, m, s -> {});
                Forward f = new Forward(w, k, Scorer.CHUNK, 0);
                long t1 = System.nanoTime();
                StringBuilder out = new StringBuilder();
                for (Path text : texts)
                    out.append(
                            String.format(
                                    " %8.3f",
                                    Perplexity.of(f, t, Files.readString(text), (x, y) -> {})
                                            .value()));
                System.out.printf(
                        "%-45s%s  (import %.1f s, eval %.1f s)%n",
                        r.label(), out, (t1 - t0) / 1e9, (System.nanoTime() - t1) / 1e9);
            }
        }
    }
}
