// attention: rows' heads over their own sequences' caches, up to the rows' positions; a list of (row, chunk) items.
//
//   s[p] = q · k[p] / sqrt(D)      for p = max(0, positions[i] - window + 1) .. positions[i]
//   o = sum_p e^(s[p] - max s) v[p] / sum_p e^(s[p] - max s)
//
// What is stored of each row, head and chunk of 256 positions is its maximum, sum and mix: attention_merge joins them. How a
// chunk is summed says attention.cuh; attention_prefill does the same of many rows at once, bit for bit.
//
//   q      as rope_append writes it
//   mixed  [slots, heads, D]  float;  stats  [slots, heads]  float2 (maximum of log2 weights, sum);  slot i is item i's, of a
//          plain cache the row's first
//
// attention_decode_D: an INT4 cache, a thread block an item's key head and up to 8 query heads. A fifth warp copies into
// shared memory; four compute: a part of 64 positions each for the scores, D / 4 channels each for the mix, so nothing is
// summed across warps. While one item's values are at work, the next one's keys are on their way into the place of its keys.
// attention_plain_D_G: a plain cache, a thread block a row's key head, all chunks in turn, joined; G query heads at a time; no
// matrix products.
//
// Launch     attention_decode_D, D = 64, 128: any grid, block 160, DecodeShared's bytes of shared memory or more (to have no
//            more thread blocks on a multiprocessor than the grid gives each): 48512 (D = 128), 31104
//            attention_plain_D_G, G = 1, 4: grid (kvHeads, rows), block 128
// Requires   heads % kvHeads == 0; the list is written before the step
// Bound      |o - reference| <= 2^-10 max |v| for given queries, whose rounding moves scores by 2^-11 sum |q k| / sqrt(D);
//            plain: 2^-16 max |v|
// Reference  ReferenceKernels.attend   Test  KernelsContract.layerOfAMixedBatch, chunksOfAPromptChangeNothing
#include "attention.cuh"

struct AttendArgs {
    const StepHead* step;
    const Item* items;
    const Join* joins;  // [rows]
    const float* q;
    float* mixed;
    float2* stats;
    Cache cache;
    int heads;
    float scale;  // of a plain cache's scores: log2(e) / sqrt(D)
    int window;   // positions a row sees, its own the last; INT_MAX for all
    int unused;
};

// A thread block's items in turn: heads fastest, counted on without dividing.
struct Cursor {
    int item;
    int unit;
    int items;
    int units;
    int itemStep;
    int unitStep;

    __device__ __forceinline__ Cursor(int items, int units)
        : item(blockIdx.x / units), unit(blockIdx.x % units), items(items), units(units), itemStep(gridDim.x / units),
          unitStep(gridDim.x % units) {}

    __device__ __forceinline__ bool valid() const { return item < items; }

    __device__ __forceinline__ void advance() {
        item += itemStep;
        unit += unitStep;
        if (unit >= units) {
            unit -= units;
            item++;
        }
    }

    __device__ __forceinline__ void advance(int steps) {
        const int ahead = unit + steps * unitStep;
        item += steps * itemStep + ahead / units;
        unit = ahead % units;
    }
};

__device__ __forceinline__ Item load(const Item* items, const Cursor& at) {
    const int4 x = at.valid() ? __ldcg(reinterpret_cast<const int4*>(items) + at.item) : make_int4(0, 0, 0, 0);
    Item item;
    item.row = x.x;
    item.chunk = x.y;
    item.table = x.z;
    item.count = (short)x.w;
    item.settled = (short)(x.w >> 16);
    return item;
}

// The next item with a position that its row sees, from this one on, by all lanes of a warp; returns how many of the item's
// positions come before that.
__device__ __forceinline__ int seek(const AttendArgs& a, Cursor& at) {
    if (a.window == INT_MAX) {
        return 0;
    }
    while (at.valid()) {
        Cursor own = at;
        own.advance(threadIdx.x & 31);
        int before = 0;
        bool seen = !own.valid();
        if (!seen) {
            const Item item = load(a.items, own);
            before = max(first_seen(__ldcg(a.cache.positions + item.row), a.window) - item.chunk * kChunk, 0);
            seen = before < item.count;
        }
        const unsigned found = __ballot_sync(kAllLanes, seen);
        const int steps = found == 0 ? 32 : __ffs(found) - 1;
        at.advance(steps);
        if (found != 0) {
            return __shfl_sync(kAllLanes, before, steps);
        }
    }
    return 0;
}

