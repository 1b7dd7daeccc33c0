// attention: each row's heads over its own sequence's cache, up to the row's position; decode and prefill rows alike.
//
//   s[p] = q · k[p] / sqrt(D)      for p = 0 .. positions[i]
//   o = sum_p e^(s[p] - max s) v[p] / sum_p e^(s[p] - max s);   o = hadamard(o) for a quantized cache
//   codes, scales = quantize(hadamard(order(all heads' o)))     FORMAT.md, "Activations"
//
// attention_part does 128 positions at a time, attention_merge joins them in order: what a row gets depends on its
// own length alone.
//
//   q     [rows, heads, D]                     float
//   part  [rows, heads, chunks, D + 2]         float: maximum, sum, D mixed values
//   out   Input                                plain o, and codes or planes
//
// Launch     attention_part_D_G, D = 64, 128, G = 1 .. 4 query heads at once (plain_ before D: a plain cache):
//            grid (chunks, kvHeads, rows), block 128
//            attention_merge_D: grid (rows), block 512, heads * D floats of shared memory
// Requires   heads % kvHeads == 0
// Bound      |o - reference| <= 2^-16 max |v|
// Reference  ReferenceKernels.attend       Test  KernelsContract.layerOfAMixedBatch, chunksOfAPromptChangeNothing
#include "cache.cuh"

constexpr int kChunk = 128;

struct PartArgs {
    const float* q;
    float* part;
    Cache cache;
    int heads;
    int chunks;
    float scale;
};

// 8 channels of a cached vector: floats, or (code - zero), which the caller multiplies by the scale.
template <bool kPlain>
__device__ __forceinline__ void widen(const Cache& cache, size_t slot, int D, int word, float zero, float (&x)[8]) {
    if (kPlain) {
        const float4* from = reinterpret_cast<const float4*>(static_cast<const float*>(cache.values) + slot * D) + 2 * word;
        const float4 a = from[0];
        const float4 b = from[1];
        x[0] = a.x; x[1] = a.y; x[2] = a.z; x[3] = a.w;
        x[4] = b.x; x[5] = b.y; x[6] = b.z; x[7] = b.w;
    } else {
        const uint32_t codes = reinterpret_cast<const uint32_t*>(static_cast<const uint8_t*>(cache.values) + slot * (D / 2))[word];
#pragma unroll
        for (int i = 0; i < 8; i++) {
            x[i] = (float)(codes >> (4 * i) & 15) - zero;
        }
    }
}

template <int D, int G, bool kPlain>
__device__ __forceinline__ void attention_part(const PartArgs& a) {
    constexpr int kWords = D / 8;
    constexpr int kSubsets = kChunk / kWords;
    __shared__ float q[G][D];
    __shared__ float weights[G][kChunk];
    __shared__ float stats[G][2];
    __shared__ float mixed[kSubsets][D];

    const int row = blockIdx.z;
    const int head = blockIdx.y;
    const int first = blockIdx.x * kChunk;
    const int length = a.cache.positions[row] + 1;
    if (first >= length) {
        return;
    }
    const int count = min(kChunk, length - first);
    const int group = a.heads / a.cache.heads;
    const int lane = threadIdx.x & 31;

    for (int h0 = 0; h0 < group; h0 += G) {
        // queries; heads past the group's end are zero
        for (int i = threadIdx.x; i < G * D; i += kChunk) {
            const int h = h0 + i / D;
            q[i / D][i % D] = h < group ? a.q[((size_t)row * a.heads + head * group + h) * D + i % D] : 0.0f;
        }
        __syncthreads();

        // scores, a thread a position
        float s[G];
#pragma unroll
        for (int h = 0; h < G; h++) {
            s[h] = 0;
        }
        if (threadIdx.x < count) {
            const size_t slot = slot_of(a.cache, row, first + threadIdx.x, head, 0);
            const float2 scale = kPlain ? make_float2(1.0f, 0.0f) : __half22float2(a.cache.scales[slot]);
#pragma unroll 4
            for (int w = 0; w < kWords; w++) {
                float k[8];
                widen<kPlain>(a.cache, slot, D, w, scale.y, k);
#pragma unroll
                for (int h = 0; h < G; h++) {
#pragma unroll
                    for (int i = 0; i < 8; i++) {
                        s[h] = fmaf(q[h][w * 8 + i], k[i], s[h]);
                    }
                }
            }
#pragma unroll
            for (int h = 0; h < G; h++) {
                s[h] = s[h] * scale.x * a.scale;
            }
        }
#pragma unroll
        for (int h = 0; h < G; h++) {
            weights[h][threadIdx.x] = threadIdx.x < count ? s[h] : -INFINITY;
        }
        __syncthreads();

        // softmax of the chunk, a warp a head
        for (int h = threadIdx.x / 32; h < G; h += kChunk / 32) {
            float most = -INFINITY;
#pragma unroll
            for (int i = 0; i < kChunk / 32; i++) {
                most = fmaxf(most, weights[h][lane + 32 * i]);
            }
            most = warp_max(most);
            float sum = 0;
#pragma unroll
            for (int i = 0; i < kChunk / 32; i++) {
                const float e = expf(weights[h][lane + 32 * i] - most);
                weights[h][lane + 32 * i] = e;
                sum += e;
            }
            sum = warp_sum(sum);
            if (lane == 0) {
                stats[h][0] = most;
                stats[h][1] = sum;
            }
        }
        __syncthreads();

        // mix, a thread 8 channels of every kSubsets-th position
        const int w = threadIdx.x % kWords;
        const int subset = threadIdx.x / kWords;
        float sum[G][8] = {};
        for (int p = subset; p < count; p += kSubsets) {
            const size_t slot = slot_of(a.cache, row, first + p, head, 1);
            const float2 scale = kPlain ? make_float2(1.0f, 0.0f) : __half22float2(a.cache.scales[slot]);
            float v[8];
            widen<kPlain>(a.cache, slot, D, w, scale.y, v);
#pragma unroll
            for (int h = 0; h < G; h++) {
                const float weight = weights[h][p] * scale.x;
#pragma unroll
                for (int i = 0; i < 8; i++) {
                    sum[h][i] = fmaf(weight, v[i], sum[h][i]);
                }
            }
        }
#pragma unroll
        for (int h = 0; h < G; h++) {
#pragma unroll
            for (int i = 0; i < 8; i++) {
                mixed[subset][w * 8 + i] = sum[h][i];
            }
            __syncthreads();
            if (h0 + h < group) {
                float* to = a.part + (((size_t)row * a.heads + head * group + h0 + h) * a.chunks + blockIdx.x) * (D + 2);
                if (threadIdx.x < D) {
                    float total = 0;
#pragma unroll
                    for (int i = 0; i < kSubsets; i++) {
                        total += mixed[i][threadIdx.x];
                    }
                    to[2 + threadIdx.x] = total;
                }
                if (threadIdx.x < 2) {
                    to[threadIdx.x] = stats[h][threadIdx.x];
                }
            }
            __syncthreads();
        }
    }
}

