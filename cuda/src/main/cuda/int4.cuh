// What the INT4 matrix products share: where codes and weights lie, and in which order sums are made.
//
//   sum[g, i, n] = sum_{k in group g} codes[i, k] * w[n, k]              exact integers; the last group is the outliers'
//   part[r, i, n] = fma over the groups g of run r in order of (scales[i, g] * wscale[n, g], float(sum[g, i, n]))    FP32
//   y[i, n] = (((part[0] + part[1]) + part[2]) + part[3]) + (((part[4] + part[5]) + part[6]) + part[7])
//
// The groups are cut into 8 runs, run r from floor(groups r / 8) on: so that 8 warps or warpgroups can share a tile's
// columns, four of them in another thread block, and yet a row's bits depend on the layer's shape alone.
//
//   codes    [groups][capacity / 8]                     1056 bytes each:
//            [8][8 tokens][16] int8                     cores of 8 tokens by 16 channels, as wgmma reads them
//            [8 tokens] float                           scales
//   records  [pairs of tiles][groups - 1][2 tiles]      a tile is 64 outputs; 4224 bytes each:
//            [4 warps][2 halves][32 lanes] uint4        lane l: word s holds, of output 16 warp + 8 half + l / 4, the
//                                                       channels 32 s + 4 (l % 4) + b in the low halves of bytes b = 0 .. 3
//                                                       and 16 channels on in the high halves
//            [4 warps][8] half2                         scales of outputs 16 warp + i and 16 warp + i + 8
//   outliers [pairs of tiles][2 tiles]                  8448 bytes each:
//            [4 warps][4 s][32 lanes] uint4             the A operands of step s as they are, INT8
//            [4 warps][8] float2                        scales
#pragma once

#include "gemm.cuh"

constexpr int kOutputs = 64;             // of a record
constexpr int kRuns = 8;
constexpr int kRecordBytes = kOutputs * kGroup / 2 + kOutputs * 2;
constexpr int kOutlierBytes = kOutputs * kGroup + kOutputs * 4;

__device__ __forceinline__ int run_begin(int groups, int run) { return groups * run / kRuns; }

// The low nibbles (shift 4) or the high ones (shift 0) as bytes, each times 16.
__device__ __forceinline__ uint32_t nibbles(uint32_t word, int shift) { return (word << shift) & 0xF0F0F0F0u; }

// The A operands of a group's four steps: INT4 codes times 16.
__device__ __forceinline__ void operands(const uint4& top, const uint4& low, uint32_t (&x)[16]) {
    const uint32_t p[4] = {top.x, top.y, top.z, top.w};
    const uint32_t q[4] = {low.x, low.y, low.z, low.w};
#pragma unroll
    for (int s = 0; s < 4; s++) {
        x[4 * s] = nibbles(p[s], 4);
        x[4 * s + 1] = nibbles(q[s], 4);
        x[4 * s + 2] = nibbles(p[s], 0);
        x[4 * s + 3] = nibbles(q[s], 0);
    }
}

// The same of the outlier group; from: this lane's first.
__device__ __forceinline__ void outlier_operands(const uint4* from, uint32_t (&x)[16]) {
#pragma unroll
    for (int s = 0; s < 4; s++) {
        const uint4 step = from[s * 32];
        x[4 * s] = step.x;
        x[4 * s + 1] = step.y;
        x[4 * s + 2] = step.z;
        x[4 * s + 3] = step.w;
    }
}

// The scales of a lane's two outputs; the operands of regular groups are 16 times too large.
__device__ __forceinline__ float2 output_scales(const void* record, int warp, int quad) {
    const __half2 both = reinterpret_cast<const __half2*>(static_cast<const char*>(record) + kOutputs * kGroup / 2)[warp * 8 + quad];
    const float2 wide = __half22float2(both);
    return make_float2(wide.x * 0.0625f, wide.y * 0.0625f);
}

__device__ __forceinline__ float2 outlier_scales(const void* record, int warp, int quad) {
    return reinterpret_cast<const float2*>(static_cast<const char*>(record) + kOutputs * kGroup)[warp * 8 + quad];
}

__device__ __forceinline__ const char* record_of(const Slice& slice, int tile, int g, int groups) {
    return static_cast<const char*>(slice.weights) + (((size_t)(tile / 2) * (groups - 1) + g) * 2 + tile % 2) * kRecordBytes;
}

__device__ __forceinline__ const char* outliers_of(const Slice& slice, int tile) {
    return static_cast<const char*>(slice.outliers) + (size_t)tile * kOutlierBytes;
}

// Codes and scales of group g, from a token that is a multiple of 8 on.
__device__ __forceinline__ const char* codes_of(const GemmArgs& a, int g, int token) {
    return a.codes + ((size_t)g * (a.capacity / 8) + token / 8) * kCodeBytes;
}
