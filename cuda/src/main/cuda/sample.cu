// sample: which id comes next in each row?
//
//   score[id] = logit[id] + bias, penalized:  of the ids listed for the row, repetition divides positive and multiplies
//               other scores of those that prompt or completion hold; presence + frequency * count is taken from those that
//               the completion holds
//   best      = the id of the highest score, the lowest of several
//   weight[id] = round(2^44 exp((score[id] - score[best]) / temperature)), an integer; sums of weights are exact
//   candidates, in the order of their scores (of equal ones the lower id first): the first topK; of these as many as weigh
//               at least topP of their sum together; of these those that weigh at least minP of the best one
//   id        = the first, ids ascending, at which the sum of the candidates' weights exceeds random / 2^64 of their total;
//               random is Philox4x32-10 of seed and position. Temperature 0: best.
//   -1 where there is no finite highest score: the model has diverged. A row whose id is given gets that, nothing is drawn.
//
// No sort: weights and counts are gathered in 2000 bins of equal width in (best - score) / temperature; only the bin in
// which a limit is crossed is looked at more closely, by ever finer bins of the candidates' keys until what is left fits a
// list. Sums being integers, neither the number of thread blocks nor the order of atomic additions changes a result.
//
//   logits     [samples, vocabulary]  float; the scores replace the logits
//   rows       [samples]              SampleRow
//   penalties  [*]                    Penalty: pool; a row's begin at its first; their logits are kept in it for logprobs.cu
//   ids        [samples]              int32
//
// Launch     sample_C: a cluster of C thread blocks a row: grid (C, rows), block 512, 66 KiB of dynamic shared memory. C = 1
//            runs everywhere, 2, 4 and 8 need sm_90a
// Requires   vocabulary <= 2^19; a row's penalized ids distinct
// Bound      the same id as Sampler's for the same logits, unless exp differs in its last bit and moves a weight by one,
//            and a sum lies within one for each candidate (2^-44 of the best weight) of a limit
// Reference  Sampler                       Test  CudaSamplerTest
#include "device.cuh"
#include "hopper.cuh"
#include "sample.cuh"

#ifdef ARIL_HOPPER
#include <cooperative_groups.h>
#endif

constexpr int kThreads = 512;
constexpr int kWarps = kThreads / 32;
constexpr int kBins = 2048;
constexpr int kList = 512;
constexpr int kBatch = 8;
constexpr double kOne = 17592186044416.0;  // 2^44, the best one's weight
constexpr double kFar = 31.2;              // from here on weights are zero
constexpr double kWidth = 64.0;            // bins for a distance of one
constexpr int kDigit = 15;                 // a weight is three digits of so many bits: sums of 2^17 stay below 2^32

struct SampleArgs {
    const StepHead* step;
    float* logits;
    const SampleRow* rows;
    Penalty* penalties;
    int* ids;
    int vocabulary;
    int unused;
};

// How many and how heavy.
struct Mass {
    u64 weight;
    int count;
};

struct Shared {
    uint32_t counts[kBins];
    uint32_t digits[3][kBins];
    u64 sumWeights[kBins];  // of all thread blocks
    uint32_t sumCounts[kBins];
    u64 keys[kList];
    u64 weights[kList];
    u64 warps[2][kWarps];
    u64 blocks[2][8];          // one of each thread block
    u64 segments[8 * kWarps];  // kept weight of each warp of each thread block
    Mass before;
    u64 threshold;
    int listed;
    int bin;
};

static_assert(sizeof(Shared) <= 66 << 10, "what the launch asks for");

// Philox4x32-10 (Salmon, Moraes, Dror, Shaw, SC 2011): the first 64 bits of the block.
__device__ __forceinline__ u64 philox(u64 seed, u64 position) {
    uint32_t c0 = (uint32_t)position;
    uint32_t c1 = (uint32_t)(position >> 32);
    uint32_t c2 = 0;
    uint32_t c3 = 0;
    uint32_t k0 = (uint32_t)seed;
    uint32_t k1 = (uint32_t)(seed >> 32);
#pragma unroll
    for (int round = 0; round < 10; round++) {
        const u64 p0 = (u64)0xD2511F53u * c0;
        const u64 p1 = (u64)0xCD9E8D57u * c2;
        c0 = (uint32_t)(p1 >> 32) ^ c1 ^ k0;
        c2 = (uint32_t)(p0 >> 32) ^ c3 ^ k1;
        c1 = (uint32_t)p1;
        c3 = (uint32_t)p0;
        k0 += 0x9E3779B9u;
        k1 += 0xBB67AE85u;
    }
    return (u64)c0 << 32 | c1;
}

