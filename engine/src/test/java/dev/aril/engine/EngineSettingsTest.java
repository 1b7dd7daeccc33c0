package dev.aril.engine;

import static org.assertj.core.api.Assertions.assertThat;

import org.junit.jupiter.api.Test;

class EngineSettingsTest {
    @Test
    void whatIsLeftOpenFollowsTheDevice() {
        EngineSettings open = EngineSettings.defaults();
        assertThat(open.on(Device.CPU, 80L << 30))
                .isEqualTo(new EngineSettings(256, 64, 1024, 256L << 20, 256L << 20, 0));
        assertThat(open.on(Device.CUDA, 80L << 30))
                .as("the GPU's cache takes what the weights will leave")
                .isEqualTo(new EngineSettings(2048, 256, 1024, 0, 10L << 30, 0));
    }

    @Test
    void whatIsSetStays() {
        EngineSettings set = new EngineSettings(100, 7, 5, 1 << 20, 2 << 20, 3);
        assertThat(set.on(Device.CUDA, 80L << 30)).isEqualTo(set);
        assertThat(set.on(Device.CPU, 0)).isEqualTo(set);
    }

    @Test
    void sequencesNeverExceedTheRowsOfAStep() {
        EngineSettings few = new EngineSettings(100, 0, 5, 0, 0, 0);
        assertThat(few.on(Device.CUDA, 80L << 30).maxSequences()).isEqualTo(100);
        assertThat(few.on(Device.CPU, 0).maxSequences()).isEqualTo(64);
    }
}
