package dev.aril.cuda;

import static org.assertj.core.api.Assertions.assertThat;
import static org.junit.jupiter.api.Assumptions.assumeTrue;

import org.junit.jupiter.api.Tag;
import org.junit.jupiter.api.Test;

/** Whatever this machine has. */
class ThisMachineTest {
    @Test
    void answersTheSameEachTime() {
        CudaDevice first = CudaDevice.first();

        assertThat(CudaDevice.first()).isSameAs(first);
        if (first instanceof CudaDevice.Unusable(String reason)) {
            assertThat(reason).isNotBlank().doesNotContain("NoClassDefFoundError");
        }
    }

    @Test
    @Tag("gpu")
    void findsTheDevice() {
        CudaDevice device = CudaDevice.first();
        if (device instanceof CudaDevice.Unusable(String reason)) {
            // Surefire's console does not tell why a test was skipped
            System.out.println("skipped: there is no usable GPU here (" + reason + ")");
        }
        assumeTrue(device instanceof CudaDevice.Usable, () -> "no GPU here: " + device);

        var usable = (CudaDevice.Usable) device;
        assertThat(usable.name()).isNotBlank();
        assertThat(usable.major()).isGreaterThanOrEqualTo(CudaDevice.OLDEST_MAJOR);
        assertThat(usable.memoryBytes()).isGreaterThan(1L << 30);
    }
}
