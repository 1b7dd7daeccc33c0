// lora_expand: from each row's adapter's rank up to the projections' outputs.
//
//   y[s, i, n] += sum_r v[s, i, r] * B[n, r]      B of slice s (q, k, v; or gate, up) of row i's adapter
//
//   items  [*count]              pieces of work, each some outputs of one slice
//   v      [parts, rows of the item, group's octets * 8]  float, at item.v: what lora_shrink wrote
//   B      tiles as in lora.cuh  bf16 or INT8
//   y      [rows, out]           float, one of each slice
//
// Outputs are the MMA's rows and the step's rows its columns; its 16 inner indices are the 8 ranks of an octet,
// twice: against the high and against the low bf16 part of v. Octets follow each other in one sum, from zero, which
// is then added to y: a row's bits depend on nothing else.
//
// The weights of the next piece of work are on their way while one is computed, the first ones' before earlier
// kernels have ended. lora_expand_64, for many rows, keeps more of y on its way.
//
// Launch     lora_expand_8, lora_expand_64 by rows of an item; any grid, block 256; shared kFixedBytes and 32 bytes
//            for each octet and row (of a multiple of 8) of the largest item
// Requires   out % 4 == 0; rank <= 256; y of a slice is written by no other kernel meanwhile; sm_80
// Bound      |added - reference| <= (2^-18 + 2^-22 (rank / 8 + 2)) sum_r |v * B|, B as it is stored
// Reference  ReferenceKernels.addLora      Test  KernelsContract.adaptersOfEveryRank
#include "lora.cuh"

struct Expanded {
    float* y;
    int out;
    int unused;
};

struct ExpandArgs {
    const int* count;
    const LoraItem* items;
    const float* v;
    Expanded slices[3];
    int parts;
    int layer;
    int group;
    int unused;
};

constexpr int kStages = 2;
constexpr int kHeadBytes = 64;  // of a Head
constexpr int kStage = kSlots * kLoraThreads * 16;
[[maybe_unused]] constexpr int kFixedBytes = kStages * kStage + kHeads * kHeadBytes;

// An item in this layer.
struct Head {
    const char* tiles;              // its first output's
    const __nv_bfloat16* scales;    // its first output's
    float* y;                       // its first row's first output
    const float4* v;                // its first row's first rank
    int out;
    int left;    // outputs from its first to the slice's last
    int count;   // tiles
    int rows;
    int octets;
    int pitch;   // float4 of v from row to row
    bool int8;
};
static_assert(sizeof(Head) == kHeadBytes, "CudaLora counts on it");

__device__ __forceinline__ Head head_of(const ExpandArgs& a, int i) {
    const LoraItem item = a.items[i];
    const char* matrix = item.base + (size_t)item.stride * 16 * a.layer;
    int octets = item.octets;
    int before = item.before;
    if (item.stride == 0) {
        const LoraGroup& entry = reinterpret_cast<const LoraGroup*>(item.base)[a.layer * kLoraGroups + a.group];
        matrix = entry.b[item.slice];
        octets = entry.octets[item.slice];
        before = (item.slice > 0 ? entry.octets[0] : 0) + (item.slice > 1 ? entry.octets[1] : 0);
    }
    const Expanded& slice = a.slices[item.slice];
    const int tileBytes = item.format == 0 ? kTileValues * 2 : kTileValues;
    const int tiles = (slice.out + kTileOutputs - 1) / kTileOutputs;
    Head h;
    h.tiles = matrix + (size_t)(item.first / kTileOutputs) * octets * tileBytes;
    h.scales = reinterpret_cast<const __nv_bfloat16*>(matrix + (size_t)tiles * octets * kTileValues) + item.first;
    h.y = slice.y + (size_t)item.row * slice.out + item.first;
    h.v = reinterpret_cast<const float4*>(a.v + item.v) + before * 2;
    h.out = slice.out;
    h.left = slice.out - item.first;
    h.count = item.tiles;
    h.rows = item.rows;
    h.octets = octets;
    h.pitch = item.group * (kOctet / 4);
    h.int8 = item.format != 0;
    return h;
}

