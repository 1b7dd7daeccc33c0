// bf16_gemm: bf16 weights times FP32 inputs: the control recipe and the output head.
//
//   y[i, n] = sum_k x[i, k] * w[n, k]          x as three bf16 parts, which hold all of its 24 bits
//
//   planes   [3, capacity, columns]  bf16  high, middle, low part of x
//   weights  [out, columns]          bf16  row-major
//
// Eight warps take 64 columns in turn; their sums meet in shared memory and are added in the warps' order, so
// a row's bits depend neither on the other rows nor on the tile's width.
//
// Launch     bf16_gemm_T for T = 8, 16, 32, 64 tokens: grid (tiles of all slices, ceil(rows / T)), block 256
//            bf16_experts_T: grid (the same, tiles of T pairs or more), block 256
// Requires   columns % 64 == 0; sm_80 (mma.m16n8k16.bf16)
// Bound      |y - reference| <= 2^-23 (3 columns / 128 + 8) sum_k |x * w|
// Reference  ReferenceKernels.project      Test  KernelsContract.logitsOfTheRowsAskedFor
#include "gemm.cuh"

constexpr int kRowsOfTile = 16;  // outputs: the A operand of mma.sync
constexpr int kWarps = 8;        // they share the columns of a tile
constexpr int kPitch = 20;       // of a token's 16 sums in shared memory: no bank conflict when written

__device__ __forceinline__ void mma_bf16(float (&c)[4], uint32_t a0, uint32_t a1, uint32_t a2, uint32_t a3, uint32_t b0, uint32_t b1) {
    asm("mma.sync.aligned.m16n8k16.row.col.f32.bf16.bf16.f32 {%0,%1,%2,%3}, {%4,%5,%6,%7}, {%8,%9}, {%0,%1,%2,%3};"
        : "+f"(c[0]), "+f"(c[1]), "+f"(c[2]), "+f"(c[3])
        : "r"(a0), "r"(a1), "r"(a2), "r"(a3), "r"(b0), "r"(b1));
}

// tile: of 16 outputs; row_of(token) is its row of the input, store(token, output, y) is called for every sum.
template <int kTokens, typename R, typename F>
__device__ __forceinline__ void product(const GemmArgs& a, const Slice& slice, int tile, const R& row_of, const F& store) {
    constexpr int kTiles = kTokens / 8;
    constexpr int kPasses = kTokens >= 16 ? kTokens / 16 : 1;
    __shared__ float sums[kWarps][kTokens][kPitch];

    const int warp = threadIdx.x / 32;
    const int lane = threadIdx.x & 31;
    const int quad = lane / 4;
    const int t = lane & 3;
    // outputs past the last one repeat it; they are not stored
    const __nv_bfloat16* weights = static_cast<const __nv_bfloat16*>(slice.weights) + t * 16;
    const __nv_bfloat16* top = weights + (size_t)min(tile * kRowsOfTile + quad, slice.out - 1) * a.columns;
    const __nv_bfloat16* low = weights + (size_t)min(tile * kRowsOfTile + quad + 8, slice.out - 1) * a.columns;
    const size_t plane = (size_t)a.capacity * a.columns;
    int rows[kTiles];
#pragma unroll
    for (int i = 0; i < kTiles; i++) {
        rows[i] = row_of(i * 8 + quad);
    }

    float c[kTiles][4] = {};
    for (int k = warp * 64; k < a.columns; k += kWarps * 64) {
        const uint4 p0 = reinterpret_cast<const uint4*>(top + k)[0];
        const uint4 p1 = reinterpret_cast<const uint4*>(top + k)[1];
        const uint4 q0 = reinterpret_cast<const uint4*>(low + k)[0];
        const uint4 q1 = reinterpret_cast<const uint4*>(low + k)[1];
#pragma unroll
        for (int i = 0; i < kTiles; i++) {
            const __nv_bfloat16* x = a.planes + (size_t)rows[i] * a.columns + k + t * 16;
#pragma unroll
            for (int part = 2; part >= 0; part--) {
                const uint4 y0 = reinterpret_cast<const uint4*>(x + part * plane)[0];
                const uint4 y1 = reinterpret_cast<const uint4*>(x + part * plane)[1];
                mma_bf16(c[i], p0.x, q0.x, p0.y, q0.y, y0.x, y0.y);
                mma_bf16(c[i], p0.z, q0.z, p0.w, q0.w, y0.z, y0.w);
                mma_bf16(c[i], p1.x, q1.x, p1.y, q1.y, y1.x, y1.y);
                mma_bf16(c[i], p1.z, q1.z, p1.w, q1.w, y1.z, y1.w);
            }
        }
    }
#pragma unroll
    for (int i = 0; i < kTiles; i++) {
        sums[warp][i * 8 + t * 2][quad] = c[i][0];
        sums[warp][i * 8 + t * 2 + 1][quad] = c[i][1];
        sums[warp][i * 8 + t * 2][quad + 8] = c[i][2];
        sums[warp][i * 8 + t * 2 + 1][quad + 8] = c[i][3];
    }
    __syncthreads();
    const int n = threadIdx.x & 15;
    const int m = threadIdx.x / 16;
    const int output = tile * kRowsOfTile + n;
    const float bias = bias_of(slice, output);
    if (m < kTokens && output < slice.out) {
#pragma unroll
        for (int p = 0; p < kPasses; p++) {
            float total = 0;
#pragma unroll
            for (int w = 0; w < kWarps; w++) {
                total += sums[w][p * 16 + m][n];
            }
            store(p * 16 + m, output, total + bias);
        }
    }
}

template <int kTokens>
__device__ __forceinline__ void bf16_gemm(const GemmArgs& a) {
    begin_dependent();
    const Slice& slice = a.slices[slice_of(a, blockIdx.x)];
    const int row0 = blockIdx.y * kTokens;
    const auto row_of = [&](int token) { return min(row0 + token, a.rows - 1); };
    product<kTokens>(a, slice, blockIdx.x - slice.firstTile, row_of, [&](int token, int output, float y) {
        if (row0 + token < a.rows) {
            finish(a, slice, row0 + token, output, y);
        }
    });
}

template <int kTokens>
__device__ __forceinline__ void bf16_experts(const ExpertArgs& a) {
    begin_dependent();
    if (blockIdx.y >= __ldcg(a.tileCount)) {
        return;
    }
    const ExpertTile own = own_tile(a);
    const int s = slice_of(a.gemm, blockIdx.x);
    Slice slice = a.gemm.slices[s];
    slice.weights = a.weights[(own.expert * a.gemm.count + s) * 2];
    const auto row = [&](int token) { return row_of(a, own, token); };
    product<kTokens>(a.gemm, slice, blockIdx.x - slice.firstTile, row, [&](int token, int output, float y) {
        if (token < own.count) {
            slice.y[(size_t)(own.first + token) * slice.out + output] = y;
        }
    });
}

#define GEMM(T)                                                                                                              \
    extern "C" __global__ void __launch_bounds__(256) bf16_gemm_##T(const __grid_constant__ GemmArgs a) { bf16_gemm<T>(a); } \
    extern "C" __global__ void __launch_bounds__(256) bf16_experts_##T(const __grid_constant__ ExpertArgs a) { bf16_experts<T>(a); }

GEMM(8)
GEMM(16)
GEMM(32)
GEMM(64)