// What the warps that compute are told of an item.
struct Work {
    int count;      // positions; 0 for no more work
    int before;     // of them that the row does not see
    int firstHead;  // of the query heads
    int columns;    // query heads
    int slot;
};

template <int D>
struct DecodeShared {
    static constexpr int kKeyBytes = Run<D>::kValues;  // keys and all scales
    static constexpr int kValueBytes = 8 * D;
    static constexpr int kQueryBytes = 2 * D;

    alignas(128) uint8_t keys[kPages * kKeyBytes];
    alignas(128) uint8_t values[kPages * kValueBytes];
    alignas(128) uint8_t queries[8 * kQueryBytes];
    PositionScale scales[kChunk];
    uint4 less[2][kPages][4];  // what to take off values' codes, of every other item
    uint2 weights[kPages][32];  // B operands
    float2 most[2][4][4];       // [every other item][part][column / 2]
    float2 sums[4][32];         // [part][lane]
    Work work[2];
    alignas(8) uint64_t barriers[4];
};

constexpr int kWarps = 4;  // that compute

__device__ __forceinline__ void computing_warps_sync() { asm volatile("bar.sync 1, 128;" ::: "memory"); }

// The fifth warp: brings each item's keys and values as soon as their places are free.
template <int D>
__device__ __forceinline__ void bring(const AttendArgs& a, DecodeShared<D>& s, uint32_t keysHere, uint32_t keysDone, uint32_t valuesHere, uint32_t valuesDone) {
    using Shared = DecodeShared<D>;
    const int lane = threadIdx.x & 31;
    const int group = a.heads / a.cache.heads;
    const int sets = (group + 7) / 8;  // of query heads of a key head
    Cursor at(__ldcg(&a.step->items), a.cache.heads * sets);
    const uint8_t* cache = static_cast<const uint8_t*>(a.cache.values);
    int before = seek(a, at);
    Item item = load(a.items, at);
    int page = lane * kBlockTokens < item.count ? __ldcg(a.cache.blocks + item.table + lane) : 0;
    for (int n = 0;; n++) {
        Work work;
        const int set = sets == 1 ? 0 : at.unit % sets;
        const int keyHead = sets == 1 ? at.unit : at.unit / sets;
        work.count = item.count;
        work.before = before;
        work.firstHead = keyHead * group + set * 8;
        work.columns = min(group - set * 8, 8);
        work.slot = at.item;
        const int pages = (item.count + kBlockTokens - 1) / kBlockTokens;
        const uint8_t* run = cache + ((size_t)page * a.cache.heads + keyHead) * Run<D>::kBytes;
        const float* query = a.q + ((size_t)item.row * a.heads + work.firstHead + min(lane, work.columns - 1)) * D;
        // what this step does not write need not wait for who writes it
        int settled = n == 0 ? item.settled : pages;

        if (n > 0) {
            fetch_wait(keysDone, (n - 1) & 1);
        }
        if (lane == 0) {
            s.work[n & 1] = work;
        }
        __syncwarp();
        if (pages == 0) {
            fetch_begin(keysHere, 0);
            fetch_end(keysHere);
            if (n == 0) {
                begin_dependent();
            }
            break;
        }
        fetch_begin(keysHere, pages * Shared::kKeyBytes + work.columns * Shared::kQueryBytes);
        fetch<Shared::kKeyBytes, Shared::kKeyBytes>(shared_place(s.keys), run, 0, settled, keysHere);
        if (n == 0) {
            fetch_begin(valuesHere, pages * Shared::kValueBytes);
            fetch<Shared::kValueBytes, Shared::kValueBytes>(shared_place(s.values), run + Run<D>::kValues, 0, settled, valuesHere);
            begin_dependent();
            fetch<Shared::kKeyBytes, Shared::kKeyBytes>(shared_place(s.keys), run, settled, pages, keysHere);
        }
        fetch<Shared::kQueryBytes, Shared::kQueryBytes>(shared_place(s.queries), reinterpret_cast<const uint8_t*>(query), 0, work.columns, keysHere);
        fetch_end(keysHere);
        if (n > 0) {
            fetch_wait(valuesDone, (n - 1) & 1);
            fetch_begin(valuesHere, pages * Shared::kValueBytes);
            settled = 0;
        }
        fetch<Shared::kValueBytes, Shared::kValueBytes>(shared_place(s.values), run + Run<D>::kValues, settled, pages, valuesHere);
        fetch_end(valuesHere);
        at.advance();
        before = seek(a, at);
        item = load(a.items, at);
        page = lane * kBlockTokens < item.count ? __ldcg(a.cache.blocks + item.table + lane) : 0;
    }
}

