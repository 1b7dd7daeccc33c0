// rope_append: norm queries and keys where the model does, turn them, rotate them for a quantized cache, store keys and values.
//
//   q[i, h] = hadamard(rope(norm(., queryNorm), positions[i]))     without the Hadamard for a plain cache; k with keyNorm
//   norm(x, w)[c] = x[c] / sqrt(mean_c(x[c]^2) + epsilon) * w[c]      each head by itself; the identity where w is null
//   cache[positions[i]] = quantize(k), quantize(v)           FORMAT.md, "KV cache"; floats for a plain one
//
//   q  [rows, heads, D]    float, changed in place. For a quantized cache a head's D floats become D halves,
//                          q log2(e) / sqrt(D), in fours of channels (0, 2, 1, 3), as the attention kernels take them;
//                          the second half of the place is not written
//   k  [rows, kvHeads, D]  float;  v the same, rotated already by its weights
//   cos, sin  [positions, D / 2] float;  queryNorm, keyNorm  [D] float, both or neither
//
// Launch     rope_append_D for D = 64, 128: grid (any, rows), block 128: a warp a head, or several in turn
// Requires   no two rows store to one position
// Bound      exact for given k, v; queries are rounded to halves; norm: 2^-20 |reference|
// Reference  ReferenceKernels.projectQkv   Test  KernelsContract.layerOfAMixedBatch
#include "cache.cuh"

struct RopeAppendArgs {
    const StepHead* step;
    float* q;
    const float* k;
    const float* v;
    const float* cos;
    const float* sin;
    const float* queryNorm;
    const float* keyNorm;
    Cache cache;
    int heads;
    float scale;  // log2(e) / sqrt(D)
    float epsilon;
    int unused;
};

template <int N>
struct alignas(4 * N) Floats {
    float x[N];
};

template <int N>
__device__ __forceinline__ void store(const Cache& cache, size_t run, int at, int side, const float (&x)[N]) {
    constexpr int D = 32 * N;
    const int lane = threadIdx.x & 31;
    if (!cache.quantized) {
        Floats<N>* to = static_cast<Floats<N>*>(cache.values) + ((run * 2 + side) * kBlockTokens + at) * 32;
        Floats<N> out;
#pragma unroll
        for (int i = 0; i < N; i++) {
            out.x[i] = x[i];
        }
        to[lane] = out;
        return;
    }
    float low = 0;
    float high = 0;
#pragma unroll
    for (int i = 0; i < N; i++) {
        low = fmaxf(low, -x[i]);
        high = fmaxf(high, x[i]);
    }
    low = -warp_max_positive(low);
    high = warp_max_positive(high);
    const __half scale = __float2half_rn(fmaxf(high - low, kTiny) / 15.0f);
    const float inverse = 1.0f / __half2float(scale);
    const int zero = min(max((int)rintf(-low * inverse), 0), 15);
    uint8_t* to = static_cast<uint8_t*>(cache.values) + run * Run<D>::kBytes;
#pragma unroll
    for (int i = 0; i < N; i += 2) {
        int pair = 0;
#pragma unroll
        for (int j = 0; j < 2; j++) {
            const float rounded = x[i + j] * inverse + kRound - kRound;
            pair |= min(max((int)rounded + zero, 0), 15) << (4 * j);
        }
        const int index = (lane * N + i) / 2;
        to[side == 0 ? Run<D>::key(at, index) : Run<D>::value(at, index)] = (uint8_t)pair;
    }
    if (lane == 0) {
        *reinterpret_cast<__half2*>(to + Run<D>::scale(at, side)) = __halves2half2(scale, __int2half_rn(zero));
    }
}

// Halves that no query overflows.
__device__ __forceinline__ __half saturated(float x) { return __float2half_rn(fminf(fmaxf(x, -65504.0f), 65504.0f)); }

