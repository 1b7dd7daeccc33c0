// What drawing an id and telling its logprob share.
#pragma once

#include "device.cuh"

typedef unsigned long long u64;

// How one row is drawn, and a penalized or biased id of it: as CudaSampler writes them.
struct SampleRow {
    double inverse;  // 1 / temperature; 0 for greedy
    double topP;
    double minP;
    double presence;
    double frequency;
    u64 seed;
    u64 position;
    float repetition;
    int topK;   // 0: all
    int first;  // in the pool
    int count;
    int given;  // the id, if nothing is drawn; else -1
    int top;    // most likely ids whose logprobs are wanted, 0..20; -1 if not even the chosen one's is
};

struct Penalty {
    int id;
    int count;    // in the completion; 0: in the prompt only; -1: in neither, there is only a bias
    float bias;
    float logit;  // written by sample.cu
};

// Ordered as the scores are, the lower id first; what is not a number comes before all.
__device__ __forceinline__ u64 key_of(float score, int id) {
    const int bits = __float_as_int(score + 0.0f);  // no -0
    const uint32_t ordered = (uint32_t)(bits ^ (bits >> 31 | INT_MIN));
    return score != score ? ~0ull : (u64)ordered << 32 | (0xFFFFFFFFu - (uint32_t)id);
}

__device__ __forceinline__ u64 warp_sum(u64 x) {
#pragma unroll
    for (int mask = 16; mask > 0; mask /= 2) {
        x += __shfl_xor_sync(kAllLanes, x, mask);
    }
    return x;
}

__device__ __forceinline__ u64 warp_max(u64 x) {
#pragma unroll
    for (int mask = 16; mask > 0; mask /= 2) {
        x = max(x, __shfl_xor_sync(kAllLanes, x, mask));
    }
    return x;
}