// Sets of up to 8 octets, which follow each other through shared memory.
__device__ __forceinline__ int sets_of(int octets) { return (octets + kSlots - 1) / kSlots; }

// A set of an item's weights into a stage: slot j * octets + o. A warp has one tile in kLoraWarps.
__device__ __forceinline__ void fetch(const Head& h, int set, char* stage) {
    const bool int8 = h.int8;
    const int tileBytes = int8 ? kTileValues : kTileValues * 2;
    const int octets = min(h.octets - set * kSlots, kSlots);
    const int warp = threadIdx.x / 32;
    const char* tile = h.tiles + (warp * h.octets + set * kSlots) * tileBytes;
    int slot = 0;
#pragma unroll 1
    for (int j = warp; j < h.count; j += kLoraWarps) {
#pragma unroll 1
        for (int o = 0; o < octets; o++) {
            fetch_tile(stage, slot++, tile + o * tileBytes, int8);
        }
        tile += kLoraWarps * h.octets * tileBytes;
    }
}

__device__ __forceinline__ uint32_t pack(__nv_bfloat16 a, __nv_bfloat16 b) {
    const __nv_bfloat162 x = __halves2bfloat162(a, b);
    return reinterpret_cast<const uint32_t&>(x);
}

// x = high + low, both bf16, but for 2^-18 of it.
__device__ __forceinline__ uint2 split(float x, float y) {
    const __nv_bfloat16 hx = __float2bfloat16_rn(x);
    const __nv_bfloat16 hy = __float2bfloat16_rn(y);
    return make_uint2(pack(hx, hy), pack(__float2bfloat16_rn(x - __bfloat162float(hx)), __float2bfloat16_rn(y - __bfloat162float(hy))));
}

__device__ __forceinline__ float4 add(float4 a, float4 b) { return make_float4(a.x + b.x, a.y + b.y, a.z + b.z, a.w + b.w); }

// Rows rounded up to the MMA's columns.
__device__ __forceinline__ int whole_rows(const Head& h) { return (h.rows + 7) & ~7; }

// The parts' sums as the MMA's columns: [octet][row][4] pairs of ranks, high and low.
__device__ __forceinline__ void stage_rows(const Head& h, int parts, uint2* staged) {
    const int rows = whole_rows(h);
    const int quads = h.octets * 2;
    for (int i = threadIdx.x; i < h.rows * quads; i += kLoraThreads) {
        const int row = i / quads;
        const int q = i - row * quads;
        const float4* v = h.v + row * h.pitch + q;
        float4 sum = __ldcg(v);
#pragma unroll 4
        for (int p = 1; p < parts; p++) {
            sum = add(sum, __ldcg(v + p * h.rows * h.pitch));
        }
        const uint2 first = split(sum.x, sum.y);
        const uint2 second = split(sum.z, sum.w);
        *reinterpret_cast<uint4*>(staged + ((q / 2) * rows + row) * 4 + (q & 1) * 2) = make_uint4(first.x, first.y, second.x, second.y);
    }
}

// What a thread block goes through: its items, and their sets of octets.
struct Walk {
    char* memory;       // [kStages] stages
    const Head* heads;  // [kHeads] of its next items
    int mine;           // items
    int item;           // the next to be fetched
    int set;
    int filled;         // stages so far
    int used;
};

// Stages an item takes: its sets, and where there are several, again for each 32 rows. One where it has nothing in
// this layer, so that no thread block runs ahead of the items it knows.
template <int kRows>
__device__ __forceinline__ int stages_of(const Head& h) {
    const int sets = sets_of(h.octets);
    return sets <= 1 ? 1 : kRows == 8 ? sets : sets * ((h.rows + 31) / 32);
}

