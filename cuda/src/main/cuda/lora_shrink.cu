// lora_shrink: project every row that has an adapter down to its adapter's rank.
//
//   v[i, r] = sum_k x[i, k] * A[r, k]      A of all projections of a group, one rank after the other
//
//   items  [*count]                 pieces of work, some octets of the group's ranks each
//   x      [rows, columns]          bf16, the plain input
//   A      tiles as in lora.cuh     bf16 or INT8
//   v      [parts, rows of the item, octets * 8]  float, at item.v; a part is a chunk of 1024 columns
//
// Ranks are the MMA's rows and the step's rows its columns. Each run of 128 columns is one sum; the eight runs of a
// chunk are added in their order, and lora_expand adds the chunks in theirs: a row's bits depend neither on the
// other rows nor on which of the two variants computes them.
//
//   lora_shrink_8   few rows: the weights decide. Items of up to 16 ranks and 8 rows; each of the eight warps takes
//                   128 columns. The weights of the next pieces of work are on their way while one is computed, the
//                   first ones' before earlier kernels have ended.
//   lora_shrink_64  many rows: the rows decide. Items of up to 64 ranks and 64 rows; the warps share both in shared
//                   memory.
//
// Launch     any grid, block 256; shared kNarrowBytes, kWideBytes
// Requires   columns % 32 == 0; rank <= 256; sm_80 (mma.m16n8k16.bf16)
// Bound      |v - reference| <= 2^-22 (columns / 256 + 16) sum_k |x * A|, x and A as they are stored
// Reference  ReferenceKernels.addLora      Test  KernelsContract.adaptersOfEveryRank
#include "lora.cuh"

struct ShrinkArgs {
    const int* count;
    const LoraItem* items;
    const __nv_bfloat16* x;
    float* v;
    int columns;
    int layer;
    int group;
    int unused;
};

constexpr int kStages = 2;
constexpr int kRun = 128;  // columns of one sum
constexpr int kRowsNarrow = 8;
constexpr int kRowsWide = 64;
constexpr int kHeadBytes = 56;  // of a Head
constexpr int kPitch = 20;  // floats between rows of sums of 16 ranks
constexpr int kNarrowStage = kSlots * kLoraThreads * 16;
constexpr int kNarrowSums = kLoraWarps * kRowsNarrow * kPitch;
[[maybe_unused]] constexpr int kNarrowBytes = kStages * kNarrowStage + 2 * kNarrowSums * 4 + kHeads * kHeadBytes;
constexpr int kWideStages = 3;
constexpr int kWideOctets = 8;
constexpr int kWideX = kRowsWide * kRun * 2;
constexpr int kWideStage = kWideX + kWideOctets * (kRun / 32) * kTileValues * 2;
[[maybe_unused]] constexpr int kWideBytes = kWideStages * kWideStage;

// A chunk of an item in this layer.
struct Head {
    const char* tiles;        // of its first octet
    const float* scales;      // of its first rank
    const __nv_bfloat16* x;   // its first row's first column
    float* v;                 // its first row's first rank
    int columns;
    int rows;
    int octets;
    int pitch;                // floats of v from row to row
    bool int8;
};
static_assert(sizeof(Head) == kHeadBytes, "CudaLora counts on it");

__device__ __forceinline__ int chunks_of(const ShrinkArgs& a) { return (a.columns + kLoraChunk - 1) / kLoraChunk; }