// One row, by a cluster of kCluster thread blocks.
template <int kCluster>
struct Sampling {
    Shared& s;
    const SampleRow& row;
    float* logits;
    int vocabulary;
    int rank;
    int segment;  // ids a warp takes; they ascend from warp to warp and block to block
    int begin;    // this warp's
    int end;
    double best;

    template <typename T>
    __device__ __forceinline__ T* in_block(T* p, int block) const {
#ifdef ARIL_HOPPER
        if (kCluster > 1) {
            return cooperative_groups::this_cluster().map_shared_rank(p, block);
        }
#endif
        return p;
    }

    __device__ __forceinline__ void sync() const {
#ifdef ARIL_HOPPER
        if (kCluster > 1) {
            cooperative_groups::this_cluster().sync();
            return;
        }
#endif
        __syncthreads();
    }

    // of the best score, in temperatures
    __device__ __forceinline__ double distance(float score) const { return (best - (double)score) * row.inverse; }

    __device__ __forceinline__ u64 weight(double distance) const {
        return distance >= kFar ? 0 : (u64)__double2ll_rn(exp(-distance) * kOne);
    }

    // Calls f(id, score) for this warp's ids; several loads are under way at once.
    template <typename F>
    __device__ __forceinline__ void each(F f) const {
        for (int first = begin + (threadIdx.x & 31); first < end; first += 32 * kBatch) {
            float scores[kBatch];
#pragma unroll
            for (int i = 0; i < kBatch; i++) {
                scores[i] = logits[min(first + 32 * i, end - 1)];
            }
#pragma unroll
            for (int i = 0; i < kBatch; i++) {
                if (first + 32 * i < end) {
                    f(first + 32 * i, scores[i]);
                }
            }
        }
    }

    __device__ __forceinline__ void penalize(Penalty* penalties) const {
        const int from = rank * kWarps * segment;
        const int to = from + kWarps * segment;
        for (int i = threadIdx.x; i < row.count; i += kThreads) {
            const Penalty p = penalties[row.first + i];
            if (p.id >= from && p.id < to && p.id < vocabulary) {
                const float logit = logits[p.id];
                float score = logit + p.bias;
                if (row.repetition != 1.0f && p.count >= 0) {
                    score = score > 0.0f ? score / row.repetition : score * row.repetition;
                }
                if (p.count > 0) {
                    score -= (float)(row.presence + row.frequency * p.count);
                }
                logits[p.id] = score;
                penalties[row.first + i].logit = logit;
            }
        }
        __syncthreads();
    }

    // The largest of all threads' x, for all thread blocks. Two that follow each other use different slots.
    __device__ __forceinline__ u64 largest(u64 x, int slot) const {
        x = warp_max(x);
        if ((threadIdx.x & 31) == 0) {
            s.warps[slot][threadIdx.x / 32] = x;
        }
        __syncthreads();
        if (threadIdx.x < kCluster) {
            u64 most = 0;
            for (int w = 0; w < kWarps; w++) {
                most = max(most, s.warps[slot][w]);
            }
            in_block(s.blocks[slot], threadIdx.x)[rank] = most;
        }
        sync();
        u64 most = 0;
#pragma unroll
        for (int b = 0; b < kCluster; b++) {
            most = max(most, s.blocks[slot][b]);
        }
        return most;
    }