template <int kRows>
__device__ __forceinline__ void fetch_next(Walk& w) {
    if (w.item < w.mine) {
        const Head& h = w.heads[w.item % kHeads];
        const int sets = sets_of(h.octets);
        fetch(h, sets <= 1 ? 0 : w.set % sets, w.memory + w.filled % kStages * kStage);
        w.set++;
        if (w.set == stages_of<kRows>(h)) {
            w.set = 0;
            w.item++;
        }
    }
    w.filled++;
    end_copies();
}

// A warp's piece: an octet of its tile's outputs 4 g .. 4 g + 3 against 8 rows. c[0] has the first two outputs.
template <bool kInt8>
__device__ __forceinline__ void multiply(float (&c)[2][4], const char* stage, int slot, const uint2* v) {
    const uint4 b = fragment<kInt8>(stage, slot);
    const uint2 x = *v;
    mma(c[0], b.x, b.y, b.x, b.y, x.x, x.y);
    mma(c[1], b.z, b.w, b.z, b.w, x.x, x.y);
}

// An item. A warp has up to four pieces at once, of 32 outputs by 8 rows: four tiles of one or two octets, two of three
// or four, or one of more, whose weights come in several sets.
template <int kRows, bool kInt8>
__device__ __forceinline__ void expand(const Head& h, int parts, Walk& w, uint2* staged) {
    constexpr int kPieces = 4;
    constexpr int kAcross = kLoraWarps * kTileOutputs;  // outputs from a warp's tile to its next
    const int lane = threadIdx.x & 31;
    const int g = lane / 4;
    const int t = lane & 3;
    const int octets = h.octets;
    const int sets = sets_of(octets);
    const int shift = octets <= 2 ? 2 : octets <= 4 ? 1 : 0;
    const int batch = kRows == 8 ? 8 : (kPieces >> shift) * 8;  // rows at once
    const int n0 = threadIdx.x / 32 * kTileOutputs + g * 4;
    const int tiles = min((h.count + kLoraWarps - 1 - (int)threadIdx.x / 32) / kLoraWarps, (h.left - n0 + kAcross - 1) / kAcross);
    const int out = h.out;
    const int pitch = whole_rows(h);

    for (int row0 = 0; row0 < (kRows == 8 ? 1 : h.rows); row0 += batch) {
        float4 before[kPieces][2];
        auto place = [&](int k, int half, auto&& use) {
            const int j = kRows == 8 ? k : k & ((1 << shift) - 1);
            const int row = row0 + (kRows == 8 ? 0 : (k >> shift) * 8) + t * 2 + half;
            if (j < tiles && row < h.rows) {
                use(reinterpret_cast<float4*>(h.y + (size_t)row * out + n0 + j * kAcross));
            }
        };
#pragma unroll
        for (int k = 0; k < kPieces; k++) {
#pragma unroll
            for (int half = 0; half < 2; half++) {
                place(k, half, [&](float4* y) { before[k][half] = __ldcg(y); });
            }
        }
        if (row0 == 0) {
            stage_rows(h, parts, staged);
            __syncthreads();
        }
        const uint2* v = staged + (row0 + g) * 4 + t;
        auto finish = [&](int k, const float (&c)[2][4]) {
            float4 scale = make_float4(1, 1, 1, 1);
            if (kInt8) {
                const int j = kRows == 8 ? k : k & ((1 << shift) - 1);
                if (j < tiles) {
                    const uint2 two = *reinterpret_cast<const uint2*>(h.scales + n0 + j * kAcross);
                    scale = make_float4(__uint_as_float(two.x << 16), __uint_as_float(two.x & 0xffff0000u), __uint_as_float(two.y << 16),
                                        __uint_as_float(two.y & 0xffff0000u));
                }
            }
#pragma unroll
            for (int half = 0; half < 2; half++) {
                place(k, half, [&](float4* y) {
                    float4 sum = before[k][half];
                    sum.x = fmaf(c[0][half], scale.x, sum.x);
                    sum.y = fmaf(c[0][2 + half], scale.y, sum.y);
                    sum.z = fmaf(c[1][half], scale.z, sum.z);
                    sum.w = fmaf(c[1][2 + half], scale.w, sum.w);
                    *y = sum;
                });
            }
        };
        if (kRows == 8) {
#pragma unroll
            for (int k = 0; k < kPieces; k++) {
                if (k < (1 << shift)) {
                    float c[2][4] = {};
                    for (int set = 0; set < sets; set++) {
                        if (k == 0) {
                            await_copies<kStages - 1>();
                        }
                        const char* stage = w.memory + w.used % kStages * kStage;
                        const int count = min(octets - set * kSlots, kSlots);
#pragma unroll 2
                        for (int o = 0; o < count; o++) {
                            multiply<kInt8>(c, stage, k * octets + o, v + (set * kSlots + o) * 8 * 4);
                        }
                        if (k == 0 && sets > 1) {
                            w.used++;
                            fetch_next<kRows>(w);
                        }
                    }
                    finish(k, c);
                }
            }
        } else {
            float c[kPieces][2][4] = {};
            for (int set = 0; set < sets; set++) {
                if (row0 == 0 || sets > 1) {
                    await_copies<kStages - 1>();
                }
                const char* stage = w.memory + w.used % kStages * kStage;
                const int count = min(octets - set * kSlots, kSlots);
                for (int o = 0; o < count; o++) {
#pragma unroll
                    for (int k = 0; k < kPieces; k++) {
                        if (row0 + (k >> shift) * 8 < h.rows) {
                            const int j = k & ((1 << shift) - 1);
                            multiply<kInt8>(c[k], stage, j * octets + o, v + ((set * kSlots + o) * pitch + (k >> shift) * 8) * 4);
                        }
                    }
                }
                if (sets > 1) {
                    w.used++;
                    fetch_next<kRows>(w);
                }
            }
#pragma unroll
            for (int k = 0; k < kPieces; k++) {
                finish(k, c[k]);
            }
        }
    }
    if (sets == 1) {
        w.used++;
        fetch_next<kRows>(w);
    }
}

