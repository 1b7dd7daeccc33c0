// int4_gemm: W4A4 projections with an INT8 outlier group, adapters included.
//
//   sum[g, i, n] = sum_{k in group g} codes[i, k] * w[n, k]                                exact integers
//   y[i, n] = fma over g = 0, 1, ..., outliers of (scales[i, g] * wscale[n, g], float(sum[g, i, n]))   FP32, in this order
//   y[i, n] += sum_r v[i, r] * B[n, r]                                                     row i's adapter
//
//   codes   [rows, columns]              int8; INT4 codes, the last 128 INT8
//   scales  [rows, groups + 1]           float
//   weights [tiles, groups, 2, 32] uint4, written by pack_int4: lane l's 16 bytes are the 32 columns from
//           32 (l % 4) on of row l / 4 (first half) or l / 4 + 8; byte b of a word holds column b low, b + 4 high
//   wscale  [groups, 16 tiles]           half;  outliers [16 tiles, 128] int8;  outlierScales [16 tiles] float
//
// Eight warps take a group each; their integer sums meet in shared memory and are scaled in group order, so a
// row's bits depend neither on the other rows nor on the tile's width.
//
// Launch     int4_gemm_T for T = 8, 16, 32, 64 tokens: grid (tiles of all slices, ceil(rows / T)), block 256
// Requires   columns % 128 == 0, columns >= 256; sm_80 (mma.m16n8k32.s8)
// Bound      exact for given codes, but for the adapters' part
// Reference  ReferenceKernels.project      Test  KernelsContract.quantizedProjectionHasTheDefinedBits
#include "gemm.cuh"

__device__ __forceinline__ void mma_s8(int (&c)[4], uint32_t a0, uint32_t a1, uint32_t a2, uint32_t a3, uint32_t b0, uint32_t b1) {
    asm volatile("mma.sync.aligned.m16n8k32.row.col.s32.s8.s8.s32 {%0,%1,%2,%3}, {%4,%5,%6,%7}, {%8,%9}, {%0,%1,%2,%3};"
        : "+r"(c[0]), "+r"(c[1]), "+r"(c[2]), "+r"(c[3])
        : "r"(a0), "r"(a1), "r"(a2), "r"(a3), "r"(b0), "r"(b1));
}

// The low nibbles (shift 4) or the high ones (shift 0) as bytes, each times 16.
__device__ __forceinline__ uint32_t nibbles(uint32_t word, int shift) { return (word << shift) & 0xF0F0F0F0u; }

__device__ __forceinline__ uint32_t word(const uint4& x, int i) { return i == 0 ? x.x : i == 1 ? x.y : i == 2 ? x.z : x.w; }

