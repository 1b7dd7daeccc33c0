// pack_head: rows of the output head from bf16 to the order of head.cuh.
//
//   INT8   scale[n] = max_k |w[n, k]| / 127,  code = round(w / scale), to nearest, ties to even; zero for a row of zeros
//   bf16   the rows as they are
//
//   rows     [count, columns]  bf16, row-major: outputs first .. first + count - 1
//   weights  see head.cuh; zero before
//   scales   [out]             float; null for bf16
//
// Launch     grid (count), block 256
// Bound      exact
// Reference  RowCodes.of                   Test  CudaHeadTest
#include "head.cuh"

struct PackHeadArgs {
    const __nv_bfloat16* rows;
    void* weights;
    float* scales;
    int first;
    int columns;
    int slabs;
    int unused;
};

// Where in the packed weights byte b of an output's row lies.
__device__ __forceinline__ size_t place(const PackHeadArgs& a, int n, int b) {
    const size_t slab = (size_t)(n / kTileOutputs) * a.slabs + b / kSlabBytes;
    return slab * kTileBytes + n % kTileOutputs / 8 * 1024 + b % kSlabBytes / 16 * 128 + n % 8 * 16 + b % 16;
}

extern "C" __global__ void __launch_bounds__(256) pack_head(const __grid_constant__ PackHeadArgs a) {
    __shared__ float partial[8];
    const int n = a.first + blockIdx.x;
    const __nv_bfloat16* from = a.rows + (size_t)blockIdx.x * a.columns;
    if (a.scales == nullptr) {
        for (int c = threadIdx.x; c < a.columns; c += blockDim.x) {
            *reinterpret_cast<__nv_bfloat16*>(static_cast<char*>(a.weights) + place(a, n, 2 * c)) = from[c];
        }
        return;
    }
    float most = 0;
    for (int c = threadIdx.x; c < a.columns; c += blockDim.x) {
        most = fmaxf(most, fabsf(__bfloat162float(from[c])));
    }
    most = warp_max(most);
    if ((threadIdx.x & 31) == 0) {
        partial[threadIdx.x / 32] = most;
    }
    __syncthreads();
    for (int w = 0; w < 8; w++) {
        most = fmaxf(most, partial[w]);
    }
    const float scale = most / 127.0f;
    for (int c = threadIdx.x; c < a.columns; c += blockDim.x) {
        const float code = scale == 0 ? 0.0f : __bfloat162float(from[c]) / scale + kRound - kRound;
        static_cast<int8_t*>(a.weights)[place(a, n, c)] = (int8_t)(int)fminf(fmaxf(code, -127.0f), 127.0f);
    }
    if (threadIdx.x == 0) {
        a.scales[n] = scale;
    }
}
