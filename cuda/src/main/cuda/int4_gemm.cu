// int4_gemm: W4A4 projections with an INT8 outlier group, on any GPU from compute capability 8.0 on.
//
// Mathematics and layouts: int4.cuh. Eight warps share a tile of 16 outputs, a run each; their parts meet in shared
// memory and are added in order.
//
// Launch     int4_gemm_T for T = 8, 16, 32, 64 tokens: grid (tiles of 16 outputs of all slices, ceil(rows / T)), block 256
//            int4_experts_T: grid (the same, tiles of T pairs or more), block 256
// Requires   columns % 128 == 0, columns >= 256; capacity a multiple of 8; sm_80 (mma.m16n8k32.s8)
// Bound      exact for given codes
// Reference  ReferenceKernels.project      Test  KernelsContract.quantizedProjectionHasTheDefinedBits, mixture
#include "int4.cuh"

__device__ __forceinline__ void mma_s8(int (&c)[4], const uint32_t* a, uint32_t b0, uint32_t b1) {
    asm("mma.sync.aligned.m16n8k32.row.col.s32.s8.s8.s32 {%0,%1,%2,%3}, {%4,%5,%6,%7}, {%8,%9}, {%0,%1,%2,%3};"
        : "+r"(c[0]), "+r"(c[1]), "+r"(c[2]), "+r"(c[3])
        : "r"(a[0]), "r"(a[1]), "r"(a[2]), "r"(a[3]), "r"(b0), "r"(b1));
}

constexpr int kPitch = 20;  // of a token's 16 sums in shared memory

// Where a lane finds its codes and scales in a group: of token `quad` of each eight, and of tokens 2 t and 2 t + 1.
template <int kTiles>
struct Tokens {
    int codes[kTiles];
    int scales[kTiles][2];

    template <typename F>
    __device__ __forceinline__ explicit Tokens(const F& row_of) {
        const int lane = threadIdx.x & 31;
#pragma unroll
        for (int i = 0; i < kTiles; i++) {
            const int row = row_of(i * 8 + lane / 4);
            codes[i] = row / 8 * kCodeBytes + (row % 8 * 4 + lane % 4) * 4;
#pragma unroll
            for (int k = 0; k < 2; k++) {
                const int of = row_of(i * 8 + lane % 4 * 2 + k);
                scales[i][k] = of / 8 * kCodeBytes + 8 * kGroup + of % 8 * 4;
            }
        }
    }
};

