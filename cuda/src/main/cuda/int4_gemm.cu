// int4_gemm: W4A4 projections with an INT8 outlier group.
//
//   sum[g, i, n] = sum_{k in group g} codes[i, k] * w[n, k]                                exact integers
//   y[i, n] = fma over g = 0, 1, ..., outliers of (scales[i, g] * wscale[n, g], float(sum[g, i, n]))   FP32, in this order
//
//   codes   [rows, columns]              int8; INT4 codes, the last 128 INT8
//   scales  [rows, groups + 1]           float
//   weights [tiles, groups, 2, 32] uint4, written by pack_int4: lane l's 16 bytes are the 32 columns from
//           32 (l % 4) on of row l / 4 (first half) or l / 4 + 8; byte b of a word holds column b low, b + 4 high
//   wscale  [groups, 16 tiles]           half;  outliers [16 tiles, 128] int8;  outlierScales [16 tiles] float
//
// Few rows (T = 8, 16, 32): eight warps share a tile's groups; their integer sums meet in shared memory and are
// scaled in group order. Many rows (T = 64): four warps take a tile each and all groups in order, with the codes in
// shared memory. Both do the same arithmetic in the same order, so a row's bits depend neither on the other rows nor
// on the variant.
//
// Launch     int4_gemm_T for T = 8, 16, 32 tokens: grid (tiles of all slices, ceil(rows / T)), block 256
//            int4_gemm_64: grid (blocks of 4 tiles of all slices, ceil(rows / 64)), block 128
// Requires   columns % 128 == 0, columns >= 256; sm_80 (mma.m16n8k32.s8)
// Bound      exact for given codes
// Reference  ReferenceKernels.project      Test  KernelsContract.quantizedProjectionHasTheDefinedBits
#include "gemm.cuh"

__device__ __forceinline__ void mma_s8(int (&c)[4], uint32_t a0, uint32_t a1, uint32_t a2, uint32_t a3, uint32_t b0, uint32_t b1) {
    asm("mma.sync.aligned.m16n8k32.row.col.s32.s8.s8.s32 {%0,%1,%2,%3}, {%4,%5,%6,%7}, {%8,%9}, {%0,%1,%2,%3};"
        : "+r"(c[0]), "+r"(c[1]), "+r"(c[2]), "+r"(c[3])
        : "r"(a0), "r"(a1), "r"(a2), "r"(a3), "r"(b0), "r"(b1));
}

// The low nibbles (shift 4) or the high ones (shift 0) as bytes, each times 16.
__device__ __forceinline__ uint32_t nibbles(uint32_t word, int shift) { return (word << shift) & 0xF0F0F0F0u; }

__device__ __forceinline__ uint32_t word(const uint4& x, int i) { return i == 0 ? x.x : i == 1 ? x.y : i == 2 ? x.z : x.w; }

// A lane's weights of one group: 32 columns of two rows.
struct Weights {
    uint4 top;
    uint4 low;
};

constexpr int kAhead = 4;  // groups whose weights the wide variant has on the way

__device__ __forceinline__ Weights load(const uint4* tile, int g, int groups) {
    const int lane = threadIdx.x & 31;
    return g < groups ? Weights{tile[g * 64 + lane], tile[g * 64 + 32 + lane]} : Weights{};
}

// The A operands of a group's four steps: INT4 codes times 16.
__device__ __forceinline__ void operands(const Weights& w, uint32_t (&x)[16]) {
#pragma unroll
    for (int i = 0; i < 4; i++) {
        x[4 * i] = nibbles(word(w.top, i), 4);
        x[4 * i + 1] = nibbles(word(w.low, i), 4);
        x[4 * i + 2] = nibbles(word(w.top, i), 0);
        x[4 * i + 3] = nibbles(word(w.low, i), 0);
    }
}

