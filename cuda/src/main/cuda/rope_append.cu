// rope_append: turn queries and keys, rotate them for a quantized cache, store keys and values.
//
//   q[i, h], k[i, h] = hadamard(rope(., positions[i]))       without the Hadamard for a plain cache
//   cache[positions[i]] = quantize(k), quantize(v)           FORMAT.md, "KV cache"; floats for a plain one
//
//   q  [rows, heads, D]    float, changed in place
//   k  [rows, kvHeads, D]  float;  v the same, rotated already by its weights
//   cos, sin  [positions, D / 2] float
//
// Launch     rope_append_D for D = 64, 128: grid (ceil((heads + 2 kvHeads) / 4), rows), block 128: a warp a head
// Requires   no two rows store to one position
// Bound      exact for given q, k, v
// Reference  ReferenceKernels.projectQkv   Test  KernelsContract.layerOfAMixedBatch
#include "cache.cuh"

struct RopeAppendArgs {
    float* q;
    const float* k;
    const float* v;
    const float* cos;
    const float* sin;
    Cache cache;
    int heads;
};

template <int N>
__device__ __forceinline__ void store(const Cache& cache, int row, int position, int head, int side, const float (&x)[N]) {
    const int lane = threadIdx.x & 31;
    const size_t slot = slot_of(cache, row, position, head, side);
    if (cache.scales == nullptr) {
        float* to = static_cast<float*>(cache.values) + slot * 32 * N + lane * N;
#pragma unroll
        for (int i = 0; i < N; i++) {
            to[i] = x[i];
        }
        return;
    }
    float low = 0;
    float high = 0;
#pragma unroll
    for (int i = 0; i < N; i++) {
        low = fminf(low, x[i]);
        high = fmaxf(high, x[i]);
    }
    low = warp_min(low);
    high = warp_max(high);
    const __half scale = __float2half_rn(fmaxf(high - low, kTiny) / 15.0f);
    const float inverse = 1.0f / __half2float(scale);
    const int zero = min(max((int)rintf(-low * inverse), 0), 15);
    uint32_t codes = 0;
#pragma unroll
    for (int i = 0; i < N; i++) {
        const float rounded = x[i] * inverse + kRound - kRound;
        codes |= (uint32_t)min(max((int)rounded + zero, 0), 15) << (4 * i);
    }
    uint8_t* to = static_cast<uint8_t*>(cache.values) + slot * 16 * N;
    if (N == 2) {
        to[lane] = (uint8_t)codes;
    } else {
        reinterpret_cast<uint16_t*>(to)[lane] = (uint16_t)codes;
    }
    if (lane == 0) {
        cache.scales[slot] = __halves2half2(scale, __int2half_rn(zero));
    }
}

template <int N>
__device__ __forceinline__ void rope_append(const RopeAppendArgs& a) {
    constexpr int D = 32 * N;
    const int row = blockIdx.y;
    const int lane = threadIdx.x & 31;
    const int index = blockIdx.x * 4 + threadIdx.x / 32;
    const int kvHeads = a.cache.heads;
    if (index >= a.heads + 2 * kvHeads) {
        return;
    }
    const int position = a.cache.positions[row];
    const bool query = index < a.heads;
    const bool value = index >= a.heads + kvHeads;
    const int head = query ? index : value ? index - a.heads - kvHeads : index - a.heads;
    const float* from = (query ? a.q + (size_t)row * a.heads * D : (value ? a.v : a.k) + (size_t)row * kvHeads * D) + head * D;
    float x[N];
#pragma unroll
    for (int i = 0; i < N; i++) {
        x[i] = from[lane * N + i];
    }
    if (!value) {
#pragma unroll
        for (int i = 0; i < N; i++) {
            const float other = __shfl_xor_sync(kAllLanes, x[i], 16);  // half a head away
            const int at = position * (D / 2) + (lane & 15) * N + i;
            const float turned = other * a.sin[at];
            x[i] = lane < 16 ? x[i] * a.cos[at] - turned : x[i] * a.cos[at] + turned;
        }
        if (a.cache.scales != nullptr) {
            hadamard<N>(x);
        }
    }
    if (query) {
        float* to = a.q + ((size_t)row * a.heads + head) * D + lane * N;
#pragma unroll
        for (int i = 0; i < N; i++) {
            to[i] = x[i];
        }
    } else {
        store<N>(a.cache, row, position, head, value ? 1 : 0, x);
    }
}

extern "C" __global__ void __launch_bounds__(128) rope_append_64(const __grid_constant__ RopeAppendArgs a) { rope_append<2>(a); }
extern "C" __global__ void __launch_bounds__(128) rope_append_128(const __grid_constant__ RopeAppendArgs a) { rope_append<4>(a); }
