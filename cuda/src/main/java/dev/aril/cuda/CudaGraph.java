package dev.aril.cuda;

import jcuda.driver.CUgraph;
import jcuda.driver.CUgraphExec;
import jcuda.driver.CUstream;
import jcuda.driver.CUstreamCaptureMode;
import jcuda.driver.JCudaDriver;

/** A row of kernels that the device starts by itself, recorded once and launched with one call. */
public final class CudaGraph implements AutoCloseable {
    private final CUgraphExec executable = new CUgraphExec();

    private CudaGraph() {}

    /**
     * Records what is put on a stream meanwhile instead of doing it.
     *
     * @param stream used by this thread alone; nothing may wait for it meanwhile
     */
    static CudaGraph record(CUstream stream, Runnable work) {
        CudaException.check(
                "cuStreamBeginCapture",
                JCudaDriver.cuStreamBeginCapture(
                        stream, CUstreamCaptureMode.CU_STREAM_CAPTURE_MODE_THREAD_LOCAL));
        CUgraph graph = new CUgraph();
        boolean done = false;
        try {
            work.run();
            done = true;
        } finally {
            int result = JCudaDriver.cuStreamEndCapture(stream, graph);
            if (done) {
                CudaException.check("cuStreamEndCapture", result);
            }
        }
        try {
            CudaGraph recorded = new CudaGraph();
            CudaException.check(
                    "cuGraphInstantiate",
                    JCudaDriver.cuGraphInstantiate(recorded.executable, graph, 0));
            return recorded;
        } finally {
            CudaException.check("cuGraphDestroy", JCudaDriver.cuGraphDestroy(graph));
        }
    }

    void launch(CUstream stream) {
        CudaException.check("cuGraphLaunch", JCudaDriver.cuGraphLaunch(executable, stream));
    }

    @Override
    public void close() {
        CudaException.check("cuGraphExecDestroy", JCudaDriver.cuGraphExecDestroy(executable));
    }
}
