// pack_int4: the packed format's INT4 weights into the records of int4.cuh.
//
//   nibbles  [out, 64 groups] bytes  column 2i low, 2i + 1 high;  scales  [out, groups] half     -> records
//   codes    [out, 128] int8;  outlierScales  [out] float                                        -> outliers
//
// Outputs past the last one become zero.
//
// Launch     pack_int4: grid (groups, tiles of 64 outputs, an even number), block 256;  pack_outliers: grid (tiles, an even number), block 512
// Requires   groups of 128 without the outliers'; codes -7 .. 7
// Bound      exact
// Reference  LinearWeights.Int4.code       Test  KernelsContract.quantizedProjectionHasTheDefinedBits
#include "int4.cuh"

struct PackArgs {
    const uint32_t* nibbles;
    const __half* scales;
    char* records;
    int out;
    int groups;
};

// Of a code -7 .. 7 in four bits.
__device__ __forceinline__ uint32_t magnitude(uint32_t code) { return code & 8 ? 16 - code : code; }

extern "C" __global__ void __launch_bounds__(256) pack_int4(const __grid_constant__ PackArgs a) {
    const int g = blockIdx.x;
    char* record = a.records + (((size_t)(blockIdx.y / 2) * a.groups + g) * 2 + blockIdx.y % 2) * kRecordBytes;
    const int lane = threadIdx.x % 32;
    const int half = threadIdx.x / 32 % 2;
    const int warp = threadIdx.x / 64;
    const int n = blockIdx.y * kOutputs + warp * 16 + lane / 4 * 2 + half;
    uint32_t words[4] = {};
    if (n < a.out) {
        const uint32_t* row = a.nibbles + ((size_t)n * a.groups + g) * 16;
#pragma unroll
        for (int s = 0; s < 4; s++) {
            // four columns are 16 bits
            const int c = 32 * s + 4 * (lane % 4);
            const uint32_t near = row[c / 8] >> (c % 8 * 4);
            const uint32_t far = row[(c + 16) / 8] >> (c % 8 * 4);
#pragma unroll
            for (int b = 0; b < 4; b++) {
                const uint32_t u = near >> (4 * b) & 15;
                const uint32_t v = far >> (4 * b) & 15;
#ifdef ARIL_HOPPER
                words[s] |= (magnitude(u) | u >> 3 << 7) << (8 * b) | magnitude(v) << (8 * b + 4) | (v >> 3) << ((8 * b + 11) % 32);
#else
                words[s] |= u << (8 * b) | v << (8 * b + 4);
#endif
            }
        }
    }
    reinterpret_cast<uint4*>(record)[threadIdx.x] = make_uint4(words[0], words[1], words[2], words[3]);
    if (threadIdx.x < kOutputs) {
        const int output = blockIdx.y * kOutputs + threadIdx.x;
        reinterpret_cast<__half*>(record + kOutputs * kGroup / 2)[threadIdx.x] =
            output < a.out ? a.scales[(size_t)output * a.groups + g] : __float2half(0.0f);
    }
}

struct OutlierArgs {
    const uint32_t* codes;
    const float* scales;
    char* records;
    int out;
    int unused;
};

extern "C" __global__ void __launch_bounds__(512) pack_outliers(const __grid_constant__ OutlierArgs a) {
    char* record = a.records + (size_t)blockIdx.x * kOutlierBytes;
    const int lane = threadIdx.x % 32;
    const int s = threadIdx.x / 32 % 4;
    const int warp = threadIdx.x / 128;
    const int n = blockIdx.x * kOutputs + warp * 16 + lane / 4 * 2;
    const int word = 8 * s + lane % 4;
    uint4 x = {};
    if (n < a.out) {
        x.x = a.codes[(size_t)n * 32 + word];
        x.z = a.codes[(size_t)n * 32 + word + 4];
    }
    if (n + 1 < a.out) {
        x.y = a.codes[(size_t)(n + 1) * 32 + word];
        x.w = a.codes[(size_t)(n + 1) * 32 + word + 4];
    }
    reinterpret_cast<uint4*>(record)[threadIdx.x] = x;
    if (threadIdx.x < kOutputs) {
        const int output = blockIdx.x * kOutputs + threadIdx.x;
        reinterpret_cast<float*>(record + kOutputs * kGroup)[threadIdx.x] = output < a.out ? a.scales[output] : 0.0f;
    }
}