    // Fills sumCounts and sumWeights in every thread block; bin(key, distance) is negative for what does not count.
    template <typename F>
    __device__ __forceinline__ void fill(bool counts, bool weights, F bin) const {
        for (int b = threadIdx.x; b < kBins; b += kThreads) {
            s.counts[b] = 0;
            s.digits[0][b] = 0;
            s.digits[1][b] = 0;
            s.digits[2][b] = 0;
        }
        __syncthreads();
        each([&](int id, float score) {
            const double d = distance(score);
            const int b = bin(key_of(score, id), d);
            if (b >= 0) {
                if (counts) {
                    atomicAdd(&s.counts[b], 1u);
                }
                if (weights) {
                    const u64 w = weight(d);
                    constexpr uint32_t mask = (1u << kDigit) - 1;
                    atomicAdd(&s.digits[0][b], (uint32_t)w & mask);
                    atomicAdd(&s.digits[1][b], (uint32_t)(w >> kDigit) & mask);
                    atomicAdd(&s.digits[2][b], (uint32_t)(w >> 2 * kDigit));
                }
            }
        });
        sync();
        // each thread block adds its share of the bins, for all
        for (int b = rank * (kBins / kCluster) + threadIdx.x; b < (rank + 1) * (kBins / kCluster); b += kThreads) {
            u64 weight = 0;
            uint32_t count = 0;
#pragma unroll
            for (int r = 0; r < kCluster; r++) {
                const Shared* there = in_block(&s, r);
                count += there->counts[b];
                weight += there->digits[0][b] + ((u64)there->digits[1][b] << kDigit) + ((u64)there->digits[2][b] << 2 * kDigit);
            }
#pragma unroll
            for (int r = 0; r < kCluster; r++) {
                Shared* there = in_block(&s, r);
                there->sumCounts[b] = count;
                there->sumWeights[b] = weight;
            }
        }
        sync();
    }

    // The first bin at which count or weight reaches what is needed; s.bin is -1 if none does. Adds what lies before it.
    __device__ __forceinline__ void cross(bool byWeight, u64 need) const {
        constexpr int kOwn = kBins / kThreads;
        const int lane = threadIdx.x & 31;
        const int warp = threadIdx.x / 32;
        Mass own[kOwn];
        Mass sum = {0, 0};
#pragma unroll
        for (int i = 0; i < kOwn; i++) {
            const int b = threadIdx.x * kOwn + i;
            sum.weight += s.sumWeights[b];
            sum.count += s.sumCounts[b];
            own[i] = sum;
        }
        Mass upTo = sum;
#pragma unroll
        for (int d = 1; d < 32; d *= 2) {
            const u64 weight = __shfl_up_sync(kAllLanes, upTo.weight, d);
            const int count = __shfl_up_sync(kAllLanes, upTo.count, d);
            if (lane >= d) {
                upTo.weight += weight;
                upTo.count += count;
            }
        }
        if (lane == 31) {
            s.warps[0][warp] = upTo.weight;
            s.warps[1][warp] = (u64)upTo.count;
        }
        const Mass before = s.before;
        if (threadIdx.x == 0) {
            s.bin = -1;
        }
        __syncthreads();
        Mass start = {before.weight + upTo.weight - sum.weight, before.count + upTo.count - sum.count};
        for (int w = 0; w < warp; w++) {
            start.weight += s.warps[0][w];
            start.count += (int)s.warps[1][w];
        }
        Mass last = start;
#pragma unroll
        for (int i = 0; i < kOwn; i++) {
            const Mass now = {start.weight + own[i].weight, start.count + own[i].count};
            const u64 had = byWeight ? last.weight : (u64)last.count;
            const u64 has = byWeight ? now.weight : (u64)now.count;
            if (had < need && has >= need) {
                s.bin = threadIdx.x * kOwn + i;
                s.before = last;
            }
            last = now;
        }
        __syncthreads();
    }

    // Puts those that match into every thread block's list, as long as there is room; s.listed counts them all.
    template <typename F>
    __device__ __forceinline__ void list(bool weights, F matches) const {
        if (threadIdx.x == 0) {
            s.listed = 0;
        }
        sync();
        each([&](int id, float score) {
            const double d = distance(score);
            const u64 key = key_of(score, id);
            if (matches(key, d)) {
                const u64 w = weights ? weight(d) : 0;
#pragma unroll
                for (int r = 0; r < kCluster; r++) {
                    Shared* there = in_block(&s, r);
                    const int at = atomicAdd(&there->listed, 1);
                    if (at < kList) {
                        there->keys[at] = key;
                        there->weights[at] = w;
                    }
                }
            }
        });
        sync();
    }