// tile: of 16 outputs; store(token, output, y) is called for every sum.
template <int kTokens, typename F>
__device__ __forceinline__ void product(const GemmArgs& a, const Slice& slice, int tile, const Tokens<kTokens / 8>& tokens, const F& store) {
    constexpr int kTiles = kTokens / 8;
    __shared__ float parts[kRuns][kTokens][kPitch];
    const int quarter = tile % 4;
    const int groups = a.columns / kGroup;
    const int run = threadIdx.x / 32;
    const int lane = threadIdx.x & 31;
    const int quad = lane / 4;
    const int t = lane & 3;
    const int end = run_begin(groups, run + 1);

    float part[kTiles][4] = {};
    for (int g = run_begin(groups, run); g < end; g++) {
        uint32_t x[16];
        float2 scale;
        if (g < groups - 1) {
            const char* record = record_of(slice, tile / 4, g, groups);
            const uint4* from = reinterpret_cast<const uint4*>(record) + quarter * 64 + lane;
            // on compute capability 9.0, which has better kernels for one matrix, e4m3 becomes integers
            operands_of_eight(from[0], from[32], x);
            scale = output_scales(record, quarter, quad, kUnitsOfEight);
        } else {
            const char* record = outliers_of(slice, tile / 4);
            outlier_operands(reinterpret_cast<const uint4*>(record) + quarter * 128 + lane, x);
            scale = outlier_scales(record, quarter, quad);
        }
        const char* codes = codes_of(a, g, 0);
#pragma unroll
        for (int i = 0; i < kTiles; i++) {
            const uint32_t* y = reinterpret_cast<const uint32_t*>(codes + tokens.codes[i]);
            const float2 by = make_float2(*reinterpret_cast<const float*>(codes + tokens.scales[i][0]),
                                          *reinterpret_cast<const float*>(codes + tokens.scales[i][1]));
            int c[4] = {};
#pragma unroll
            for (int s = 0; s < 4; s++) {
                uint32_t near = y[s * 64];
                uint32_t far = y[s * 64 + 32];
#ifdef ARIL_HOPPER
                if (g < groups - 1 && !a.eight) {
                    near = integers(near);
                    far = integers(far);
                }
#endif
                mma_s8(c, x + 4 * s, near, far);
            }
            part[i][0] = fmaf(by.x * scale.x, (float)c[0], part[i][0]);
            part[i][1] = fmaf(by.y * scale.x, (float)c[1], part[i][1]);
            part[i][2] = fmaf(by.x * scale.y, (float)c[2], part[i][2]);
            part[i][3] = fmaf(by.y * scale.y, (float)c[3], part[i][3]);
        }
    }
#pragma unroll
    for (int i = 0; i < kTiles; i++) {
        float(*to)[kPitch] = &parts[run][i * 8 + t * 2];
        to[0][2 * quad] = part[i][0];
        to[1][2 * quad] = part[i][1];
        to[0][2 * quad + 1] = part[i][2];
        to[1][2 * quad + 1] = part[i][3];
    }
    __syncthreads();
    const int n = threadIdx.x & 15;
    const int output = tile * 16 + n;
    const float bias = bias_of(slice, output);
    for (int m = threadIdx.x / 16; m < kTokens; m += 16) {
        float half[2];
#pragma unroll
        for (int h = 0; h < 2; h++) {
            half[h] = parts[4 * h][m][n];
#pragma unroll
            for (int r = 1; r < 4; r++) {
                half[h] += parts[4 * h + r][m][n];
            }
        }
        const float y = half[0] + half[1] + bias;
        if (output < slice.out) {
            store(m, output, y);
        }
    }
}

template <int kTokens>
__device__ __forceinline__ void int4_gemm(const GemmArgs& a) {
    begin_dependent();
    const Slice& slice = a.slices[slice_of(a, blockIdx.x)];
    const int row0 = blockIdx.y * kTokens;
    // a token past the last row repeats it; its sums are not used
    const Tokens<kTokens / 8> tokens([&](int token) { return min(row0 + token, a.rows - 1); });
    product<kTokens>(a, slice, blockIdx.x - slice.firstTile, tokens, [&](int token, int output, float y) {
        if (row0 + token < a.rows) {
            finish(a, slice, row0 + token, output, y);
        }
    });
}

template <int kTokens>
__device__ __forceinline__ void int4_experts(const ExpertArgs& a) {
    begin_dependent();
    if (blockIdx.y >= __ldcg(a.tileCount)) {
        return;
    }
    const ExpertTile own = own_tile(a);
    const int s = slice_of(a.gemm, blockIdx.x);
    Slice slice = a.gemm.slices[s];
    const void* const* weights = a.weights + (own.expert * a.gemm.count + s) * 2;
    slice.weights = weights[0];
    slice.outliers = weights[1];
    const Tokens<kTokens / 8> tokens([&](int token) { return row_of(a, own, token); });
    product<kTokens>(a.gemm, slice, blockIdx.x - slice.firstTile, tokens, [&](int token, int output, float y) {
        if (token < own.count) {
            slice.y[(size_t)(own.first + token) * slice.out + output] = y;
        }
    });
}

#define GEMM(T)                                                                                                              \
    extern "C" __global__ void __launch_bounds__(256) int4_gemm_##T(const __grid_constant__ GemmArgs a) { int4_gemm<T>(a); } \
    extern "C" __global__ void __launch_bounds__(256) int4_experts_##T(const __grid_constant__ ExpertArgs a) { int4_experts<T>(a); }

GEMM(8)
GEMM(16)
GEMM(32)
GEMM(64)
