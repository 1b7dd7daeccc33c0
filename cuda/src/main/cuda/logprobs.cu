// logprobs: how likely did the model hold the chosen id, and which ids most?
//
//   logprob[id] = logit[id] - log(sum over all ids of exp(logit)), in double, over the model's own logits: sample.cu's biases
//                 and penalties are taken back first
//   top         = the ids of the highest logits, of equal ones the lower first
//
// A row is read once for its sum and once for each top id; rows that asked for nothing end at once, and steps without
// any that asks do not launch this.
//
//   logits     [samples, vocabulary]  float; where a row asks, the model's own again afterwards
//   rows       [samples]              SampleRow
//   penalties  [*]                    Penalty: pool, with the logits that sample.cu found
//   ids        [samples]              int32: sample.cu's
//   scored     [samples]              Scored
//
// Launch     grid rows, block 512
// Requires   sample.cu has run on the same step
// Bound      2^-20 + 2^-22 |logprob| of TokenLogprobs.of, from rounding to float
// Reference  TokenLogprobs.of              Test  CudaSamplerTest
#include "sample.cuh"

constexpr int kThreads = 512;
constexpr int kWarps = kThreads / 32;
constexpr int kTop = 20;

struct Scored {
    float chosen;
    int unused;
    int ids[kTop];
    float logprobs[kTop];
};

struct LogprobArgs {
    const StepHead* step;
    float* logits;
    const SampleRow* rows;
    const Penalty* penalties;
    const int* ids;
    Scored* scored;
    int vocabulary;
    int unused;
};

// Of all threads' values; all get the result. Between two calls there must be a barrier, which each has at its end.
__device__ __forceinline__ u64 block_max(u64 x, u64* shared) {
    x = warp_max(x);
    if ((threadIdx.x & 31) == 0) {
        shared[threadIdx.x / 32] = x;
    }
    __syncthreads();
    u64 most = 0;
    for (int w = 0; w < kWarps; w++) {
        most = max(most, shared[w]);
    }
    __syncthreads();
    return most;
}

__device__ __forceinline__ double block_sum(double x, double* shared) {
#pragma unroll
    for (int mask = 16; mask > 0; mask /= 2) {
        x += __shfl_xor_sync(kAllLanes, x, mask);
    }
    if ((threadIdx.x & 31) == 0) {
        shared[threadIdx.x / 32] = x;
    }
    __syncthreads();
    double sum = 0;
    for (int w = 0; w < kWarps; w++) {
        sum += shared[w];
    }
    __syncthreads();
    return sum;
}

extern "C" __global__ void __launch_bounds__(kThreads) logprobs(const __grid_constant__ LogprobArgs a) {
    __shared__ u64 most[kWarps];
    __shared__ double sums[kWarps];
    begin_dependent();
    const int at = blockIdx.x;
    if (at >= a.step->samples) {
        return;
    }
    const SampleRow& row = a.rows[at];
    if (row.top < 0) {
        return;
    }
    float* logits = a.logits + (size_t)at * a.vocabulary;
    if (row.given < 0) {
        for (int i = threadIdx.x; i < row.count; i += kThreads) {
            const Penalty p = a.penalties[row.first + i];
            if (p.id >= 0 && p.id < a.vocabulary) {
                logits[p.id] = p.logit;
            }
        }
    }
    __syncthreads();
    Scored& scored = a.scored[at];
    // each pass finds the largest key below the one before
    u64 before = ~0ull;
    double best = 0;
    double total = 0;
    for (int i = 0; i < max(1, min(row.top, a.vocabulary)); i++) {
        u64 key = 0;
        for (int id = threadIdx.x; id < a.vocabulary; id += kThreads) {
            const u64 own = key_of(logits[id], id);
            key = own < before ? max(key, own) : key;
        }
        key = block_max(key, most);
        before = key;
        const int id = (int)(0xFFFFFFFFu - (uint32_t)key);
        const double logit = id >= 0 && id < a.vocabulary ? (double)logits[id] : 0;
        if (i == 0) {
            double sum = 0;
            for (int other = threadIdx.x; other < a.vocabulary; other += kThreads) {
                sum += exp((double)logits[other] - logit);
            }
            best = logit;
            total = log(block_sum(sum, sums));
        }
        if (threadIdx.x == 0 && i < row.top) {
            scored.ids[i] = id;
            scored.logprobs[i] = (float)(logit - best - total);
        }
    }
    if (threadIdx.x == 0) {
        const int id = a.ids[at];
        scored.chosen = id >= 0 && id < a.vocabulary ? (float)((double)logits[id] - best - total) : 0.0f;
    }
}