// The same of the outlier group, INT8.
__device__ __forceinline__ void operands(const Slice& slice, int tile, uint32_t (&x)[16]) {
    const int lane = threadIdx.x & 31;
    const uint4* top = reinterpret_cast<const uint4*>(
        slice.outliers + (size_t)(tile * kRowsOfTile + lane / 4) * kGroup + (lane & 3) * 32);
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

// One group's sums of 16 outputs and 8 tokens; y0, y1: the lane's 32 codes of token lane / 4.
__device__ __forceinline__ void multiply(int (&c)[4], const uint32_t (&x)[16], const uint4& y0, const uint4& y1) {
    mma_s8(c, x[0], x[1], x[2], x[3], y0.x, y0.y);
    mma_s8(c, x[4], x[5], x[6], x[7], y0.z, y0.w);
    mma_s8(c, x[8], x[9], x[10], x[11], y1.x, y1.y);
    mma_s8(c, x[12], x[13], x[14], x[15], y1.z, y1.w);
}

__device__ __forceinline__ int padded(const Slice& slice) {
    return (slice.out + kRowsOfTile - 1) / kRowsOfTile * kRowsOfTile;
}

// kDepth groups a warp at a time, all their weights on the way at once.
template <int kTokens, int kDepth>
__device__ __forceinline__ void narrow(const GemmArgs& a) {
    constexpr int kTiles = kTokens / 8;
    constexpr int kPasses = kTokens >= 16 ? kTokens / 16 : 1;
    constexpr int kRound = kDepth * kWarps;                                  // groups a round
    constexpr int kOwnWeights = kRound * kRowsOfTile / 256;                  // scales a thread fetches
    constexpr int kOwnTokens = (kRound * kTokens + 255) / 256;
    __shared__ int sums[kRound][kTokens][kPitch];
    __shared__ float weightScales[kRound][kRowsOfTile];
    __shared__ float tokenScales[kRound][kTokens];

    const Slice& slice = a.slices[slice_of(a)];
    const int tile = blockIdx.x - slice.firstTile;
    const int row0 = blockIdx.y * kTokens;
    const int groups = a.columns / kGroup - 1;
    const int outputs = padded(slice);
    const int warp = threadIdx.x / 32;
    const int lane = threadIdx.x & 31;
    const int quad = lane / 4;
    const int t = lane & 3;
    const uint4* weights = reinterpret_cast<const uint4*>(slice.weights) + (size_t)tile * groups * 64;
    // outputs of the final pass: n is the same in all of them
    const int n = threadIdx.x & 15;
    const int m = threadIdx.x / 16;
    const int output = tile * kRowsOfTile + n;
    const float outlierScale = slice.outlierScales[output];
    float total[kPasses] = {};

    Weights next[kDepth];
#pragma unroll
    for (int d = 0; d < kDepth; d++) {
        next[d] = load(weights, d * kWarps + warp, groups);
    }
    for (int base = 0; base <= groups; base += kRound) {
        // the scales travel while the products are computed
        __half weightScale[kOwnWeights];
        float tokenScale[kOwnTokens];
#pragma unroll
        for (int i = 0; i < kOwnWeights; i++) {
            const int g = base + i * 16 + m;
            weightScale[i] = g < groups ? slice.scales[(size_t)g * outputs + output] : __half();
        }
#pragma unroll
        for (int i = 0; i < kOwnTokens; i++) {
            const int g = base + (threadIdx.x + 256 * i) % kRound;
            const int row = min(row0 + (int)(threadIdx.x + 256 * i) / kRound, a.rows - 1);
            tokenScale[i] = g <= groups ? a.scales[(size_t)row * (groups + 1) + g] : 0.0f;
        }
#pragma unroll
        for (int d = 0; d < kDepth; d++) {
            const int g = base + d * kWarps + warp;
            if (g <= groups) {
                uint32_t x[16];
                if (g < groups) {
                    operands(next[d], x);
                } else {
                    operands(slice, tile, x);
                }
                next[d] = load(weights, g + kDepth * kWarps, groups);
                const int shift = g < groups ? 4 : 0;
#pragma unroll
                for (int i = 0; i < kTiles; i++) {
                    // a tile past the last row repeats it; its sums are not used
                    const int row = min(row0 + i * 8 + quad, a.rows - 1);
                    const uint4* from = reinterpret_cast<const uint4*>(
                        a.codes + (size_t)row * a.columns + g * kGroup + t * 32);
                    int c[4] = {};
                    multiply(c, x, from[0], from[1]);
                    int(*to)[kPitch] = &sums[d * kWarps + warp][i * 8 + t * 2];
                    to[0][quad] = c[0] >> shift;
                    to[1][quad] = c[1] >> shift;
                    to[0][quad + 8] = c[2] >> shift;
                    to[1][quad + 8] = c[3] >> shift;
                }
            }
        }
#pragma unroll
        for (int i = 0; i < kOwnWeights; i++) {
            // widened here and not above, where it would wait for its load
            weightScales[i * 16 + m][n] = base + i * 16 + m < groups ? __half2float(weightScale[i]) : outlierScale;
        }
#pragma unroll
        for (int i = 0; i < kOwnTokens; i++) {
            const int at = threadIdx.x + 256 * i;
            tokenScales[at % kRound][at / kRound] = tokenScale[i];
        }
        __syncthreads();
        if (m < kTokens) {
            const int here = min(kRound, groups + 1 - base);
#pragma unroll 4
            for (int i = 0; i < here; i++) {
#pragma unroll
                for (int p = 0; p < kPasses; p++) {
                    const float scale = tokenScales[i][p * 16 + m] * weightScales[i][n];
                    total[p] = fmaf(scale, (float)sums[i][p * 16 + m][n], total[p]);
                }
            }
        }
        __syncthreads();
    }
    if (m < kTokens && output < slice.out) {
#pragma unroll
        for (int p = 0; p < kPasses; p++) {
            const int row = row0 + p * 16 + m;
            if (row < a.rows) {
                finish(a, slice, row, output, total[p]);
            }
        }
    }
}

__device__ __forceinline__ void copy_async(void* shared, const void* global, bool wide) {
    const uint32_t to = (uint32_t)__cvta_generic_to_shared(shared);
    if (wide) {
        asm volatile("cp.async.cg.shared.global [%0], [%1], 16;" ::"r"(to), "l"(global));
    } else {
        asm volatile("cp.async.ca.shared.global [%0], [%1], 4;" ::"r"(to), "l"(global));
    }
}

__device__ __forceinline__ void wide(const GemmArgs& a) {
    constexpr int kTokens = 64;
    constexpr int kOutputs = 64;
    constexpr int kStages = 3;
    constexpr int kBytes = kGroup + 16;      // of a token's codes: no bank conflict when read
    constexpr int kFloats = kOutputs + 4;    // of a token's outputs
    __shared__ __align__(16) uint8_t codes[kStages][kTokens][kBytes];
    __shared__ float scales[kStages][kTokens];

    const Slice& slice = a.slices[slice_of(a)];
    const int outputs = padded(slice);
    const int firstOutput = (blockIdx.x - slice.firstTile) * kOutputs;
    const int row0 = blockIdx.y * kTokens;
    const int groups = a.columns / kGroup - 1;
    const int lane = threadIdx.x & 31;
    const int quad = lane / 4;
    const int t = lane & 3;
    // a warp past the last tile repeats it; its outputs are not stored
    const int tile = min(firstOutput / kRowsOfTile + (int)threadIdx.x / 32, outputs / kRowsOfTile - 1);
    const int top = tile * kRowsOfTile + quad;
    const uint4* weights = reinterpret_cast<const uint4*>(slice.weights) + (size_t)tile * groups * 64;

    const auto fetch = [&](int g) {
        if (g <= groups) {
            const int stage = g % kStages;
#pragma unroll
            for (int i = 0; i < 4; i++) {
                const int piece = threadIdx.x + 128 * i;
                const int token = piece / 8;
                const int row = min(row0 + token, a.rows - 1);
                const int8_t* from = a.codes + (size_t)row * a.columns + g * kGroup + piece % 8 * 16;
                copy_async(&codes[stage][token][piece % 8 * 16], from, true);
            }
            if (threadIdx.x < kTokens) {
                const int row = min(row0 + (int)threadIdx.x, a.rows - 1);
                copy_async(&scales[stage][threadIdx.x], a.scales + (size_t)row * (groups + 1) + g, false);
            }
        }
        asm volatile("cp.async.commit_group;");
    };
    const auto scale = [&](int g, int output) {
        return g < groups ? slice.scales[(size_t)g * outputs + output] : __half();
    };

    const float topOutlier = slice.outlierScales[top];
    const float lowOutlier = slice.outlierScales[top + 8];
    float total[kTokens / 8][4] = {};
    Weights ring[kAhead];
    __half topScale[kAhead];  // widened only when used: a conversion waits for its load
    __half lowScale[kAhead];
#pragma unroll
    for (int d = 0; d < kAhead; d++) {
        ring[d] = load(weights, d, groups);
        topScale[d] = scale(d, top);
        lowScale[d] = scale(d, top + 8);
    }
    fetch(0);
    fetch(1);
    for (int base = 0; base <= groups; base += kAhead) {
#pragma unroll
        for (int d = 0; d < kAhead; d++) {
            const int g = base + d;
            if (g > groups) {
                break;
            }
            asm volatile("cp.async.wait_group 1;");
            __syncthreads();
            fetch(g + 2);
            uint32_t x[16];
            if (g < groups) {
                operands(ring[d], x);
            } else {
                operands(slice, tile, x);
            }
            const float topNow = g < groups ? __half2float(topScale[d]) : topOutlier;
            const float lowNow = g < groups ? __half2float(lowScale[d]) : lowOutlier;
            ring[d] = load(weights, g + kAhead, groups);
            topScale[d] = scale(g + kAhead, top);
            lowScale[d] = scale(g + kAhead, top + 8);
            const int shift = g < groups ? 4 : 0;
            const int stage = g % kStages;
#pragma unroll
            for (int half = 0; half < 2; half++) {
                // four tiles of tokens step by step: a product does not wait for the one before it
                int c[4][4] = {};
                uint4 y[4][2];
#pragma unroll
                for (int i = 0; i < 4; i++) {
                    const uint4* from = reinterpret_cast<const uint4*>(&codes[stage][half * 32 + i * 8 + quad][t * 32]);
                    y[i][0] = from[0];
                    y[i][1] = from[1];
                }
#pragma unroll
                for (int step = 0; step < 4; step++) {
#pragma unroll
                    for (int i = 0; i < 4; i++) {
                        mma_s8(c[i], x[4 * step], x[4 * step + 1], x[4 * step + 2], x[4 * step + 3],
                            word(y[i][step / 2], step % 2 * 2), word(y[i][step / 2], step % 2 * 2 + 1));
                    }
                }
#pragma unroll
                for (int i = 0; i < 4; i++) {
                    const float2 token = *reinterpret_cast<const float2*>(&scales[stage][half * 32 + i * 8 + t * 2]);
                    float(&sum)[4] = total[half * 4 + i];
                    sum[0] = fmaf(token.x * topNow, (float)(c[i][0] >> shift), sum[0]);
                    sum[1] = fmaf(token.y * topNow, (float)(c[i][1] >> shift), sum[1]);
                    sum[2] = fmaf(token.x * lowNow, (float)(c[i][2] >> shift), sum[2]);
                    sum[3] = fmaf(token.y * lowNow, (float)(c[i][3] >> shift), sum[3]);
                }
            }
        }
    }
    asm volatile("cp.async.wait_group 0;");
    __syncthreads();
    // through shared memory, so that outputs are stored side by side
    float(*out)[kFloats] = reinterpret_cast<float(*)[kFloats]>(&codes[0][0][0]);
    static_assert(sizeof(float) * kTokens * kFloats <= sizeof(codes), "the outputs take the codes' place");
    const int n = threadIdx.x / 32 * kRowsOfTile + quad;
#pragma unroll
    for (int i = 0; i < kTokens / 8; i++) {
        out[i * 8 + t * 2][n] = total[i][0];
        out[i * 8 + t * 2 + 1][n] = total[i][1];
        out[i * 8 + t * 2][n + 8] = total[i][2];
        out[i * 8 + t * 2 + 1][n + 8] = total[i][3];
    }
    __syncthreads();
    for (int i = threadIdx.x; i < kTokens * kOutputs; i += 128) {
        const int row = row0 + i / kOutputs;
        const int output = firstOutput + i % kOutputs;
        if (row < a.rows && output < slice.out) {
            finish(a, slice, row, output, out[i / kOutputs][i % kOutputs]);
        }
    }
}

extern "C" __global__ void __launch_bounds__(256) int4_gemm_8(const __grid_constant__ GemmArgs a) { narrow<8, 4>(a); }
extern "C" __global__ void __launch_bounds__(256) int4_gemm_16(const __grid_constant__ GemmArgs a) { narrow<16, 2>(a); }
extern "C" __global__ void __launch_bounds__(256) int4_gemm_32(const __grid_constant__ GemmArgs a) { narrow<32, 2>(a); }
extern "C" __global__ void __launch_bounds__(128) int4_gemm_64(const __grid_constant__ GemmArgs a) { wide(a); }