template <int kTokens>
__device__ __forceinline__ void int4_gemm(const GemmArgs& a) {
    constexpr int kTiles = kTokens / 8;
    constexpr int kPasses = kTokens >= 16 ? kTokens / 16 : 1;
    __shared__ int sums[kWarps][kTokens][kPitch];

    const int s = slice_of(a);
    const Slice& slice = a.slices[s];
    const int tile = blockIdx.x - slice.firstTile;
    const int row0 = blockIdx.y * kTokens;
    const int groups = a.columns / kGroup - 1;
    const int padded = (slice.out + kRowsOfTile - 1) / kRowsOfTile * kRowsOfTile;
    const int warp = threadIdx.x / 32;
    const int lane = threadIdx.x & 31;
    const int quad = lane / 4;
    const int t = lane & 3;
    const uint4* weights = reinterpret_cast<const uint4*>(slice.weights) + (size_t)tile * groups * 64;
    // outputs of the final pass: n is the same in all of them
    const int n = threadIdx.x & 15;
    const int m = threadIdx.x / 16;
    float total[kPasses] = {};

    uint4 next0 = {};
    uint4 next1 = {};
    if (warp < groups) {
        next0 = weights[warp * 64 + lane];
        next1 = weights[warp * 64 + 32 + lane];
    }
    for (int base = 0; base <= groups; base += kWarps) {
        const int g = base + warp;
        const uint4 w0 = next0;
        const uint4 w1 = next1;
        if (g + kWarps < groups) {
            next0 = weights[(g + kWarps) * 64 + lane];
            next1 = weights[(g + kWarps) * 64 + 32 + lane];
        }
        if (g <= groups) {
            uint32_t x[16];
            if (g < groups) {
#pragma unroll
                for (int i = 0; i < 4; i++) {
                    x[4 * i] = nibbles(word(w0, i), 4);
                    x[4 * i + 1] = nibbles(word(w1, i), 4);
                    x[4 * i + 2] = nibbles(word(w0, i), 0);
                    x[4 * i + 3] = nibbles(word(w1, i), 0);
                }
            } else {
                const uint4* top = reinterpret_cast<const uint4*>(
                    slice.outliers + (size_t)(tile * kRowsOfTile + quad) * kGroup + t * 32);
                const uint4* low = top + 8 * kGroup / 16;
                const uint4 p0 = top[0];
                const uint4 p1 = top[1];
                const uint4 q0 = low[0];
                const uint4 q1 = low[1];
#pragma unroll
                for (int i = 0; i < 4; i++) {
                    x[4 * i] = word(i < 2 ? p0 : p1, 2 * i % 4);
                    x[4 * i + 1] = word(i < 2 ? q0 : q1, 2 * i % 4);
                    x[4 * i + 2] = word(i < 2 ? p0 : p1, 2 * i % 4 + 1);
                    x[4 * i + 3] = word(i < 2 ? q0 : q1, 2 * i % 4 + 1);
                }
            }
            const int shift = g < groups ? 4 : 0;
#pragma unroll
            for (int i = 0; i < kTiles; i++) {
                // a tile past the last row repeats it; its sums are not used
                const int row = min(row0 + i * 8 + quad, a.rows - 1);
                const uint4* from = reinterpret_cast<const uint4*>(
                    a.codes + (size_t)row * a.columns + g * kGroup + t * 32);
                const uint4 y0 = from[0];
                const uint4 y1 = from[1];
                int c[4] = {};
                mma_s8(c, x[0], x[1], x[2], x[3], y0.x, y0.y);
                mma_s8(c, x[4], x[5], x[6], x[7], y0.z, y0.w);
                mma_s8(c, x[8], x[9], x[10], x[11], y1.x, y1.y);
                mma_s8(c, x[12], x[13], x[14], x[15], y1.z, y1.w);
                sums[warp][i * 8 + t * 2][quad] = c[0] >> shift;
                sums[warp][i * 8 + t * 2 + 1][quad] = c[1] >> shift;
                sums[warp][i * 8 + t * 2][quad + 8] = c[2] >> shift;
                sums[warp][i * 8 + t * 2 + 1][quad + 8] = c[3] >> shift;
            }
        }
        __syncthreads();
        if (m < kTokens) {
            const int here = min(kWarps, groups + 1 - base);
            for (int i = 0; i < here; i++) {
                const int group = base + i;
                const int output = tile * kRowsOfTile + n;
                const float weightScale = group == groups
                    ? slice.outlierScales[output]
                    : __half2float(slice.scales[(size_t)group * padded + output]);
#pragma unroll
                for (int p = 0; p < kPasses; p++) {
                    const int row = min(row0 + p * 16 + m, a.rows - 1);
                    const float scale = a.scales[(size_t)row * (groups + 1) + group] * weightScale;
                    total[p] = fmaf(scale, (float)sums[i][p * 16 + m][n], total[p]);
                }
            }
        }
        __syncthreads();
    }
    const int output = tile * kRowsOfTile + n;
    if (m < kTokens && output < slice.out) {
#pragma unroll
        for (int p = 0; p < kPasses; p++) {
            const int row = row0 + p * 16 + m;
            if (row < a.rows) {
                finish(a, s, row, output, total[p]);
            }
        }
    }
}

extern "C" __global__ void __launch_bounds__(256) int4_gemm_8(const __grid_constant__ GemmArgs a) { int4_gemm<8>(a); }
extern "C" __global__ void __launch_bounds__(256) int4_gemm_16(const __grid_constant__ GemmArgs a) { int4_gemm<16>(a); }
extern "C" __global__ void __launch_bounds__(256) int4_gemm_32(const __grid_constant__ GemmArgs a) { int4_gemm<32>(a); }
extern "C" __global__ void __launch_bounds__(256) int4_gemm_64(const __grid_constant__ GemmArgs a) { int4_gemm<64>(a); }