template <int kRows>
__device__ __forceinline__ void expand(const ExpandArgs& a) {
    extern __shared__ __align__(16) char memory[];
    Head* heads = reinterpret_cast<Head*>(memory + kStages * kStage);
    uint2* staged = reinterpret_cast<uint2*>(heads + kHeads);
    let_next_begin();
    const int count = *a.count;
    Walk w;
    w.memory = memory;
    w.heads = heads;
    w.mine = count > (int)blockIdx.x ? (count - (int)blockIdx.x + (int)gridDim.x - 1) / (int)gridDim.x : 0;
    w.item = 0;
    w.set = 0;
    w.filled = 0;
    w.used = 0;
    auto look_up = [&](int first, int most) {
        const int i = first + threadIdx.x;
        if (threadIdx.x < most && i < w.mine) {
            heads[i % kHeads] = head_of(a, blockIdx.x + i * gridDim.x);
        }
    };
    look_up(0, kHeads);
    __syncthreads();
    for (int i = 0; i < kStages; i++) {
        fetch_next<kRows>(w);
    }
    wait_for_previous();
    for (int i = 0; i < w.mine; i++) {
        const Head& h = heads[i % kHeads];
        if (h.octets == 0) {
            w.used++;  // nothing in this layer
            fetch_next<kRows>(w);
        } else if (h.int8) {
            expand<kRows, true>(h, a.parts, w, staged);
        } else {
            expand<kRows, false>(h, a.parts, w, staged);
        }
        __syncthreads();
        if (i % (kHeads / 2) == kHeads / 2 - 1) {
            look_up(i + 1 + kHeads / 2, kHeads / 2);  // over the half that nobody looks at any more
            __syncthreads();
        }
    }
}

extern "C" __global__ void __launch_bounds__(kLoraThreads, 3) lora_expand_8(const __grid_constant__ ExpandArgs a) { expand<8>(a); }
extern "C" __global__ void __launch_bounds__(kLoraThreads, 2) lora_expand_64(const __grid_constant__ ExpandArgs a) { expand<64>(a); }