    static __device__ __forceinline__ int bin_of(double distance) { return distance < kFar ? (int)(distance * kWidth) : -1; }

    // The key of the candidate at which count or weight reaches what is needed, and what all up to it amount to; 0 if none
    // does. The bins hold all ids.
    __device__ __forceinline__ u64 limit(bool byWeight, u64 need, bool counts, bool weights, bool& binned, u64& upTo) const {
        __syncthreads();
        if (threadIdx.x == 0) {
            s.before = {0, 0};
        }
        __syncthreads();
        cross(byWeight, need);
        const int first = s.bin;
        if (first < 0) {
            return 0;
        }
        list(weights, [&](u64, double d) { return bin_of(d) == first; });
        if (s.listed > kList) {
            // too many of nearly the same score: finer bins of their keys
            u64 most = 0;
            u64 least = 0;
            each([&](int id, float score) {
                if (bin_of(distance(score)) == first) {
                    const u64 key = key_of(score, id);
                    most = max(most, key);
                    least = max(least, ~key);
                }
            });
            u64 high = largest(most, 0);
            u64 low = ~largest(least, 1);
            binned = false;
            while (s.listed > kList) {
                const int shift = max(0, 53 - __clzll((long long)(high - low)));
                fill(counts, weights, [&](u64 key, double) {
                    return key >= low && key <= high ? (int)((high - key) >> shift) : -1;
                });
                cross(byWeight, need);
                high -= (u64)s.bin << shift;
                low = max(low, high - ((1ull << shift) - 1));
                list(weights, [&](u64 key, double) { return key >= low && key <= high; });
            }
        }
        const int n = s.listed;
        for (int i = threadIdx.x; i < n; i += kThreads) {
            const u64 key = s.keys[i];
            Mass sum = s.before;
            for (int j = 0; j < n; j++) {
                if (s.keys[j] >= key) {
                    sum.weight += s.weights[j];
                    sum.count++;
                }
            }
            const bool here = byWeight ? sum.weight >= need && sum.weight - s.weights[i] < need : (u64)sum.count == need;
            if (here) {
                s.threshold = key;
                s.segments[0] = sum.weight;
            }
        }
        __syncthreads();
        upTo = s.segments[0];
        return s.threshold;
    }

    __device__ __forceinline__ void run(Penalty* penalties, int* id) {
        if (row.given >= 0) {
            if (rank == 0 && threadIdx.x == 0) {
                *id = row.given;
            }
            return;
        }
        if (row.count > 0) {
            penalize(penalties);
        }
        u64 key = 0;
        each([&](int i, float score) { key = max(key, key_of(score, i)); });
        key = largest(key, 0);
        const uint32_t ordered = (uint32_t)(key >> 32);
        const bool finite = ordered > 0x007FFFFFu && ordered < 0xFF800000u;
        const int bestId = (int)(0xFFFFFFFFu - (uint32_t)key);
        if (row.inverse == 0 || !finite) {
            if (rank == 0 && threadIdx.x == 0) {
                *id = finite ? bestId : -1;
            }
            return;
        }
        best = (double)__int_as_float((int)(ordered & 0x80000000u ? ordered ^ 0x80000000u : ~ordered));

        // the limits in turn: first the count, then the weight of those left
        const bool limited[2] = {row.topK > 0 && row.topK < vocabulary, row.topP < 1};
        u64 threshold = 0;
        u64 total = 0;
        bool binned = false;
#pragma unroll 1
        for (int byWeight = 0; byWeight < 2; byWeight++) {
            if (!limited[byWeight]) {
                continue;
            }
            if (!binned) {
                fill(limited[0], limited[1], [](u64, double d) { return bin_of(d); });
                binned = true;
            }
            u64 need = (u64)row.topK;
            if (byWeight) {
                if (threshold == 0) {
                    for (int b = threadIdx.x & 31; b < kBins; b += 32) {
                        total += s.sumWeights[b];
                    }
                    total = warp_sum(total);
                }
                need = (u64)__double2ll_ru(row.topP * (double)total);
            }
            const u64 key = limit(byWeight, need, limited[0], limited[1], binned, total);
            threshold = key == 0 ? threshold : key;
        }
        sync();  // nobody adds to a list any more
        draw(threshold, id);
    }

