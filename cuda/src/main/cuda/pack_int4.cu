// pack_int4: the packed format's INT4 weights into the order in which int4_gemm's lanes read them.
//
//   nibbles  [out, 64 groups] bytes  column 2i low, 2i + 1 high     ->  packed [tiles, groups, 2, 32, 4] words
//   scales   [out, groups]    half                                  ->  turned [groups, 16 tiles]        half
//
// Outputs past the last one become zero.
//
// Launch     grid (groups, tiles), block 256
// Requires   groups of 128
// Bound      exact
// Reference  LinearWeights.Int4.code       Test  KernelsContract.quantizedProjectionHasTheDefinedBits
#include "gemm.cuh"

struct PackArgs {
    const uint32_t* nibbles;
    const __half* scales;
    uint32_t* packed;
    __half* turned;
    int out;
    int groups;
};

extern "C" __global__ void __launch_bounds__(256) pack_int4(const __grid_constant__ PackArgs a) {
    const int g = blockIdx.x;
    const int tile = blockIdx.y;
    const int half = threadIdx.x / 128;
    const int lane = threadIdx.x / 4 % 32;
    const int s = threadIdx.x % 4;
    const int row = tile * kRowsOfTile + lane / 4 + 8 * half;
    uint32_t result = 0;
    if (row < a.out) {
        const uint32_t x = a.nibbles[((size_t)row * a.groups + g) * 16 + lane % 4 * 4 + s];
#pragma unroll
        for (int b = 0; b < 4; b++) {
            const uint32_t low = x >> (4 * b) & 15;
            const uint32_t high = x >> (16 + 4 * b) & 15;
            result |= (low | high << 4) << (8 * b);
        }
    }
    a.packed[((size_t)tile * a.groups + g) * 256 + threadIdx.x] = result;
    if (threadIdx.x < kRowsOfTile) {
        const int n = tile * kRowsOfTile + threadIdx.x;
        a.turned[(size_t)g * gridDim.y * kRowsOfTile + n] =
            n < a.out ? a.scales[(size_t)n * a.groups + g] : __float2half(0.0f);
    }
}