#define ATTENTION_PART(D, G)                                                                                           \
    extern "C" __global__ void __launch_bounds__(128) attention_part_##D##_##G(const __grid_constant__ PartArgs a) {       \
        attention_part<D, G, false>(a);                                                                                    \
    }                                                                                                                      \
    extern "C" __global__ void __launch_bounds__(128) attention_part_plain_##D##_##G(const __grid_constant__ PartArgs a) { \
        attention_part<D, G, true>(a);                                                                                     \
    }

ATTENTION_PART(64, 1)
ATTENTION_PART(64, 2)
ATTENTION_PART(64, 3)
ATTENTION_PART(64, 4)
ATTENTION_PART(128, 1)
ATTENTION_PART(128, 2)
ATTENTION_PART(128, 3)
ATTENTION_PART(128, 4)

struct MergeArgs {
    const float* part;
    const int* positions;
    Input out;
    int heads;
    int chunks;
    int rotated;  // undo the rotation of the values
};

template <int N>
__device__ __forceinline__ void attention_merge(const MergeArgs& a) {
    constexpr int D = 32 * N;
    extern __shared__ float x[];
    const int row = blockIdx.x;
    const int lane = threadIdx.x & 31;
    const int used = a.positions[row] / kChunk + 1;
    for (int h = threadIdx.x / 32; h < a.heads; h += blockDim.x / 32) {
        const float* from = a.part + ((size_t)row * a.heads + h) * a.chunks * (D + 2);
        float most = -INFINITY;
        for (int c = 0; c < used; c++) {
            most = fmaxf(most, from[c * (D + 2)]);
        }
        float total = 0;
        float o[N] = {};
        for (int c = 0; c < used; c++) {
            const float* chunk = from + c * (D + 2);
            const float weight = expf(chunk[0] - most);
            total = fmaf(weight, chunk[1], total);
#pragma unroll
            for (int i = 0; i < N; i++) {
                o[i] = fmaf(weight, chunk[2 + lane * N + i], o[i]);
            }
        }
#pragma unroll
        for (int i = 0; i < N; i++) {
            o[i] /= total;
        }
        if (a.rotated) {
            hadamard<N>(o);
        }
#pragma unroll
        for (int i = 0; i < N; i++) {
            x[h * D + lane * N + i] = o[i];
            a.out.plain[((size_t)row * a.heads + h) * D + lane * N + i] = o[i];
        }
    }
    __syncthreads();
    encode_row(a.out, row, x);
}

extern "C" __global__ void __launch_bounds__(512) attention_merge_64(const __grid_constant__ MergeArgs a) { attention_merge<2>(a); }
extern "C" __global__ void __launch_bounds__(512) attention_merge_128(const __grid_constant__ MergeArgs a) { attention_merge<4>(a); }