__device__ __forceinline__ Head head_of(const ShrinkArgs& a, int unit, int most) {
    const int chunk = unit % chunks_of(a);
    const LoraItem item = a.items[unit / chunks_of(a)];
    const char* matrix = item.base + (size_t)item.stride * 16 * a.layer;
    int octets = item.group;
    if (item.stride == 0) {
        const LoraGroup& entry = reinterpret_cast<const LoraGroup*>(item.base)[a.layer * kLoraGroups + a.group];
        matrix = entry.a;
        octets = entry.octets[0] + entry.octets[1] + entry.octets[2];
    }
    const int tileBytes = item.format == 0 ? kTileValues * 2 : kTileValues;
    const int pitch = item.group * kOctet;
    Head h;
    h.tiles = matrix + ((size_t)item.first * (a.columns / 32) + chunk * (kLoraChunk / 32)) * tileBytes;
    h.scales = reinterpret_cast<const float*>(matrix + (size_t)octets * kOctet * a.columns) + item.first * kOctet;
    h.x = a.x + (size_t)item.row * a.columns + chunk * kLoraChunk;
    h.v = a.v + item.v + (size_t)chunk * item.rows * pitch + item.first * kOctet;
    h.columns = min(kLoraChunk, a.columns - chunk * kLoraChunk);
    h.rows = item.rows;
    h.octets = max(0, min(octets - item.first, most));
    h.pitch = pitch;
    h.int8 = item.format != 0;
    return h;
}

// ---------------------------------------------------------------------------------------------- few rows

// Sets of 32 columns that this warp has, at most 4.
__device__ __forceinline__ int sets_of(const Head& h) { return min(4, h.columns / 32 - (int)threadIdx.x / 32 * 4); }

__device__ __forceinline__ void fetch(const Head& h, int across, char* stage) {
    const bool int8 = h.int8;
    const int tileBytes = int8 ? kTileValues : kTileValues * 2;
    const int sets = sets_of(h);
    const int octets = h.octets;
    const char* tile = h.tiles + threadIdx.x / 32 * 4 * tileBytes;
#pragma unroll
    for (int o = 0; o < 2; o++) {
#pragma unroll
        for (int s = 0; s < 4; s++) {
            if (o < octets && s < sets) {
                fetch_tile(stage, o * 4 + s, tile + (o * across + s) * tileBytes, int8);
            }
        }
    }
}

template <bool kInt8>
__device__ __forceinline__ void multiply(float (&c)[4], const uint4 (&x)[4], const char* stage, int sets, int second) {
#pragma unroll
    for (int s = 0; s < 4; s++) {
        if (s < sets) {
            const uint4 top = fragment<kInt8>(stage, s);
            const uint4 low = fragment<kInt8>(stage, second + s);
            mma(c, top.x, low.x, top.y, low.y, x[s].x, x[s].y);
            mma(c, top.z, low.z, top.w, low.w, x[s].z, x[s].w);
        }
    }
}