template <int N>
__device__ __forceinline__ void store_query(const RopeAppendArgs& a, float* to, const float (&x)[N]) {
    const int lane = threadIdx.x & 31;
    if (!a.cache.quantized) {
        Floats<N> out;
#pragma unroll
        for (int i = 0; i < N; i++) {
            out.x[i] = x[i];
        }
        reinterpret_cast<Floats<N>*>(to)[lane] = out;
        return;
    }
    __half y[4];
#pragma unroll
    for (int i = 0; i < N; i++) {
        y[i] = saturated(x[i] * a.scale);
    }
    __half2* halves = reinterpret_cast<__half2*>(to);
    if (N == 4) {
        halves[2 * lane] = __halves2half2(y[0], y[2]);
        halves[2 * lane + 1] = __halves2half2(y[1], y[3]);
    } else {
        // an even lane has channels 0 and 1 of a four, the next one 2 and 3
        const __half2 own = __halves2half2(y[0], y[1]);
        const __half2 other = __shfl_xor_sync(kAllLanes, own, 1);
        halves[lane] = lane % 2 == 0 ? __lows2half2(own, other) : __highs2half2(other, own);
    }
}

// RMSNorm of a head.
template <int N>
__device__ __forceinline__ void norm(float (&x)[N], const Floats<N>& weight, float epsilon) {
    float squares = 0;
#pragma unroll
    for (int i = 0; i < N; i++) {
        squares = fmaf(x[i], x[i], squares);
    }
    squares = warp_sum(squares);
    const float scale = isfinite(squares) ? 1.0f / sqrtf(squares / (float)(32 * N) + epsilon) : NAN;
#pragma unroll
    for (int i = 0; i < N; i++) {
        x[i] = x[i] * scale * weight.x[i];
    }
}

template <int N>
__device__ __forceinline__ void rope_append(const RopeAppendArgs& a) {
    constexpr int D = 32 * N;
    const int row = blockIdx.y;
    const int lane = threadIdx.x & 31;
    const int kvHeads = a.cache.heads;
    const int all = a.heads + 2 * kvHeads;
    const int step = gridDim.x * 4;
    int index = blockIdx.x * 4 + threadIdx.x / 32;
    if (row >= __ldcg(&a.step->rows) || index >= all) {
        begin_dependent();
        return;
    }
    const int position = __ldcg(a.cache.positions + row);
    const size_t run = run_of(a.cache, row, position, 0);
    const size_t turn = (size_t)position * (D / 2) + (lane & 15) * N;
    const Floats<N> cos = *reinterpret_cast<const Floats<N>*>(a.cos + turn);
    const Floats<N> sin = *reinterpret_cast<const Floats<N>*>(a.sin + turn);
    auto vector = [&](int i) {
        const float* from = i < a.heads ? a.q + ((size_t)row * a.heads + i) * D
                                        : (i < a.heads + kvHeads ? a.k : a.v) + ((size_t)row * kvHeads + (i - a.heads) % kvHeads) * D;
        return reinterpret_cast<const Floats<N>*>(from)[lane];
    };
    begin_dependent();

    Floats<N> next = vector(index);
    for (; index < all; index += step) {
        const bool query = index < a.heads;
        const bool value = index >= a.heads + kvHeads;
        float x[N];
#pragma unroll
        for (int i = 0; i < N; i++) {
            x[i] = next.x[i];
        }
        if (index + step < all) {
            next = vector(index + step);
        }
        if (!value) {
            const float* weight = query ? a.queryNorm : a.keyNorm;
            if (weight != nullptr) {
                norm<N>(x, reinterpret_cast<const Floats<N>*>(weight)[lane], a.epsilon);
            }
#pragma unroll
            for (int i = 0; i < N; i++) {
                const float other = __shfl_xor_sync(kAllLanes, x[i], 16);  // half a head away
                const float turned = other * sin.x[i];
                x[i] = lane < 16 ? x[i] * cos.x[i] - turned : x[i] * cos.x[i] + turned;
            }
            if (a.cache.quantized) {
                hadamard<N>(x);
            }
        }
        if (query) {
            store_query<N>(a, a.q + ((size_t)row * a.heads + index) * D, x);
        } else {
            store<N>(a.cache, run + (index - a.heads) % kvHeads, position % kBlockTokens, value ? 1 : 0, x);
        }
    }
}

extern "C" __global__ void __launch_bounds__(128) rope_append_64(const __grid_constant__ RopeAppendArgs a) { rope_append<2>(a); }
extern "C" __global__ void __launch_bounds__(128) rope_append_128(const __grid_constant__ RopeAppendArgs a) { rope_append<4>(a); }