template <int D>
__device__ __forceinline__ void compute(const AttendArgs& a, DecodeShared<D>& s, uint32_t keysHere, uint32_t keysDone, uint32_t valuesHere, uint32_t valuesDone) {
    using Shared = DecodeShared<D>;
    constexpr int kSteps = D / 16;   // of 16 channels
    constexpr int kLoads = D / 64;   // 16-byte loads a lane and page of keys
    constexpr int kTiles = D / 64;   // tiles of 16 channels a warp mixes
    const int warp = threadIdx.x / 32;
    const int lane = threadIdx.x & 31;
    const int g = lane / 4;
    const int t = lane % 4;
    const uint8_t* keys = s.keys + warp * kPartPages * Shared::kKeyBytes;
    const uint8_t* values = s.values + (D == 128 ? warp : warp / 2) * 256 + Run<D>::value_word(g, t);

    for (int n = 0;; n++) {
        fetch_wait(keysHere, n & 1);
        const Work work = s.work[n & 1];
        const int count = work.count;
        if (count == 0) {
            break;
        }
        const int parts = (count + kPart - 1) / kPart;
        float2(*const mosts)[4] = s.most[n & 1];

        // scores of this warp's part
        float x[kPartPages][4] = {};
        float most0 = -INFINITY;
        float most1 = -INFINITY;
        if (warp < parts) {
            const uint8_t* own = keys + lane / kBlockTokens * Shared::kKeyBytes + Run<D>::kScales + lane % kBlockTokens * 4;
#pragma unroll
            for (int i = 0; i < 2; i++) {
                const uint8_t* of = own + 2 * i * Shared::kKeyBytes;
                const __half2 key = *reinterpret_cast<const __half2*>(of);
                const __half2 value = *reinterpret_cast<const __half2*>(of + kBlockTokens * 4);
                s.scales[warp * kPart + i * 32 + lane] = scale_of(key, value, warp * kPart + i * 32 + lane < count);
            }
            if (lane < 4 * kPartPages) {
                const __half2* of = reinterpret_cast<const __half2*>(keys + g * Shared::kKeyBytes + Run<D>::kScales) + kBlockTokens;
                const int page = warp * kPartPages + g;
                __half2 less[4];
                less_of_values(of, t, count - page * kBlockTokens, less);
                s.less[n & 1][page][t] = make_uint4(bits(less[0]), bits(less[1]), bits(less[2]), bits(less[3]));
            }
            uint4 q[kSteps / 2];
#pragma unroll
            for (int i = 0; i < kSteps / 2; i++) {
                q[i] = g < work.columns ? reinterpret_cast<const uint4*>(s.queries + g * Shared::kQueryBytes)[t * (D / 32) + i] : make_uint4(0, 0, 0, 0);
            }
            __half2 less[kPartPages][4];
#pragma unroll
            for (int p = 0; p < kPartPages; p++) {
                less_of_keys(reinterpret_cast<const __half2*>(keys + p * Shared::kKeyBytes + Run<D>::kScales), g, less[p]);
            }
#pragma unroll
            for (int l = 0; l < kLoads; l++) {
                uint4 words[kPartPages];
#pragma unroll
                for (int p = 0; p < kPartPages; p++) {
                    words[p] = reinterpret_cast<const uint4*>(keys + p * Shared::kKeyBytes + l * 512)[lane];
                }
#pragma unroll
                for (int i = 0; i < 4; i++) {
                    const uint4& b = q[2 * l + i / 2];
#pragma unroll
                    for (int p = 0; p < kPartPages; p++) {
                        uint32_t k[4];
                        widen(i == 0 ? words[p].x : i == 1 ? words[p].y : i == 2 ? words[p].z : words[p].w, less[p], k);
                        mma(x[p], k[0], k[2], k[1], k[3], i % 2 == 0 ? b.x : b.z, i % 2 == 0 ? b.y : b.w);
                    }
                }
            }
            __syncwarp();
        }
        if (lane == 0) {
            arrive(keysDone);
        }
        const PositionScale* scales = s.scales + warp * kPart + g;
        if (warp < parts) {
#pragma unroll
            for (int p = 0; p < kPartPages; p++) {
#pragma unroll
                for (int i = 0; i < 4; i += 2) {
                    const PositionScale scale = scales[p * kBlockTokens + 4 * i];
                    x[p][i] = fmaf(x[p][i], scale.key, scale.logarithm);
                    x[p][i + 1] = fmaf(x[p][i + 1], scale.key, scale.logarithm);
                }
            }
            const int rest = count - warp * kPart;
            if (rest < kPart) {
#pragma unroll
                for (int p = 0; p < kPartPages; p++) {
#pragma unroll
                    for (int i = 0; i < 4; i++) {
                        x[p][i] = p * kBlockTokens + g + i / 2 * 8 < rest ? x[p][i] : -INFINITY;
                    }
                }
            }
            const int hidden = work.before - warp * kPart;
            if (hidden > 0) {
#pragma unroll
                for (int p = 0; p < kPartPages; p++) {
#pragma unroll
                    for (int i = 0; i < 4; i++) {
                        x[p][i] = p * kBlockTokens + g + i / 2 * 8 >= hidden ? x[p][i] : -INFINITY;
                    }
                }
            }
#pragma unroll
            for (int p = 0; p < kPartPages; p++) {
                most0 = fmaxf(most0, fmaxf(x[p][0], x[p][2]));
                most1 = fmaxf(most1, fmaxf(x[p][1], x[p][3]));
            }
            column_maximum(most0, most1);
            if (g == 0) {
                mosts[warp][t] = make_float2(most0, most1);
            }
        }
        computing_warps_sync();

        // weights of this warp's part
        if (warp < parts) {
#pragma unroll
            for (int j = 0; j < kWarps - 1; j++) {
                const float2 before = mosts[j][t];
                most0 = j < warp ? fmaxf(most0, before.x) : most0;
                most1 = j < warp ? fmaxf(most1, before.y) : most1;
            }
            const float from0 = from_maximum(most0);
            const float from1 = from_maximum(most1);
            float sum[2] = {0, 0};
#pragma unroll
            for (int p = 0; p < kPartPages; p++) {
                s.weights[warp * kPartPages + p][lane] =
                    weigh(x[p], from0, from1, scales[p * kBlockTokens].inverse, scales[p * kBlockTokens + 8].inverse, sum);
            }
            s.sums[warp][lane] = make_float2(sum[0], sum[1]);
        }
        computing_warps_sync();

        // the mix, this warp's channels
        fetch_wait(valuesHere, n & 1);
        float o[kTiles][4] = {};
        float2 most = make_float2(-INFINITY, -INFINITY);
        float2 sum = make_float2(0, 0);
        for (int j = 0; j < parts; j++) {
            const float2 part = mosts[j][t];
            const Joint first = join(most.x, part.x);
            const Joint second = join(most.y, part.y);
            most = make_float2(first.most, second.most);
            const float2 add = s.sums[j][lane];
            sum = make_float2(fmaf(sum.x, first.older, add.x), fmaf(sum.y, second.older, add.y));
#pragma unroll
            for (int i = 0; i < kTiles; i++) {
                o[i][0] *= first.older;
                o[i][1] *= second.older;
                o[i][2] *= first.older;
                o[i][3] *= second.older;
            }
#pragma unroll
            for (int p = 0; p < kPartPages; p++) {
                const int page = j * kPartPages + p;
                const uint2 w = s.weights[page][lane];
                const uint4 off = s.less[n & 1][page][t];
                const __half2 less[4] = {halves(off.x), halves(off.y), halves(off.z), halves(off.w)};
                const uint8_t* words = values + page * Shared::kValueBytes;
                uint32_t word[2];
                if (D == 128) {
                    const uint2 both = *reinterpret_cast<const uint2*>(words);
                    word[0] = both.x;
                    word[1] = both.y;
                } else {
                    word[0] = *reinterpret_cast<const uint32_t*>(words + warp % 2 * 4);
                }
#pragma unroll
                for (int i = 0; i < kTiles; i++) {
                    uint32_t v[4];
                    widen(word[i], less, v);
                    mma(o[i], v[0], v[1], v[2], v[3], w.x, w.y);
                }
            }
        }
        __syncwarp();
        if (lane == 0) {
            arrive(valuesDone);
        }

        const size_t head = (size_t)work.slot * a.heads + work.firstHead + 2 * t;
#pragma unroll
        for (int c = 0; c < 2; c++) {
            if (2 * t + c < work.columns) {
                float* to = a.mixed + (head + c) * D;
                if (D == 128) {
                    *reinterpret_cast<float4*>(to + warp * 32 + g * 4) = make_float4(o[0][c], o[0][c + 2], o[kTiles - 1][c], o[kTiles - 1][c + 2]);
                } else {
                    *reinterpret_cast<float2*>(to + warp / 2 * 32 + g * 4 + warp % 2 * 2) = make_float2(o[0][c], o[0][c + 2]);
                }
            }
        }
        if (warp == 0) {
            sum = make_float2(column_sum(sum.x), column_sum(sum.y));
            if (g == 0 && 2 * t < work.columns) {
                a.stats[head] = make_float2(most.x, sum.x);
            }
            if (g == 0 && 2 * t + 1 < work.columns) {
                a.stats[head + 1] = make_float2(most.y, sum.y);
            }
        }
    }
}