extern "C" __global__ void __launch_bounds__(kLoraThreads, 3) lora_shrink_8(const __grid_constant__ ShrinkArgs a) {
    extern __shared__ __align__(16) char memory[];
    float* sums = reinterpret_cast<float*>(memory + kStages * kNarrowStage);
    Head* heads = reinterpret_cast<Head*>(sums + 2 * kNarrowSums);
    const int lane = threadIdx.x & 31;
    const int warp = threadIdx.x / 32;
    const int g = lane / 4;
    const int t = lane & 3;
    let_next_begin();

    const int units = *a.count * chunks_of(a);
    const int mine = units > (int)blockIdx.x ? (units - (int)blockIdx.x + (int)gridDim.x - 1) / (int)gridDim.x : 0;
    auto look_up = [&](int first, int count) {
        const int i = first + threadIdx.x;
        if (threadIdx.x < count && i < mine) {
            heads[i % kHeads] = head_of(a, blockIdx.x + i * gridDim.x, 2);
        }
    };
    look_up(0, kHeads);
    __syncthreads();
    auto begin = [&](int i) {
        if (i < mine) {
            fetch(heads[i % kHeads], a.columns / 32, memory + i % kStages * kNarrowStage);
        }
        end_copies();
    };
    uint4 x[4];
    auto read = [&](int i) {
        const Head& h = heads[i % kHeads];
        const int sets = g < h.rows ? sets_of(h) : 0;
        const __nv_bfloat16* from = h.x + g * a.columns + warp * kRun + t * 8;
#pragma unroll
        for (int s = 0; s < 4; s++) {
            x[s] = make_uint4(0, 0, 0, 0);
            if (s < sets) {
                x[s] = __ldcg(reinterpret_cast<const uint4*>(from + s * 32));
            }
        }
    };
    for (int i = 0; i < kStages; i++) {
        begin(i);
    }
    wait_for_previous();
    if (mine > 0) {
        read(0);
    }
    for (int i = 0; i < mine; i++) {
        const Head& h = heads[i % kHeads];
        const char* stage = memory + i % kStages * kNarrowStage;
        float c[4] = {};
        await_copies<kStages - 1>();
        if (h.octets > 0) {
            const int second = h.octets > 1 ? 4 : 0;  // a missing octet's sums are not stored
            if (h.int8) {
                multiply<true>(c, x, stage, sets_of(h), second);
            } else {
                multiply<false>(c, x, stage, sets_of(h), second);
            }
        }
        begin(i + kStages);
        float* parity = sums + (i & 1) * kNarrowSums;
        float* to = parity + (warp * kRowsNarrow + t * 2) * kPitch + g;
        to[0] = c[0];
        to[kPitch] = c[1];
        to[8] = c[2];
        to[kPitch + 8] = c[3];
        if (i + 1 < mine) {
            read(i + 1);
        }
        __syncthreads();
        const int row = threadIdx.x / 16;
        const int rank = threadIdx.x % 16;
        if (row < h.rows && rank < h.octets * kOctet) {
            float total = 0;
#pragma unroll
            for (int k = 0; k < kLoraWarps; k++) {
                total += parity[(k * kRowsNarrow + row) * kPitch + rank];
            }
            h.v[row * h.pitch + rank] = h.int8 ? total * h.scales[rank] : total;
        }
        if (i % (kHeads / 2) == kHeads / 2 - 1) {
            __syncthreads();  // nobody looks at the older half any more
            look_up(i + 1 + kHeads / 2, kHeads / 2);
            __syncthreads();
        }
    }
}

// ---------------------------------------------------------------------------------------------- many rows

// Where 16 bytes of a row's run lie: neighbouring rows' are never in the same banks.
__device__ __forceinline__ int place_of(int row, int piece) { return (row * (kRun / 8) + (piece ^ ((row & 1) * 4))) * 16; }

// Columns of one run, of all rows and octets, into a stage.
__device__ __forceinline__ void fetch(const Head& h, int run, int across, char* stage) {
    const int sets = min(4, h.columns / 32 - run * 4);
    const int piece = threadIdx.x % 16;
    const __nv_bfloat16* x = h.x + (size_t)(threadIdx.x / 16) * (across * 32) + run * kRun + piece * 8;
#pragma unroll
    for (int i = 0; i < kRowsWide / 16; i++) {
        const int row = i * 16 + threadIdx.x / 16;
        if (row < h.rows && piece < sets * 4) {
            copy16(stage + place_of(row, piece), x + (size_t)i * 16 * (across * 32));
        }
    }
    const int tileBytes = h.int8 ? kTileValues : kTileValues * 2;
    const char* tile = h.tiles + run * 4 * tileBytes;
    const int pieces = sets * (tileBytes / 16);
    for (int i = threadIdx.x; i < h.octets * 128; i += kLoraThreads) {
        if (i % 128 < pieces) {
            copy16(stage + kWideX + i * 16, tile + i / 128 * across * tileBytes + i % 128 * 16);
        }
    }
}

