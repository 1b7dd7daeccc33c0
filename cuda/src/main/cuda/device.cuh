// What several kernels share: warp-wide Hadamard transforms, the activation's codes, adapters.
//
// Compiled with --fmad=false: a sum of products is fused only where fmaf says so, because the codes of
// FORMAT.md are defined to the bit.
#pragma once

#include <cuda_bf16.h>
#include <cuda_fp16.h>
#include <stdint.h>

// Compute capability 9.0 with what only it has (hopper.cuh). Codes and weights are laid out for it: int4.cuh.
#if defined(__CUDA_ARCH_FEAT_SM90_ALL)
#define ARIL_HOPPER 1
#endif

constexpr int kGroup = 128;         // channels that share a scale; also the number of outliers
constexpr int kCodeBytes = 8 * kGroup + 8 * 4;  // a group's codes and scales of 8 rows: int4.cuh
constexpr int kBlockTokens = 16;    // positions in a KV block
constexpr float kRound = 12582912.0f;  // added and taken away it rounds to nearest, ties to even
constexpr float kTiny = 1e-5f;
constexpr unsigned kAllLanes = 0xffffffffu;

// What a step holds; the grids are those of the step's bucket.
struct StepHead {
    int rows;
    int items;
    int unused;
    int samples;
};

// Programmatic dependent launch: the next kernel's thread blocks may start, and wait themselves for what this one writes.
__device__ __forceinline__ void let_next_begin() {
#if __CUDA_ARCH__ >= 900
    asm volatile("griddepcontrol.launch_dependents;" ::: "memory");
#endif
}

// Until here only what no earlier kernel of the step writes may be read. Every kernel waits, so that each may rely on
// all before it.
__device__ __forceinline__ void wait_for_previous() {
#if __CUDA_ARCH__ >= 900
    asm volatile("griddepcontrol.wait;" ::: "memory");
#endif
}

__device__ __forceinline__ void begin_dependent() {
    let_next_begin();
    wait_for_previous();
}

__device__ __forceinline__ float warp_max(float x) {
#pragma unroll
    for (int mask = 16; mask > 0; mask /= 2) {
        x = fmaxf(x, __shfl_xor_sync(kAllLanes, x, mask));
    }
    return x;
}

// Of values that are not negative: their bits are in order.
__device__ __forceinline__ float warp_max_positive(float x) {
    return __uint_as_float(__reduce_max_sync(kAllLanes, __float_as_uint(x)));
}

__device__ __forceinline__ float warp_min(float x) { return -warp_max(-x); }

__device__ __forceinline__ float warp_sum(float x) {
#pragma unroll
    for (int mask = 16; mask > 0; mask /= 2) {
        x += __shfl_xor_sync(kAllLanes, x, mask);
    }
    return x;
}

// The normalized Hadamard transform of 32 N values, N consecutive ones a lane; stages from neighbours
// outwards, the norm last.
template <int N>
__device__ __forceinline__ void hadamard(float (&x)[N]) {
    constexpr float norm = N == 2 ? 0.125f : 0.08838834764831845f;
    static_assert(N == 2 || N == 4, "64 or 128 values");
    const int lane = threadIdx.x & 31;
#pragma unroll
    for (int h = 1; h < N; h *= 2) {
#pragma unroll
        for (int i = 0; i < N; i++) {
            if ((i & h) == 0) {
                const float a = x[i];
                const float b = x[i + h];
                x[i] = a + b;
                x[i + h] = a - b;
            }
        }
    }
#pragma unroll
    for (int mask = 1; mask < 32; mask *= 2) {
        const float sign = (lane & mask) ? -1.0f : 1.0f;
#pragma unroll
        for (int i = 0; i < N; i++) {
            x[i] = fmaf(sign, x[i], __shfl_xor_sync(kAllLanes, x[i], mask));  // rounds once, as a + b and a - b do
        }
    }
#pragma unroll
    for (int i = 0; i < N; i++) {
        x[i] *= norm;
    }
}

// Where a layer's input goes.
struct Input {
    __nv_bfloat16* plain;    // [rows, columns]
    const int* order;        // [columns] channel order[j] comes j-th; null for the identity
    char* codes;             // and their scales, see int4.cuh, the outlier group last; null for a bf16 layer
    __nv_bfloat16* planes;   // [3, capacity, columns]: high, middle, low part; null for a quantized layer
    int columns;
    int capacity;  // rows there is memory for
    float clip;
    int eight;  // the regular groups' codes are INT8 too
};

// One group of a row, 4 consecutive values a lane, to its codes and scale.
__device__ __forceinline__ void quantize_group(const Input& in, int row, int g, float (&x)[4]) {
    const int groups = in.columns / kGroup - 1;
    const bool outlier = g == groups;
    if (!outlier) {
        hadamard<4>(x);
    }
    float most = kTiny;
#pragma unroll
    for (int i = 0; i < 4; i++) {
        most = fmaxf(most, fabsf(x[i]));
    }
    most = warp_max_positive(most);
    const bool wide = outlier || in.eight;
    const float scale = outlier ? most / 127.0f : most * in.clip / (in.eight ? 127.0f : 7.0f);
    const float inverse = 1.0f / scale;
    const float low = wide ? -127.0f : -8.0f;
    const float high = wide ? 127.0f : 7.0f;
    int8_t code[4];
#pragma unroll
    for (int i = 0; i < 4; i++) {
        const float rounded = x[i] * inverse + kRound - kRound;
        const int integer = (int)fminf(fmaxf(rounded, low), high);
#ifdef ARIL_HOPPER
        code[i] = (int8_t)(wide || integer >= 0 ? integer : 0x80 | -integer);
#else
        code[i] = (int8_t)integer;
#endif
    }
    const int lane = threadIdx.x & 31;
    // cores of 8 rows by 16 channels: four lanes write one row of a core
    char* block = in.codes + ((size_t)g * (in.capacity / 8) + row / 8) * kCodeBytes;
    reinterpret_cast<char4*>(block)[lane / 4 * 32 + row % 8 * 4 + lane % 4] = make_char4(code[0], code[1], code[2], code[3]);
    if (lane == 0) {
        reinterpret_cast<float*>(block + 8 * kGroup)[row % 8] = scale;
    }
}

// x = high + middle + low, each bf16: all 24 bits of a float.
__device__ __forceinline__ void split(const Input& in, int row, int c, float x) {
    const size_t plane = (size_t)in.capacity * in.columns;
    const size_t at = (size_t)row * in.columns + c;
    const __nv_bfloat16 high = __float2bfloat16_rn(x);
    const float rest = x - __bfloat162float(high);
    const __nv_bfloat16 middle = __float2bfloat16_rn(rest);
    in.planes[at] = high;
    in.planes[at + plane] = middle;
    in.planes[at + 2 * plane] = __float2bfloat16_rn(rest - __bfloat162float(middle));
}
