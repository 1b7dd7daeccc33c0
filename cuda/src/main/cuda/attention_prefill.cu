// attention_prefill: what attention_decode and the first half of attention_merge do, of many consecutive rows of a sequence
// with an INT4 cache, bit for bit.
//
//   q      as rope_append writes it
//   mixed  [slots, heads, D]  float;  stats  [slots, heads]  float2: all chunks joined, in each row's one slot
//
// A thread block takes a tile's rows and up to 64 query heads of a key head: 64 columns, 16 a warp, a row's heads side by
// side. A part of 64 positions is fetched, widened once to operands in shared memory, and multiplied with all columns; a
// chunk's sums stay in registers and are joined to the older ones in shared memory.
//
// Launch     attention_prefill_D, D = 64, 128: grid (tiles, kvHeads * ceil(group / 64), ceil(64 / R)), block 128,
//            PrefillShared's bytes of shared memory: on compute capability 9.0 109184 (D = 128) or 55936, elsewhere
//            75392 or 38528; R = 64 / min(group, 64) of a tile's 64 rows at once
// Requires   heads % kvHeads == 0
// Bound      as attention_decode
// Reference  ReferenceKernels.attend   Test  KernelsContract.chunksOfAPromptChangeNothing, longContextsAndLargeGroups
#include "attention.cuh"

struct PrefillArgs {
    const RowTile* tiles;
    const Join* joins;  // [rows]
    const float* q;
    float* mixed;
    float2* stats;
    Cache cache;
    int heads;
    int window;  // positions a row sees, its own the last; INT_MAX for all
};

#if defined(ARIL_HOPPER) || !defined(__CUDA_ARCH__)
constexpr int kBuffers = 2;
#else
constexpr int kBuffers = 1;  // where shared memory is small
#endif

template <int D>
struct PrefillShared {
    alignas(128) uint8_t runs[kPartPages][Run<D>::kBytes];
    uint4 keys[kBuffers][kPartPages][D / 16][32];  // A operands
    uint4 values[kBuffers][kPartPages][D / 16][32];
    float4 older[D / 8][128];  // each thread's own: the mix of the chunks before
    PositionScale scales[kBuffers][kPart];
    alignas(8) uint64_t barrier;
};

