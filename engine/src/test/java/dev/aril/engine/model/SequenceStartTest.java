package dev.aril.engine.model;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;

import dev.aril.engine.UnsupportedCheckpoint;
import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.Set;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.CsvSource;

/** What begins a sequence, as the tokenizers of the families say it. */
class SequenceStartTest {
    private static final String TEMPLATE =
            "{'type':'TemplateProcessing','single':[{'SpecialToken':{'id':'<s>','type_id':0}},"
                    + "{'Sequence':{'id':'A','type_id':0}}],'pair':[],"
                    + "'special_tokens':{'<s>':{'id':'<s>','ids':[5],'tokens':['<s>']}}}";

    private static final String AFTER =
            "{'type':'TemplateProcessing','single':[{'Sequence':{'id':'A','type_id':0}},"
                    + "{'SpecialToken':{'id':'<s>','type_id':0}}],'pair':[],"
                    + "'special_tokens':{'<s>':{'id':'<s>','ids':[5],'tokens':['<s>']}}}";

    private static final String BYTES = "{'type':'ByteLevel','trim_offsets':true}";

    @TempDir Path folder;

    private static ModelConfig config(int bos) {
        return new ModelConfig(
                256, 512, 4, 4, 2, 64, 1000, 2048, 10_000, 1e-5f, false, bos, Set.of(2));
    }

    private int start(int bos, String postProcessor, String settings) throws IOException {
        write(
                "tokenizer.json",
                "{'version':'1.0','added_tokens':[{'id':7,'content':'<s>'},{'id':1000,'content':'<far>'}],"
                        + "'model':{'type':'BPE','vocab':{'a':0},'merges':[]},'post_processor':"
                        + postProcessor
                        + ",'decoder':null}");
        write("tokenizer_config.json", settings);
        return SequenceStart.of(folder, config(bos));
    }

    private void write(String file, String json) throws IOException {
        Files.writeString(folder.resolve(file), json.replace('\'', '"'));
    }

    /** Qwen's configurations name a bos_token_id that its tokenizer never writes. */
    @Test
    void nothingBeginsWhereTheTokenizerAddsNothing() throws IOException {
        assertThat(start(3, BYTES, "{'add_bos_token':false,'bos_token':null}")).isEqualTo(-1);
        assertThat(start(3, "null", "{'tokenizer_class':'Qwen2Tokenizer'}")).isEqualTo(-1);
        assertThat(start(3, TEMPLATE, "{'add_bos_token':false,'bos_token':'<s>'}")).isEqualTo(-1);
        assertThat(start(3, AFTER, "{}")).isEqualTo(-1);
    }

    @Test
    void theTemplateSaysWhatBegins() throws IOException {
        assertThat(start(3, TEMPLATE, "{'tokenizer_class':'PreTrainedTokenizerFast'}"))
                .isEqualTo(5);
        String both = "{'type':'Sequence','processors':[" + BYTES + "," + TEMPLATE + "]}";
        assertThat(start(-1, both, "{}")).isEqualTo(5);
    }

    /** By the tokenizer's own name for it, whatever config.json's id is. */
    @Test
    void theTokenIsTheTokenizers() throws IOException {
        assertThat(start(3, "null", "{'add_bos_token':true,'bos_token':'<s>'}")).isEqualTo(7);
        assertThat(start(3, "null", "{'add_bos_token':true,'bos_token':{'content':'<s>'}}"))
                .isEqualTo(7);
        assertThat(start(3, "null", "{'add_bos_token':true}")).isEqualTo(3);
        assertThat(start(3, "null", "{'tokenizer_class':'LlamaTokenizer'}")).isEqualTo(3);
    }

    @Test
    void withoutATokenizerTheConfigurationHolds() throws IOException {
        assertThat(SequenceStart.of(folder, config(3))).isEqualTo(3);
        assertThat(SequenceStart.of(folder, config(-1))).isEqualTo(-1);
    }

    @ParameterizedTest
    @CsvSource(
            delimiter = '|',
            quoteCharacter = '`',
            value = {
                "{'add_bos_token':true}                        | neither its bos_token nor",
                "{'add_bos_token':true,'bos_token':'<far>'}    | is not below config.json's vocab_size 1000",
                "{'add_bos_token':                             | tokenizer_config.json is not JSON"
            })
    void refusesWhatCannotBegin(String settings, String reason) {
        assertThatThrownBy(() -> start(-1, "null", settings))
                .isInstanceOf(UnsupportedCheckpoint.class)
                .hasMessageContaining(reason);
    }

    @Test
    void refusesADamagedTokenizer() throws IOException {
        write("tokenizer.json", "{'added_tokens':[");
        assertThatThrownBy(() -> SequenceStart.of(folder, config(1)))
                .isInstanceOf(UnsupportedCheckpoint.class)
                .hasMessageContaining("tokenizer.json is not JSON");
    }
}
