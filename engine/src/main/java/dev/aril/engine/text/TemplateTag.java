package dev.aril.engine.text;

import com.hubspot.jinjava.interpret.JinjavaInterpreter;
import com.hubspot.jinjava.lib.tag.Tag;
import com.hubspot.jinjava.tree.TagNode;
import org.jspecify.annotations.Nullable;

/**
 * A tag of the library's whose meaning is a {@link Statement}.
 *
 * @param endName null for one that stands alone
 */
record TemplateTag(String name, @Nullable String endName) implements Tag {
    @Override
    public String getName() {
        return name;
    }

    @Override
    public @Nullable String getEndTagName() {
        return endName;
    }

    @Override
    public String interpret(TagNode node, JinjavaInterpreter interpreter) {
        return ((TemplateRun) interpreter).render(node);
    }
}