template <int D>
__device__ __forceinline__ void attention_decode(const AttendArgs& a) {
    extern __shared__ __align__(128) uint8_t memory[];
    DecodeShared<D>& s = *reinterpret_cast<DecodeShared<D>*>(memory);
    const uint32_t barriers = shared_place(s.barriers);
    if (threadIdx.x == 32 * kWarps) {
        fetch_init(barriers);
        fetch_init(barriers + 8);
        asm volatile("mbarrier.init.shared::cta.b64 [%0], %1;" ::"r"(barriers + 16), "r"(kWarps) : "memory");
        asm volatile("mbarrier.init.shared::cta.b64 [%0], %1;" ::"r"(barriers + 24), "r"(kWarps) : "memory");
        fetch_init_done();
    }
    __syncthreads();
    if (threadIdx.x >= 32 * kWarps) {
        bring<D>(a, s, barriers, barriers + 16, barriers + 8, barriers + 24);
    } else {
        begin_dependent();
        compute<D>(a, s, barriers, barriers + 16, barriers + 8, barriers + 24);
    }
}

extern "C" __global__ void __launch_bounds__(160, 4) attention_decode_64(const __grid_constant__ AttendArgs a) { attention_decode<64>(a); }
extern "C" __global__ void __launch_bounds__(160, 4) attention_decode_128(const __grid_constant__ AttendArgs a) { attention_decode<128>(a); }

