package dev.aril.cuda;

import jcuda.driver.CUresult;
import jcuda.driver.JCudaDriver;

/** A driver call failed; the message has the call, the driver's name of the error and its text. */
public final class CudaException extends RuntimeException {
    private static final long serialVersionUID = 1L;

    private final int code;

    private CudaException(String call, int code) {
        super(call + ": " + name(code) + " (" + text(code) + ")");
        this.code = code;
    }

    /** The driver's number for it, a {@code CUresult}. */
    public int code() {
        return code;
    }

    /** Throws unless a driver call's answer is success. */
    static void check(String call, int result) {
        if (result != CUresult.CUDA_SUCCESS) {
            throw new CudaException(call, result);
        }
    }

    private static String name(int code) {
        String[] name = new String[1];
        return JCudaDriver.cuGetErrorName(code, name) == CUresult.CUDA_SUCCESS
                ? name[0]
                : "error " + code;
    }

    private static String text(int code) {
        String[] text = new String[1];
        return JCudaDriver.cuGetErrorString(code, text) == CUresult.CUDA_SUCCESS
                ? text[0]
                : "unknown to the driver";
    }
}
