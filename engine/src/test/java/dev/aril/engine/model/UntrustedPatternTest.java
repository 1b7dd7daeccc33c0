package dev.aril.engine.model;

import static org.assertj.core.api.Assertions.assertThat;

import java.util.regex.Pattern;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.ValueSource;

class UntrustedPatternTest {
    private static final String[] NAMES = {
        "model.layers.0.self_attn.q_proj",
        "model.layers.10.self_attn.q_proj",
        "model.layers.0.mlp.up_proj",
        "xq_proj",
        "q_proj",
        "q-proj",
        "a.qxproj",
        "q_proj.x",
        ""
    };

    /** PEFT's own expression, run by another engine. */
    @ParameterizedTest
    @ValueSource(
            strings = {
                "q_proj",
                "self_attn.q_proj",
                "layers.0.self_attn.q_proj",
                "model.layers.0.self_attn.q_proj",
                "model.layers.0.self_attn.q_proj.longer",
                "q.proj",
                ".",
                "..proj",
                "q_proj|up_proj",
                ".*",
                "layers\\.\\d\\..*",
                "^q_proj",
                "q_proj$",
                "(q|up)_proj",
                "[a-z]+_proj",
                ""
            })
    void suffixesMatchAsInPeft(String source) throws Exception {
        UntrustedPattern ours = UntrustedPattern.suffix("rank_pattern", source);
        Pattern theirs = Pattern.compile("(.*\\.)?(" + source + ")$");
        for (String name : NAMES) {
            assertThat(ours.matches(name))
                    .as("%s on %s", source, name)
                    .isEqualTo(theirs.matcher(name).lookingAt());
        }
    }
}
