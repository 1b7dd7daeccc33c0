package dev.aril.engine.text;

import java.util.List;
import org.jspecify.annotations.Nullable;

/** A loop's own variable, {@code loop}. */
final class LoopState {
    private final List<Object> items;
    private int index;
    private @Nullable List<Object> last;

    LoopState(List<Object> items) {
        this.items = items;
    }

    void next(int index) {
        this.index = index;
    }

    @Nullable Object field(String name) {
        return switch (name) {
            case "index" -> index + 1L;
            case "index0" -> (long) index;
            case "revindex" -> (long) items.size() - index;
            case "revindex0" -> items.size() - index - 1L;
            case "length" -> (long) items.size();
            case "first" -> index == 0;
            case "last" -> index == items.size() - 1;
            // of recursive loops, which there are none of here
            case "depth" -> 1L;
            case "depth0" -> 0L;
            case "previtem" ->
                    index > 0 ? items.get(index - 1) : new Undefined("there is no previous item");
            case "nextitem" ->
                    index + 1 < items.size()
                            ? items.get(index + 1)
                            : new Undefined("there is no next item");
            default -> null;
        };
    }

    @Nullable TemplateCallable method(String name) {
        return switch (name) {
            case "cycle" ->
                    (given, scope) -> {
                        if (given.positional().isEmpty()) {
                            throw new TemplateFault("cycle() lacks its items");
                        }
                        return given.positional().get(index % given.positional().size());
                    };
            case "changed" ->
                    (given, scope) -> {
                        boolean changed = !given.positional().equals(last);
                        last = given.positional();
                        return changed;
                    };
            default -> null;
        };
    }
}