// 8 channels of a plain cache's vector.
__device__ __forceinline__ void floats(const float* from, float (&x)[8]) {
    const float4 a = reinterpret_cast<const float4*>(from)[0];
    const float4 b = reinterpret_cast<const float4*>(from)[1];
    x[0] = a.x; x[1] = a.y; x[2] = a.z; x[3] = a.w;
    x[4] = b.x; x[5] = b.y; x[6] = b.z; x[7] = b.w;
}

template <int D, int G>
__device__ __forceinline__ void attention_plain(const AttendArgs& a) {
    constexpr int kThreads = 128;
    constexpr int kWords = D / 8;
    constexpr int kSubsets = kThreads / kWords;
    __shared__ float q[G][D];
    __shared__ float weights[G][kChunk];
    __shared__ float2 stats[G];
    __shared__ float mixed[kSubsets][D];
    __shared__ const float* runs[kPages];

    const int row = blockIdx.y;
    const int head = blockIdx.x;
    const int lane = threadIdx.x & 31;
    const int group = a.heads / a.cache.heads;
    begin_dependent();
    if (row >= a.step->rows) {
        return;
    }
    const int length = a.cache.positions[row] + 1;
    const int seen = first_seen(length - 1, a.window);
    const size_t out = (size_t)a.joins[row].slot * a.heads + head * group;
    for (int h0 = 0; h0 < group; h0 += G) {
        // queries; heads past the group's end are zero
        for (int i = threadIdx.x; i < G * D; i += kThreads) {
            const int h = h0 + i / D;
            q[i / D][i % D] = h < group ? a.q[((size_t)row * a.heads + head * group + h) * D + i % D] : 0.0f;
        }
        float older[G] = {};
        float most[G];
        float sum[G] = {};
#pragma unroll
        for (int h = 0; h < G; h++) {
            most[h] = -INFINITY;
        }
        for (int first = seen / kChunk * kChunk; first < length; first += kChunk) {
            const int count = min(kChunk, length - first);
            if (threadIdx.x * kBlockTokens < count) {
                runs[threadIdx.x] = static_cast<const float*>(a.cache.values) +
                                    run_of(a.cache, row, first + threadIdx.x * kBlockTokens, head) * 2 * kBlockTokens * D;
            }
            __syncthreads();

            // scores, a thread a position
            for (int p = threadIdx.x; p < kChunk; p += kThreads) {
                float x[G] = {};
                if (p < count) {
                    const float* key = runs[p / kBlockTokens] + p % kBlockTokens * D;
#pragma unroll 4
                    for (int w = 0; w < kWords; w++) {
                        float k[8];
                        floats(key + 8 * w, k);
#pragma unroll
                        for (int h = 0; h < G; h++) {
#pragma unroll
                            for (int i = 0; i < 8; i++) {
                                x[h] = fmaf(q[h][w * 8 + i], k[i], x[h]);
                            }
                        }
                    }
                }
#pragma unroll
                for (int h = 0; h < G; h++) {
                    weights[h][p] = p < count && first + p >= seen ? x[h] * a.scale : -INFINITY;
                }
            }
            __syncthreads();

            // weights of the chunk, a warp a head
            for (int h = threadIdx.x / 32; h < G; h += kThreads / 32) {
                float largest = -INFINITY;
                for (int p = lane; p < kChunk; p += 32) {
                    largest = fmaxf(largest, weights[h][p]);
                }
                largest = warp_max(largest);
                float total = 0;
                for (int p = lane; p < kChunk; p += 32) {
                    const float e = exp2f(weights[h][p] - largest);
                    weights[h][p] = e;
                    total += e;
                }
                total = warp_sum(total);
                if (lane == 0) {
                    stats[h] = make_float2(largest, total);
                }
            }
            __syncthreads();

            // the mix, a thread 8 channels of every kSubsets-th position
            const int w = threadIdx.x % kWords;
            const int subset = threadIdx.x / kWords;
            float part[G][8] = {};
            for (int p = subset; p < count; p += kSubsets) {
                float v[8];
                floats(runs[p / kBlockTokens] + (kBlockTokens + p % kBlockTokens) * D + 8 * w, v);
#pragma unroll
                for (int h = 0; h < G; h++) {
#pragma unroll
                    for (int i = 0; i < 8; i++) {
                        part[h][i] = fmaf(weights[h][p], v[i], part[h][i]);
                    }
                }
            }
#pragma unroll
            for (int h = 0; h < G; h++) {
#pragma unroll
                for (int i = 0; i < 8; i++) {
                    mixed[subset][w * 8 + i] = part[h][i];
                }
                __syncthreads();
                const Joint joint = join(most[h], stats[h].x);
                most[h] = joint.most;
                sum[h] = joined(joint, sum[h], stats[h].y);
                if (threadIdx.x < D) {
                    float total = 0;
#pragma unroll
                    for (int i = 0; i < kSubsets; i++) {
                        total += mixed[i][threadIdx.x];
                    }
                    older[h] = joined(joint, older[h], total);
                }
                __syncthreads();
            }
        }
#pragma unroll
        for (int h = 0; h < G; h++) {
            if (h0 + h < group) {
                if (threadIdx.x < D) {
                    a.mixed[(out + h0 + h) * D + threadIdx.x] = older[h];
                }
                if (threadIdx.x == 0) {
                    a.stats[out + h0 + h] = make_float2(most[h], sum[h]);
                }
            }
        }
    }
}

#define ATTENTION_PLAIN(D, G)                                                                                         \
    extern "C" __global__ void __launch_bounds__(128) attention_plain_##D##_##G(const __grid_constant__ AttendArgs a) { \
        attention_plain<D, G>(a);                                                                                     \
    }

ATTENTION_PLAIN(64, 1)
ATTENTION_PLAIN(64, 4)
ATTENTION_PLAIN(128, 1)
ATTENTION_PLAIN(128, 4)