    __device__ __forceinline__ void draw(u64 threshold, int* id) {
        const u64 least = max(1ull, (u64)__double2ll_ru(row.minP * kOne));
        const auto kept = [&](int i, float score) -> u64 {
            if (key_of(score, i) < threshold) {
                return 0;
            }
            const u64 w = weight(distance(score));
            return w >= least ? w : 0;
        };
        const int lane = threadIdx.x & 31;
        const int warp = threadIdx.x / 32;
        u64 sum = 0;
        each([&](int i, float score) { sum += kept(i, score); });
        sum = warp_sum(sum);
        if (lane < kCluster) {
            in_block(s.segments, lane)[rank * kWarps + warp] = sum;
        }
        sync();
        u64 total = 0;
        for (int w = 0; w < kCluster * kWarps; w++) {
            total += s.segments[w];
        }
        u64 left = __umul64hi(philox(row.seed, row.position), total);
        int owner = 0;
        while (left >= s.segments[owner]) {
            left -= s.segments[owner++];
        }
        if (owner / kWarps != rank) {
            return;
        }
        // this thread block's warps share the segment
        const int last = min(vocabulary, (owner + 1) * segment);
        const int part = (segment + kThreads - 1) / kThreads * 32;
        begin = min(last, owner * segment + warp * part);
        end = min(last, begin + part);
        sum = 0;
        each([&](int i, float score) { sum += kept(i, score); });
        sum = warp_sum(sum);
        if (lane == 0) {
            s.warps[0][warp] = sum;
        }
        __syncthreads();
        owner = 0;
        while (left >= s.warps[0][owner]) {
            left -= s.warps[0][owner++];
        }
        if (owner != warp) {
            return;
        }
        for (int strip = begin; strip < end; strip += 32) {
            const int i = strip + lane;
            u64 upTo = i < end ? kept(i, logits[i]) : 0;
#pragma unroll
            for (int d = 1; d < 32; d *= 2) {
                const u64 before = __shfl_up_sync(kAllLanes, upTo, d);
                upTo += lane >= d ? before : 0;
            }
            const unsigned past = __ballot_sync(kAllLanes, upTo > left);
            if (past != 0) {
                if (lane == 0) {
                    *id = strip + __ffs(past) - 1;
                }
                return;
            }
            left -= __shfl_sync(kAllLanes, upTo, 31);
        }
    }
};

template <int kCluster>
__device__ __forceinline__ void sample(const SampleArgs& a) {
    extern __shared__ __align__(16) char memory[];
#ifdef ARIL_HOPPER
    if (kCluster > 1) {
        cooperative_groups::this_cluster().sync();  // nobody writes to a thread block that has not begun
    }
#endif
    begin_dependent();
    const int row = blockIdx.y;
    if (row >= a.step->samples) {
        return;
    }
    const int segment = (a.vocabulary + kCluster * kThreads - 1) / (kCluster * kThreads) * 32;
    const int rank = blockIdx.x;
    const int begin = min(a.vocabulary, (rank * kWarps + (int)threadIdx.x / 32) * segment);
    Sampling<kCluster> sampling = {*reinterpret_cast<Shared*>(memory), a.rows[row], a.logits + (size_t)row * a.vocabulary,
        a.vocabulary, rank, segment, begin, min(a.vocabulary, begin + segment), 0};
    sampling.run(a.penalties, a.ids + row);
}

extern "C" __global__ void __launch_bounds__(kThreads, 1) sample_1(const __grid_constant__ SampleArgs a) { sample<1>(a); }

#ifdef ARIL_HOPPER
extern "C" __global__ void __cluster_dims__(2, 1, 1) __launch_bounds__(kThreads, 1) sample_2(const __grid_constant__ SampleArgs a) {
    sample<2>(a);
}
extern "C" __global__ void __cluster_dims__(4, 1, 1) __launch_bounds__(kThreads, 1) sample_4(const __grid_constant__ SampleArgs a) {
    sample<4>(a);
}
extern "C" __global__ void __cluster_dims__(8, 1, 1) __launch_bounds__(kThreads, 1) sample_8(const __grid_constant__ SampleArgs a) {
    sample<8>(a);
}
#endif
