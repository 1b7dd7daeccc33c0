// The output head: where its weights and inputs lie.
//
//   y[i, n] = sum_k x[i, k] * w[n, k]
//
// Weights are INT8 with a scale a row (the default) or bf16 (the control). The inputs, which are rows of the final norm,
// come in parts, so that the products are exact:
//
//   INT8   w = wscale[n] * code, |code| <= 127;  x = xscale[i] * (256 high + low), two INT8 digits: 16 bits of the row's
//          largest magnitude. y = (xscale * wscale) * fma(256, float(sum high * code), float(sum low * code)), the sums
//          exact integers, so that any order of adding gives the same bits.
//   bf16   x = high + middle + low, each bf16: all 24 bits of a float, summed in FP32, k ascending.
//
// A slab is 128 bytes of a row: 128 INT8 or 64 bf16 columns. Columns past the last are zero.
//
//   weights  [tiles of 64 outputs][slabs][8 of 8 outputs][8 of 16 bytes][8 outputs][16 bytes]: cores of 8 rows by 16 bytes,
//            as wgmma reads them; outputs past the last are zero
//   parts    [blocks of T rows][slabs][N / 8][8 of 16 bytes][8 n][16 bytes]: likewise.
//            INT8: N = 2 T, n = 2 row + part. bf16: N = 3 T, n = T part + row.
#pragma once

#include "device.cuh"

constexpr int kSlabBytes = 128;
constexpr int kTileOutputs = 64;
constexpr int kTileBytes = kTileOutputs * kSlabBytes;  // of a slab
constexpr int kTiles = 4;                              // a thread block takes so many at once
constexpr float kDigits = 32512.0f;                    // 127 * 256: the largest magnitude in two digits

template <bool kInt8>
constexpr int kParts = kInt8 ? 2 : 3;

struct HeadArgs {
    const StepHead* step;
    const void* weights;
    const float* weightScales;  // [out], INT8 only
    const void* parts;
    const float* inputScales;  // [rows], INT8 only
    float* y;                  // [rows, out]
    int out;
    int slabs;
};

__device__ __forceinline__ const char* weights_of(const HeadArgs& a, int tile, int slab) {
    return static_cast<const char*>(a.weights) + ((size_t)tile * a.slabs + slab) * kTileBytes;
}

template <bool kInt8, int kTokens>
__device__ __forceinline__ const char* parts_of(const HeadArgs& a, int block, int slab) {
    return static_cast<const char*>(a.parts) + ((size_t)block * a.slabs + slab) * kParts<kInt8> * kTokens * kSlabBytes;
}

// One lane's sums to y: those of outputs n and n + 8, for n-th columns 8 j + 2 t and the one after of each j.
template <int kTokens>
__device__ __forceinline__ void store(const HeadArgs& a, const int (&c)[kTokens], int row0, int n, int rows) {
    const int t = threadIdx.x & 3;
    const float top = n < a.out ? a.weightScales[n] : 0;
    const float low = n + 8 < a.out ? a.weightScales[n + 8] : 0;
#pragma unroll
    for (int j = 0; j < kTokens / 4; j++) {
        const int row = row0 + 4 * j + t;
        if (row < rows) {
            const float scale = a.inputScales[row];
            float* to = a.y + (size_t)row * a.out + n;
            if (n < a.out) {
                to[0] = scale * top * fmaf(256.0f, (float)c[4 * j], (float)c[4 * j + 1]);
            }
            if (n + 8 < a.out) {
                to[8] = scale * low * fmaf(256.0f, (float)c[4 * j + 2], (float)c[4 * j + 3]);
            }
        }
    }
}

template <int kTokens>
__device__ __forceinline__ void store(const HeadArgs& a, const float (&c)[kTokens / 2], int row0, int n, int rows) {
    const int t = threadIdx.x & 3;
#pragma unroll
    for (int j = 0; j < kTokens / 8; j++) {
#pragma unroll
        for (int i = 0; i < 4; i++) {
            const int row = row0 + 8 * j + 2 * t + i % 2;
            const int output = n + i / 2 * 8;
            if (row < rows && output < a.out) {
                a.y[(size_t)row * a.out + output] = c[4 * j + i];
            }
        }
    }
}

// A lane's sums of 16 outputs by kTokens rows, as mma and wgmma have them.
template <bool kInt8, int kTokens>
struct HeadSums;

template <int kTokens>
struct HeadSums<true, kTokens> {
    typedef int Type[kTokens];
};

template <int kTokens>
struct HeadSums<false, kTokens> {
    typedef float Type[kTokens / 2];
};