// Up to kPairs * 16 ranks by 64 rows: a warp has 16 ranks by kPairs * 8 rows.
template <int kPairs, bool kInt8>
__device__ __forceinline__ void shrink_wide(const Head& h, int across, char* memory) {
    constexpr int kTileBytes = kInt8 ? kTileValues : kTileValues * 2;
    const int lane = threadIdx.x & 31;
    const int warp = threadIdx.x / 32;
    const int g = lane / 4;
    const int t = lane & 3;
    const int pair = warp % kPairs;
    const int row0 = warp / kPairs * (kPairs * 8);
    const bool busy = pair * 2 < h.octets && row0 < h.rows;
    const int second = min(pair * 2 + 1, h.octets - 1);  // a missing one's sums are not stored
    const int runs = (h.columns + kRun - 1) / kRun;
    auto begin = [&](int run) {
        if (run < runs) {
            fetch(h, run, across, memory + run % kWideStages * kWideStage);
        }
        end_copies();
    };
    for (int i = 0; i < kWideStages - 1; i++) {
        begin(i);
    }
    float total[kPairs][4] = {};
    for (int run = 0; run < runs; run++) {
        await_copies<kWideStages - 2>();
        __syncthreads();
        begin(run + kWideStages - 1);
        const char* x = memory + run % kWideStages * kWideStage;
        const char* w = x + kWideX + lane * (kTileBytes / 32);
        const int sets = min(4, h.columns / 32 - run * 4);
        if (busy) {
            float c[kPairs][4] = {};
#pragma unroll
            for (int s = 0; s < 4; s++) {
                if (s < sets) {
                    uint4 top;
                    uint4 low;
                    if (kInt8) {
                        top = widen(*reinterpret_cast<const uint2*>(w + pair * 4096 + s * kTileBytes));
                        low = widen(*reinterpret_cast<const uint2*>(w + second * 2048 + s * kTileBytes));
                    } else {
                        top = *reinterpret_cast<const uint4*>(w + pair * 4096 + s * kTileBytes);
                        low = *reinterpret_cast<const uint4*>(w + second * 2048 + s * kTileBytes);
                    }
#pragma unroll
                    for (int i = 0; i < kPairs; i++) {
                        const uint4 y = *reinterpret_cast<const uint4*>(x + place_of(row0 + i * 8 + g, s * 4 + t));
                        mma(c[i], top.x, low.x, top.y, low.y, y.x, y.y);
                        mma(c[i], top.z, low.z, top.w, low.w, y.z, y.w);
                    }
                }
            }
#pragma unroll
            for (int i = 0; i < kPairs; i++) {
#pragma unroll
                for (int j = 0; j < 4; j++) {
                    total[i][j] += c[i][j];
                }
            }
        }
    }
    if (busy) {
#pragma unroll
        for (int half = 0; half < 2; half++) {
            const int rank = (pair * 2 + half) * kOctet + g;
            if (rank < h.octets * kOctet) {
                const float scale = kInt8 ? h.scales[rank] : 1.0f;
#pragma unroll
                for (int i = 0; i < kPairs; i++) {
#pragma unroll
                    for (int j = 0; j < 2; j++) {
                        const int row = row0 + i * 8 + t * 2 + j;
                        if (row < h.rows) {
                            const float sum = total[i][half * 2 + j];
                            h.v[(size_t)row * h.pitch + rank] = kInt8 ? sum * scale : sum;
                        }
                    }
                }
            }
        }
    }
}

template <bool kInt8>
__device__ __forceinline__ void shrink_wide(const Head& h, int across, char* memory) {
    if (h.octets > 4) {
        shrink_wide<4, kInt8>(h, across, memory);
    } else if (h.octets > 2) {
        shrink_wide<2, kInt8>(h, across, memory);
    } else if (h.octets > 0) {
        shrink_wide<1, kInt8>(h, across, memory);
    }
}

extern "C" __global__ void __launch_bounds__(kLoraThreads, 2) lora_shrink_64(const __grid_constant__ ShrinkArgs a) {
    extern __shared__ __align__(16) char memory[];
    let_next_begin();
    wait_for_previous();
    const int units = *a.count * chunks_of(a);
    for (int unit = blockIdx.x; unit < units; unit += gridDim.x) {
        const Head h = head_of(a, unit, kWideOctets);
        if (h.int8) {
            shrink_wide<true>(h, a.columns / 32, memory);
        } else {
            shrink_wide<false>(h, a.columns / 32, memory);
        }
        __syncthreads();
    }
}