template <int D>
__device__ __forceinline__ void attention_prefill(const PrefillArgs& a) {
    using Shared = PrefillShared<D>;
    constexpr int kSteps = D / 16;
    constexpr int kTiles = D / 16;
    constexpr int kSets = 2;  // of 8 columns a warp
    extern __shared__ __align__(128) uint8_t memory[];
    Shared& s = *reinterpret_cast<Shared*>(memory);

    const int warp = threadIdx.x / 32;
    const int lane = threadIdx.x & 31;
    const int g = lane / 4;
    const int t = lane % 4;
    const int group = a.heads / a.cache.heads;
    const int most64 = min(group, 64);
    const int parted = (group + most64 - 1) / most64;
    const int keyHead = blockIdx.y / parted;
    const int firstHead = blockIdx.y % parted * most64;
    const int width = min(most64, group - firstHead);  // heads of a row
    const uint32_t barrier = shared_place(&s.barrier);

    RowTile tile;
    {
        const int4 x = __ldcg(reinterpret_cast<const int4*>(a.tiles) + blockIdx.x);
        const int rows = 64 / most64;
        const int skip = blockIdx.z * rows;
        tile = {x.x + skip, min(x.y - skip, rows), x.z + skip, x.w};
    }
    if (tile.rows <= 0) {
        begin_dependent();
        return;
    }
    const int last = tile.position + tile.rows - 1;
    const int parts = last / kPart + 1;
    const int firstPart = first_seen(tile.position, a.window) / kPart;

    const uint8_t* cache = static_cast<const uint8_t*>(a.cache.values);
    auto fetch_part = [&](int part) {
        const int first = part * kPartPages;
        const int pages = min(kPartPages, last / kBlockTokens + 1 - first);
        const int page = lane < pages ? __ldcg(a.cache.blocks + tile.table + first + lane) : 0;
        const uint8_t* from = cache + ((size_t)page * a.cache.heads + keyHead) * Run<D>::kBytes;
        fetch_begin(barrier, pages * Run<D>::kBytes);
        fetch<Run<D>::kBytes, Run<D>::kBytes>(shared_place(s.runs), from, 0, pages, barrier);
        fetch_end(barrier);
    };
    if (threadIdx.x == 0) {
        fetch_init(barrier);
        fetch_init_done();
    }
    __syncthreads();
    begin_dependent();
    if (warp == 0) {
        fetch_part(firstPart);
    }

    // B operands: columns' channels
    uint4 q[kSets][kSteps / 2];
    int limit[kSets][2];  // the last position that a column of a lane's scores sees
#pragma unroll
    for (int c = 0; c < kSets; c++) {
        const int column = warp * 16 + c * 8 + g;
        const int row = column / width;
        const size_t head = (size_t)(tile.firstRow + row) * a.heads + keyHead * group + firstHead + column % width;
        const uint4* place = reinterpret_cast<const uint4*>(a.q + head * D) + t * (D / 32);
#pragma unroll
        for (int i = 0; i < kSteps / 2; i++) {
            q[c][i] = row < tile.rows ? place[i] : make_uint4(0, 0, 0, 0);
        }
#pragma unroll
        for (int i = 0; i < 2; i++) {
            const int of = (warp * 16 + c * 8 + 2 * t + i) / width;
            limit[c][i] = of < tile.rows ? tile.position + of : -1;
        }
    }
    // the same of the whole warp
    const int warpSeen = first_seen(tile.position + warp * 16 / width, a.window);
    const int warpFirst = tile.position + warp * 16 / width;
    const int warpLast = min(tile.position + (warp * 16 + 15) / width, last);
    const bool idle = warpFirst > last;

    float o[kSets][kTiles][4] = {};
    float most[kSets][2];
    float sum[kSets][2] = {};
    float olderMost[kSets][2];
    float olderSum[kSets][2] = {};
#pragma unroll
    for (int c = 0; c < kSets; c++) {
        most[c][0] = most[c][1] = olderMost[c][0] = olderMost[c][1] = -INFINITY;
    }

    // a warp widens a page
    auto widen_part = [&](int part) {
        const uint8_t* run = s.runs[warp];
        const __half2* scales = reinterpret_cast<const __half2*>(run + Run<D>::kScales);
        const int there = last + 1 - (part * kPart + warp * kBlockTokens);  // positions of the page that are written
        fetch_wait(barrier, (part - firstPart) & 1);
        __half2 less[4];
        less_of_keys(scales, g, less);
#pragma unroll
        for (int l = 0; l < D / 64; l++) {
            const uint4 words = reinterpret_cast<const uint4*>(run + l * 512)[lane];
#pragma unroll
            for (int i = 0; i < 4; i++) {
                uint32_t k[4];
                widen(i == 0 ? words.x : i == 1 ? words.y : i == 2 ? words.z : words.w, less, k);
                s.keys[part % kBuffers][warp][4 * l + i][lane] = make_uint4(k[0], k[2], k[1], k[3]);
            }
        }
        less_of_values(scales + kBlockTokens, t, there, less);
#pragma unroll
        for (int l = 0; l < D / 32; l++) {
            const uint2 words = *reinterpret_cast<const uint2*>(run + Run<D>::kValues + l * 256 + Run<D>::value_word(g, t));
#pragma unroll
            for (int i = 0; i < 2; i++) {
                uint32_t v[4];
                widen(i == 0 ? words.x : words.y, less, v);
                s.values[part % kBuffers][warp][2 * l + i][lane] = make_uint4(v[0], v[1], v[2], v[3]);
            }
        }
        if (lane < kBlockTokens) {
            s.scales[part % kBuffers][warp * kBlockTokens + lane] = scale_of(scales[lane], scales[kBlockTokens + lane], lane < there);
        }
    };
    widen_part(firstPart);

    for (int part = firstPart; part < parts; part++) {
        __syncthreads();
        if (warp == 0 && part + 1 < parts) {
            fetch_part(part + 1);
        }
        const auto& keys = s.keys[part % kBuffers];
        const auto& values = s.values[part % kBuffers];
        const auto& scales = s.scales[part % kBuffers];
        const int base = part * kPart;
        if (!idle && base <= warpLast && base + kPart > warpSeen) {
            // scores
            float x[kPartPages][kSets][4] = {};
#pragma unroll
            for (int i = 0; i < kSteps; i++) {
#pragma unroll
                for (int p = 0; p < kPartPages; p++) {
                    const uint4 k = keys[p][i][lane];
#pragma unroll
                    for (int c = 0; c < kSets; c++) {
                        const uint4& b = q[c][i / 2];
                        mma(x[p][c], k.x, k.y, k.z, k.w, i % 2 == 0 ? b.x : b.z, i % 2 == 0 ? b.y : b.w);
                    }
                }
            }
            float now[kSets][2];
#pragma unroll
            for (int c = 0; c < kSets; c++) {
                now[c][0] = now[c][1] = -INFINITY;
            }
#pragma unroll
            for (int p = 0; p < kPartPages; p++) {
#pragma unroll
                for (int i = 0; i < 4; i += 2) {
                    const PositionScale scale = scales[p * kBlockTokens + g + 4 * i];
#pragma unroll
                    for (int c = 0; c < kSets; c++) {
                        x[p][c][i] = fmaf(x[p][c][i], scale.key, scale.logarithm);
                        x[p][c][i + 1] = fmaf(x[p][c][i + 1], scale.key, scale.logarithm);
                    }
                }
            }
            if (base + kPart - 1 > warpFirst) {
#pragma unroll
                for (int p = 0; p < kPartPages; p++) {
#pragma unroll
                    for (int i = 0; i < 4; i++) {
                        const int position = base + p * kBlockTokens + g + i / 2 * 8;
#pragma unroll
                        for (int c = 0; c < kSets; c++) {
                            x[p][c][i] = position <= limit[c][i % 2] ? x[p][c][i] : -INFINITY;
                        }
                    }
                }
            }
            if (base < warpLast - a.window + 1) {
#pragma unroll
                for (int p = 0; p < kPartPages; p++) {
#pragma unroll
                    for (int i = 0; i < 4; i++) {
                        const int position = base + p * kBlockTokens + g + i / 2 * 8;
#pragma unroll
                        for (int c = 0; c < kSets; c++) {
                            x[p][c][i] = position > limit[c][i % 2] - a.window ? x[p][c][i] : -INFINITY;
                        }
                    }
                }
            }
#pragma unroll
            for (int c = 0; c < kSets; c++) {
#pragma unroll
                for (int p = 0; p < kPartPages; p++) {
                    now[c][0] = fmaxf(now[c][0], fmaxf(x[p][c][0], x[p][c][2]));
                    now[c][1] = fmaxf(now[c][1], fmaxf(x[p][c][1], x[p][c][3]));
                }
                column_maximum(now[c][0], now[c][1]);
            }

            // weights
            uint2 w[kPartPages][kSets];
#pragma unroll
            for (int c = 0; c < kSets; c++) {
                const Joint first = join(most[c][0], now[c][0]);
                const Joint second = join(most[c][1], now[c][1]);
                most[c][0] = first.most;
                most[c][1] = second.most;
                const float from0 = from_maximum(first.most);
                const float from1 = from_maximum(second.most);
                float add[2] = {0, 0};
#pragma unroll
                for (int p = 0; p < kPartPages; p++) {
                    const float inverse = scales[p * kBlockTokens + g].inverse;
                    const float inverse8 = scales[p * kBlockTokens + g + 8].inverse;
                    w[p][c] = weigh(x[p][c], from0, from1, inverse, inverse8, add);
                }
                sum[c][0] = fmaf(sum[c][0], first.older, add[0]);
                sum[c][1] = fmaf(sum[c][1], second.older, add[1]);
#pragma unroll
                for (int i = 0; i < kTiles; i++) {
                    o[c][i][0] *= first.older;
                    o[c][i][1] *= second.older;
                    o[c][i][2] *= first.older;
                    o[c][i][3] *= second.older;
                }
            }

            // the mix
#pragma unroll
            for (int p = 0; p < kPartPages; p++) {
#pragma unroll
                for (int i = 0; i < kTiles; i++) {
                    const uint4 v = values[p][i][lane];
#pragma unroll
                    for (int c = 0; c < kSets; c++) {
                        mma(o[c][i], v.x, v.y, v.z, v.w, w[p][c].x, w[p][c].y);
                    }
                }
            }
        }

        // the end of a chunk
        const bool end = part + 1 == parts;
        if (!idle && (end || part % (kChunk / kPart) == kChunk / kPart - 1)) {
#pragma unroll
            for (int c = 0; c < kSets; c++) {
                Joint joint[2];
#pragma unroll
                for (int i = 0; i < 2; i++) {
                    joint[i] = join(olderMost[c][i], most[c][i]);
                    olderMost[c][i] = joint[i].most;
                    olderSum[c][i] = joined(joint[i], olderSum[c][i], column_sum(sum[c][i]));
                    most[c][i] = -INFINITY;
                    sum[c][i] = 0;
                }
#pragma unroll
                for (int i = 0; i < kTiles; i++) {
                    float4& place = s.older[c * kTiles + i][threadIdx.x];
                    float4 older = part / (kChunk / kPart) == firstPart / (kChunk / kPart) ? make_float4(0, 0, 0, 0) : place;
                    older.x = joined(joint[0], older.x, o[c][i][0]);
                    older.y = joined(joint[1], older.y, o[c][i][1]);
                    older.z = joined(joint[0], older.z, o[c][i][2]);
                    older.w = joined(joint[1], older.w, o[c][i][3]);
                    if (end) {
                        o[c][i][0] = older.x;
                        o[c][i][1] = older.y;
                        o[c][i][2] = older.z;
                        o[c][i][3] = older.w;
                    } else {
                        place = older;
                        o[c][i][0] = o[c][i][1] = o[c][i][2] = o[c][i][3] = 0;
                    }
                }
            }
        }
        if (!end) {
            if (kBuffers == 1) {
                __syncthreads();
            }
            widen_part(part + 1);
        }
    }

#pragma unroll
    for (int c = 0; c < kSets; c++) {
#pragma unroll
        for (int i = 0; i < 2; i++) {
            const int column = warp * 16 + c * 8 + 2 * t + i;
            const int row = column / width;
            if (row < tile.rows) {
                const int slot = __ldcg(&a.joins[tile.firstRow + row].slot);
                const size_t head = (size_t)slot * a.heads + keyHead * group + firstHead + column % width;
#pragma unroll
                for (int j = 0; j < kTiles; j += 2) {
                    *reinterpret_cast<float4*>(a.mixed + head * D + j * 16 + g * 4) =
                        make_float4(o[c][j][i], o[c][j][i + 2], o[c][j + 1][i], o[c][j + 1][i + 2]);
                }
                if (g == 0) {
                    a.stats[head] = make_float2(olderMost[c][i], olderSum[c][i]);
                }
            }
        }
    }
}

extern "C" __global__ void __launch_bounds__(128, 2) attention_prefill_64(const __grid_constant__ PrefillArgs a) { attention_prefill<64>(a); }
extern "C" __global__ void __launch_bounds__(128, 2) attention_prefill_128(const __grid_constant__ PrefillArgs a) { attention_prefill<128>(a); }
