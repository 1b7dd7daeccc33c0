package dev.aril.cuda;

/** A process of its own, because a driver can be loaded only once in each. */
final class PrintDevice {
    private PrintDevice() {}

    public static void main(String[] args) {
        System.out.println(CudaDevice.first());
    }
}
