// normalize: RMSNorm of each row, then the codes its layer reads.
//
//   x[i, c] = hidden[row_i, c] / sqrt(mean_c(hidden[row_i, c]^2) + epsilon) * weight[c]
//   codes, scales = quantize(hadamard(order(x)))          FORMAT.md, "Activations"
//
//   hidden  [*, columns]     float
//   weight  [columns]        float
//   picked  [rows]           int32, which rows of hidden; null for 0, 1, 2, ...
//   out     Input            plain x, and codes or planes
//
// Launch     grid (rows), block 512, columns floats of shared memory
// Requires   columns % 128 == 0 for codes
// Bound      |x - reference| <= 2^-21 |reference|; codes and scales are exact for the x computed
// Reference  ReferenceKernels.normalize    Test  KernelsContract.normalizeWritesThePlainRows
#include "device.cuh"

struct NormalizeArgs {
    const float* hidden;
    const float* weight;
    const int* picked;
    Input out;
    float epsilon;
};

extern "C" __global__ void __launch_bounds__(512) normalize(const __grid_constant__ NormalizeArgs a) {
    extern __shared__ float x[];
    __shared__ float partial[16];
    const int columns = a.out.columns;
    const int row = blockIdx.x;
    const float* from = a.hidden + (size_t)(a.picked == nullptr ? row : a.picked[row]) * columns;
    float squares = 0;
    for (int c = threadIdx.x; c < columns; c += blockDim.x) {
        const float v = from[c];
        x[c] = v;
        squares = fmaf(v, v, squares);
    }
    squares = warp_sum(squares);
    if ((threadIdx.x & 31) == 0) {
        partial[threadIdx.x / 32] = squares;
    }
    __syncthreads();
    float sum = 0;
    for (int w = 0; w < blockDim.x / 32; w++) {
        sum += partial[w];
    }
    const float scale = (float)(1.0 / sqrt((double)sum / columns + (double)a.epsilon));
    for (int c = threadIdx.x; c < columns; c += blockDim.x) {
        const float v = x[c] * scale * a.weight[c];
        x[c] = v;
        a.out.plain[(size_t)row * columns + c] = v;
    }
    __syncthreads();
    encode_row(a.out, row, x);
}
