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
//            [8][8 tokens][16] bytes                    cores of 8 tokens by 16 channels, as wgmma reads them
//            [8 tokens] float                           scales
//   records  [pairs of tiles][groups - 1][2 tiles]      a tile is 64 outputs; 4224 bytes each:
//            [4 warps][2 halves][32 lanes] uint4        lane l: word s holds, of output 16 warp + 2 (l / 4) + half, the
//                                                       channels 32 s + 4 (l % 4) + b in the low halves of bytes b = 0 .. 3
//                                                       and 16 channels on in the high halves (9.0: see below)
//            [64] half                                  scales
//   outliers [pairs of tiles][2 tiles]                  8448 bytes each:
//            [4 warps][4 s][32 lanes] uint4             the A operands of step s as they are, INT8
//            [64] float                                 scales
//
// On compute capability 9.0 codes and weights of the regular groups are e4m3: a sign and a magnitude of at most 8. Such
// bytes are subnormal numbers, m * 2^-9, so a magnitude needs no conversion, and the sums come out as floats: that saves
// an instruction in three of those that follow a product. The sums are exact, below 2^13 units, and the adders keep 13
// bits below the largest term (tried on an H200 with 3 * 10^8 sums, the largest ones among them). In a word of weights
// the low nibble's magnitude is bits 0 .. 2 of a byte and its sign bit 7; the high one's bits 4 .. 6 and bit 3 of the next
// byte, so that a rotation by 4 puts them in the same places. Elsewhere both are two's complement; outliers are INT8 everywhere.
// Activations of 8 bits are INT8 everywhere, and their weights, stored the same, become INT8 in registers.
#pragma once

#include "gemm.cuh"

constexpr int kOutputs = 64;             // of a record
constexpr int kRuns = 8;
constexpr int kRecordBytes = kOutputs * kGroup / 2 + kOutputs * 2;
constexpr int kOutlierBytes = kOutputs * kGroup + kOutputs * 4;

__device__ __forceinline__ int run_begin(int groups, int run) { return groups * run / kRuns; }

#ifdef ARIL_HOPPER
constexpr float kUnits = 262144.0f;  // both factors of a product are in units of 2^-9

__device__ __forceinline__ uint32_t low_nibbles(uint32_t word) { return word & 0x87878787u; }
__device__ __forceinline__ uint32_t high_nibbles(uint32_t word) { return __funnelshift_r(word, word, 4) & 0x87878787u; }

// e4m3 codes as INT8.
__device__ __forceinline__ uint32_t integers(uint32_t codes) {
    const uint32_t sign = codes >> 7 & 0x01010101u;
    return (codes & 0x7F7F7F7Fu ^ sign * 255) + sign;
}
#else
constexpr float kUnits = 0.0625f;  // weights come times 16

__device__ __forceinline__ uint32_t low_nibbles(uint32_t word) { return (word << 4) & 0xF0F0F0F0u; }
__device__ __forceinline__ uint32_t high_nibbles(uint32_t word) { return word & 0xF0F0F0F0u; }
#endif

// With activations of 8 bits a regular group's codes are INT8 too, and so are its weights' operands: integers on compute
// capability 9.0, elsewhere as they are.
constexpr float kUnitsOfEight =
#ifdef ARIL_HOPPER
    1.0f;
#else
    kUnits;
#endif

// The A operands of a group's four steps.
__device__ __forceinline__ void operands(const uint4& top, const uint4& low, uint32_t (&x)[16]) {
    const uint32_t p[4] = {top.x, top.y, top.z, top.w};
    const uint32_t q[4] = {low.x, low.y, low.z, low.w};
#pragma unroll
    for (int s = 0; s < 4; s++) {
        x[4 * s] = low_nibbles(p[s]);
        x[4 * s + 1] = low_nibbles(q[s]);
        x[4 * s + 2] = high_nibbles(p[s]);
        x[4 * s + 3] = high_nibbles(q[s]);
    }
}

// The same for activations of 8 bits.
__device__ __forceinline__ void operands_of_eight(const uint4& top, const uint4& low, uint32_t (&x)[16]) {
    operands(top, low, x);
#ifdef ARIL_HOPPER
#pragma unroll
    for (uint32_t& codes : x) {
        codes = integers(codes);
    }
#endif
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

// The scales of a lane's two outputs, for sums of a regular group's operands in those units.
__device__ __forceinline__ float2 output_scales(const void* record, int warp, int quad, float units = kUnits) {
    const __half2 both = reinterpret_cast<const __half2*>(static_cast<const char*>(record) + kOutputs * kGroup / 2)[warp * 8 + quad];
    const float2 wide = __half22float2(both);
    return make_float2(wide.x * units, wide.y * units);
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
