// int4_wgmma: int4_gemm for compute capability 9.0, with the matrix products of a whole warpgroup.
//
// Mathematics and layouts: int4.cuh; bits as int4_gemm's. Weights are the A operand, unpacked in registers; codes are
// the B operand, as they lie in memory. Everything arrives by bulk copies, several groups ahead; weights, which no
// earlier kernel writes, before the wait for the kernel before.
//
// Few rows (decode): a cluster of two thread blocks walks over tiles of 64 outputs by T tokens. Each block has four
// warpgroups, a run each, and a fifth whose warps fetch for them. Each block finishes half of a tile: all eight
// warpgroups hand it their parts of that half, and its warps add eight parts each, after the first group of the next
// tile, so that nobody waits for the slowest.
// Many rows (wide): a warpgroup takes 64 outputs by 128 tokens and its runs one after the other; a block is two of them
// and one that fetches, walks over tiles, and fetches the next tile's groups while it finishes one. Alone it makes all
// runs of a tile; in a cluster of two each block makes four, and the two halves meet when both are done. Two blocks fill
// the chip where tiles are few, but meet twice as often.
//
// Launch     int4_wgmma_T for T = 8, 16, 32, 64 tokens: grid (2 * clusters, ceil(rows / T)), block 640
//            int4_wgmma_wide: grid SMs, int4_wgmma_wide_2: grid 2 * (SMs / 2), or fewer, block 384, for the tiles from
//            firstTile up to endTile of the ceil(rows / 128) * pairs of tiles of all slices
//            tiles: of 64 outputs; for wide, pairs of them; dynamic shared memory: decode_bytes, wide_bytes
//            int4_wgmma_eight_T, _eight_wide, _eight_wide_2: the same for activations of 8 bits
// Requires   columns % 128 == 0, columns >= 256; capacity a multiple of 128
// Bound      exact for given codes
// Reference  ReferenceKernels.project      Test  KernelsContract.quantizedProjectionHasTheDefinedBits
#include "int4.cuh"
#include "hopper.cuh"

#include <type_traits>

__host__ __device__ constexpr int decode_stage(int tokens) { return tokens / 8 * kCodeBytes + kRecordBytes; }

// Stages; outliers; eight warpgroups' parts of half a tile; barriers.
constexpr int decode_bytes(int tokens, int stages) {
    return 4 * stages * decode_stage(tokens) + kOutlierBytes + kRuns * tokens * kOutputs * 2 + 8 * (8 * stages + 4);
}

constexpr int kWideTokens = 128;
constexpr int kWideCodes = kWideTokens / 8 * kCodeBytes;
constexpr int kWideStage = kWideCodes + 2 * kRecordBytes;

// Stages; outliers; sums on their way (a half's, and then turned); barriers.
constexpr int wide_bytes(int stages, int blocks) {
    return stages * kWideStage + 2 * kOutlierBytes + 2 * kWideTokens * kOutputs * 4 / blocks + 8 * (2 * stages + 5);
}

#ifdef ARIL_HOPPER

// part += scale of token and output * the group's sums; c is the layout of wgmma's result: a lane has two neighbouring
// outputs (so they are packed) of two neighbouring tokens in each 8.
template <int kTokens, typename T>
__device__ __forceinline__ void rescale(float* part, const T (&c)[kTokens / 2], const char* codes, const float2& outputs) {
    const float2* scales = reinterpret_cast<const float2*>(codes + 8 * kGroup) + (threadIdx.x & 3);
#pragma unroll
    for (int j = 0; j < kTokens / 8; j++) {
        const float2 by = scales[j * (kCodeBytes / 8)];
        part[4 * j] = fmaf(by.x * outputs.x, (float)c[4 * j], part[4 * j]);
        part[4 * j + 1] = fmaf(by.y * outputs.x, (float)c[4 * j + 1], part[4 * j + 1]);
        part[4 * j + 2] = fmaf(by.x * outputs.y, (float)c[4 * j + 2], part[4 * j + 2]);
        part[4 * j + 3] = fmaf(by.y * outputs.y, (float)c[4 * j + 3], part[4 * j + 3]);
    }
}

// Begins and ends a group's products: T is float for e4m3, int for INT8.
template <int kTokens, typename T>
__device__ __forceinline__ void multiply(T (&c)[kTokens / 2], const uint32_t (&x)[16], const char* codes) {
    const uint64_t b = core_matrices(shared_address(codes), kCodeBytes);
    pin(c);
    wgmma_fence();
#pragma unroll
    for (int s = 0; s < 4; s++) {
        Wgmma<kTokens, T>::run(c, x + 4 * s, b + s * (256 >> 4), s > 0);
    }
    wgmma_commit();
    wgmma_wait<0>();
    pin(c);
}

// Two outputs side by side, from an even one on; what lies outside is not touched. Eight lanes write whole sectors. What is
// added to is not waited for: each output is added to once in a launch, so its bits depend on no order.
__device__ __forceinline__ void finish_pair(const GemmArgs& a, const Slice& slice, int row, int n, float x, float y) {
    float* to = slice.y + (size_t)row * slice.out + n;
    if (row < a.rows && n + 1 < slice.out && slice.out % 2 == 0) {
        if (a.add) {
            asm volatile("red.global.add.v2.f32 [%0], {%1, %2};" ::"l"(to), "f"(x), "f"(y) : "memory");
        } else {
            *reinterpret_cast<float2*>(to) = make_float2(x, y);
        }
    } else if (row < a.rows && n < slice.out) {
        finish(a, slice, row, n, x);
        if (n + 1 < slice.out) {
            finish(a, slice, row, n + 1, y);
        }
    }
}

template <int kTokens, int kStages, bool kEight>
__device__ __forceinline__ void decode(const GemmArgs& a) {
    constexpr int kStageBytes = decode_stage(kTokens);
    constexpr int kQuads = kTokens / 8;   // float4 of a lane's part
    constexpr int kShares = kTokens / 4;  // a warp's float4 of a tile's parts, half of all: those that a block finishes
    extern __shared__ __align__(128) char memory[];

    let_next_begin();
    const int groups = a.columns / kGroup;
    const int rank = cluster_rank();
    const int row0 = blockIdx.y * kTokens;
    const int firstTile = blockIdx.x / 2;
    const int clusters = gridDim.x / 2;
    const int tiles = (a.tiles - firstTile + clusters - 1) / clusters;
    const int thread = threadIdx.x % 128;
    const int warp = thread / 32;
    const int lane = thread & 31;
    const bool fetches = threadIdx.x >= 512;
    const int here = fetches ? warp : threadIdx.x / 128;  // which of the block's runs
    const int run = rank * 4 + here;
    const int first = run_begin(groups, run);
    const int count = run_begin(groups, run + 1) - first;

    char* stages = memory + here * kStages * kStageBytes;
    char* outliers = memory + 4 * kStages * kStageBytes;
    char* parts = outliers + kOutlierBytes;  // [kRuns][kShares][32 lanes] float4
    const uint32_t barriers = shared_address(parts + kRuns * kShares * 512);
    const uint32_t full = barriers + here * kStages * 16;
    const uint32_t empty = full + kStages * 8;
    const uint32_t outliersFull = barriers + kStages * 64;
    const uint32_t outliersEmpty = outliersFull + 8;
    const uint32_t partsFull = outliersFull + 16;  // this block's half of all parts is here
    const uint32_t partsEmpty = partsFull + 8;     // both blocks have read theirs

    if (fetches && lane == 0) {
        for (int s = 0; s < kStages; s++) {
            barrier_init(full + s * 8, 1);
            barrier_init(empty + s * 8, 4 * kWarpArrivals);
        }
        if (warp == 0) {
            barrier_init(outliersFull, 1);
            barrier_init(outliersEmpty, 4 * kWarpArrivals);
            barrier_init(partsFull, 1);
            barrier_init(partsEmpty, 2 * kShares);
        }
        barrier_init_done();
    }
    // the other block writes and arrives here too
    cluster_arrive_relaxed();
    __syncthreads();

    if (fetches) {
        if (kTokens == 64) {
            asm volatile("setmaxnreg.dec.sync.aligned.u32 32;");
        }
        // where weights come from, one group after the other
        const uint32_t into = shared_address(stages);
        const int all = tiles * count;
        // a second tile's outliers wait for the first tile's codes
        const int ahead = min(all, run == kRuns - 1 ? min(kStages, count) : kStages);
        int place = firstTile;
        int g = first;
        const Slice* slice = &a.slices[slice_of(a, place)];
        const char* record = record_of(*slice, place - slice->firstTile, first, groups);
        uint32_t outliersRead = 1;
        const auto fetch_weights = [&](int s) {
            const uint32_t barrier = full + s * 8;
            if (g < groups - 1) {
                barrier_expect(barrier, kStageBytes);
                bulk_copy(into + s * kStageBytes + kStageBytes - kRecordBytes, record, kRecordBytes, barrier);
            } else {
                // outliers have a place of their own
                barrier_wait(outliersEmpty, outliersRead);
                outliersRead ^= 1;
                barrier_expect(barrier, kStageBytes - kRecordBytes);
                barrier_expect(outliersFull, kOutlierBytes);
                bulk_copy(shared_address(outliers), outliers_of(*slice, place - slice->firstTile), kOutlierBytes, outliersFull);
            }
            record += 2 * kRecordBytes;
            if (++g == first + count) {
                g = first;
                place = min(place + clusters, a.tiles - 1);
                slice = &a.slices[slice_of(a, place)];
                record = record_of(*slice, place - slice->firstTile, first, groups);
            }
        };
        if (elected()) {
            for (int s = 0; s < ahead; s++) {
                fetch_weights(s);
            }
        }
        __syncwarp();
        // codes wait for the kernel before
        wait_for_previous();
        if (elected()) {
            const size_t codesStep = (size_t)(a.capacity / 8) * kCodeBytes;
            const char* const firstCodes = codes_of(a, first, row0);
            const char* codes = firstCodes;
            int left = count;
            const auto fetch_codes = [&](int s) {
                bulk_copy(into + s * kStageBytes, codes, kStageBytes - kRecordBytes, full + s * 8);
                codes += codesStep;
                if (--left == 0) {
                    left = count;
                    codes = firstCodes;
                }
            };
            for (int s = 0; s < ahead; s++) {
                fetch_codes(s);
            }
            int s = ahead % kStages;
            uint32_t phase = ahead == kStages ? 0 : 1;
            for (int n = ahead; n < all; n++) {
                barrier_wait(empty + s * 8, phase);
                fetch_weights(s);
                fetch_codes(s);
                if (++s == kStages) {
                    s = 0;
                    phase ^= 1;
                }
            }
        }
        __syncwarp();
        cluster_wait();
    } else {
        if (kTokens == 64) {
            asm volatile("setmaxnreg.inc.sync.aligned.u32 112;");
        }
        wait_for_previous();
        cluster_wait();
        const int quad = lane / 4;
        const int t = lane & 3;
        // unit 4 j + w is warp w's part of tokens 8 j to 8 j + 7; the first half of them are the first block's
        const int mine = here * 4 + warp;
        const auto finish_tile = [&](int tile) {
            if (mine >= kShares) {
                return;
            }
            const int unit = rank * kShares + mine;
            const int place = firstTile + tile * clusters;
            const Slice& slice = a.slices[slice_of(a, place)];
            const int output = (place - slice.firstTile) * kOutputs + unit % 4 * 16 + 2 * quad;
            const int row = row0 + unit / 4 * 8 + 2 * t;
            barrier_wait_cluster(partsFull, tile & 1);
            const float4* from = reinterpret_cast<const float4*>(parts) + mine * 32 + lane;
            float4 half[2];
#pragma unroll
            for (int h = 0; h < 2; h++) {
                half[h] = from[4 * h * kShares * 32];
#pragma unroll
                for (int r = 1; r < 4; r++) {
                    const float4 p = from[(4 * h + r) * kShares * 32];
                    half[h] = make_float4(half[h].x + p.x, half[h].y + p.y, half[h].z + p.z, half[h].w + p.w);
                }
            }
            float sum[4] = {half[0].x + half[1].x, half[0].y + half[1].y, half[0].z + half[1].z, half[0].w + half[1].w};
            pin(sum);
            __syncwarp();
            if (lane < 2 && tile + 1 < tiles) {
                barrier_arrive_block(in_block(partsEmpty, lane));
            }
            const float2 bias = make_float2(bias_of(slice, output), bias_of(slice, output + 1));
            finish_pair(a, slice, row, output, sum[0] + bias.x, sum[2] + bias.y);
            finish_pair(a, slice, row + 1, output, sum[1] + bias.x, sum[3] + bias.y);
        };
        int s = 0;
        uint32_t phase = 0;
        for (int tile = 0; tile <= tiles; tile++) {
            const int todo = tile < tiles ? count : 0;
            float part[kTokens / 2] = {};
            for (int i = 0; i < max(todo, 1); i++) {
                if (i < todo) {
                    const char* stage = stages + s * kStageBytes;
                    barrier_wait(full + s * 8, phase);
                    uint32_t x[16];
                    if (first + i < groups - 1) {
                        const char* record = stage + kStageBytes - kRecordBytes;
                        const uint4* from = reinterpret_cast<const uint4*>(record) + warp * 64 + lane;
                        if constexpr (kEight) {
                            operands_of_eight(from[0], from[32], x);
                            int c[kTokens / 2];
                            multiply<kTokens>(c, x, stage);
                            rescale<kTokens>(part, c, stage, output_scales(record, warp, quad, kUnitsOfEight));
                        } else {
                            operands(from[0], from[32], x);
                            float c[kTokens / 2];
                            multiply<kTokens>(c, x, stage);
                            rescale<kTokens>(part, c, stage, output_scales(record, warp, quad));
                        }
                    } else {
                        barrier_wait(outliersFull, tile & 1);
                        outlier_operands(reinterpret_cast<const uint4*>(outliers) + warp * 128 + lane, x);
                        const float2 outputs = outlier_scales(outliers, warp, quad);
                        int c[kTokens / 2];
                        multiply<kTokens>(c, x, stage);
                        rescale<kTokens>(part, c, stage, outputs);
                        barrier_arrive_warp(outliersEmpty);
                    }
                    barrier_arrive_warp(empty + s * 8);
                    if (++s == kStages) {
                        s = 0;
                        phase ^= 1;
                    }
                }
                if (i == 0 && tile > 0) {
                    finish_tile(tile - 1);
                }
            }
            if (tile == tiles) {
                break;
            }
            if (tile > 0) {
                barrier_wait(partsEmpty, tile - 1 & 1);
            }
            if (mine == 0 && lane == 0) {
                barrier_expect(partsFull, kRuns * kShares * 512);
            }
#pragma unroll
            for (int j = 0; j < kQuads; j++) {
                const int unit = 4 * j + warp;
                const int block = unit / kShares;
                const uint32_t to = shared_address(parts) + ((run * kShares + unit % kShares) * 32 + lane) * 16;
                store_async(in_block(to, block), part + 4 * j, in_block(partsFull, block));
            }
        }
    }
}

__device__ __forceinline__ void turn_wait(int warpgroup) {
    if (warpgroup == 0) {
        asm volatile("bar.sync 2, 256;" ::: "memory");
    } else {
        asm volatile("bar.sync 3, 256;" ::: "memory");
    }
}

// To the other warpgroup.
__device__ __forceinline__ void turn_give(int warpgroup) {
    if (warpgroup == 0) {
        asm volatile("bar.arrive 3, 256;" ::: "memory");
    } else {
        asm volatile("bar.arrive 2, 256;" ::: "memory");
    }
}

template <int kStages, int kBlocks, bool kEight>
__device__ __forceinline__ void wide(const GemmArgs& a) {
    constexpr int kTokens = kWideTokens;
    constexpr int kHere = kRuns / kBlocks;    // runs
    constexpr int kMine = kTokens / kBlocks;  // tokens that this block finishes
    constexpr int kAreaBytes = kMine * kOutputs * 4;  // of a warpgroup
    constexpr bool kTurns = kBlocks == 2;  // blocks alone are faster without
    extern __shared__ __align__(128) char memory[];

    let_next_begin();
    const int groups = a.columns / kGroup;
    const int rank = kBlocks == 1 ? 0 : (int)cluster_rank();
    const int rowTiles = (a.rows + kTokens - 1) / kTokens;
    const int begin = a.firstTile + blockIdx.x / kBlocks;
    const int end = a.endTile;
    const int step = gridDim.x / kBlocks;
    const int first = run_begin(groups, rank * kHere);
    const int count = run_begin(groups, (rank + 1) * kHere) - first;
    const uint32_t outliers = shared_address(memory) + kStages * kWideStage;
    char* area = memory + kStages * kWideStage + 2 * kOutlierBytes;
    const uint32_t full = shared_address(area) + 2 * kAreaBytes;
    const uint32_t empty = full + kStages * 8;
    const uint32_t outliersEmpty = empty + kStages * 8;
    const uint32_t areaFull = outliersEmpty + 8;
    const uint32_t areaEmpty = areaFull + 16;
    if (threadIdx.x == 256) {
        for (int s = 0; s < kStages; s++) {
            barrier_init(full + s * 8, 2);
            barrier_init(empty + s * 8, 8 * kWarpArrivals);
        }
        barrier_init(outliersEmpty, 8 * kWarpArrivals);
        for (int i = 0; i < 2; i++) {
            barrier_init(areaFull + i * 8, 1);
            barrier_init(areaEmpty + i * 8, 4);
        }
        barrier_init_done();
    }
    if (kBlocks == 2) {
        cluster_arrive_relaxed();
        cluster_wait();
    } else {
        __syncthreads();
    }

    if (threadIdx.x >= 256) {
        asm volatile("setmaxnreg.dec.sync.aligned.u32 24;");
        // one warp fetches codes, another one weights
        const int warp = threadIdx.x / 32 - 8;
        if (warp == 0) {
            wait_for_previous();
        }
        if (warp < 2 && elected()) {
            int s = 0;
            uint32_t phase = 1;
            uint32_t outlierPhase = 1;
            for (int tile = begin; tile < end; tile += step) {
                const int pair = tile / rowTiles;
                const int row0 = (tile - pair * rowTiles) * kTokens;
                const Slice& slice = a.slices[slice_of(a, pair)];
                const int firstTile = (pair - slice.firstTile) * 2;
#pragma unroll 1
                for (int g = first; g < first + count; g++) {
                    barrier_wait(empty + s * 8, phase);
                    const uint32_t stage = shared_address(memory) + s * kWideStage;
                    const uint32_t barrier = full + s * 8;
                    if (warp == 0) {
                        barrier_expect(barrier, kWideCodes);
                        bulk_copy(stage, codes_of(a, g, row0), kWideCodes, barrier);
                    } else if (g < groups - 1) {
                        barrier_expect(barrier, 2 * kRecordBytes);
                        bulk_copy(stage + kWideCodes, record_of(slice, firstTile, g, groups), 2 * kRecordBytes, barrier);
                    } else {
                        barrier_wait(outliersEmpty, outlierPhase);
                        outlierPhase ^= 1;
                        barrier_expect(barrier, 2 * kOutlierBytes);
                        bulk_copy(outliers, outliers_of(slice, firstTile), 2 * kOutlierBytes, barrier);
                    }
                    if (++s == kStages) {
                        s = 0;
                        phase ^= 1;
                    }
                }
            }
        }
        __syncwarp();
    } else {
        asm volatile("setmaxnreg.inc.sync.aligned.u32 240;");
        wait_for_previous();
        const int mine = __shfl_sync(kAllLanes, (int)threadIdx.x / 128, 0);  // the compiler sees that a warp agrees
        const int warp = threadIdx.x / 32 % 4;
        const int lane = threadIdx.x & 31;
        const int quad = lane / 4;
        const int t = lane & 3;
        float4* parked = reinterpret_cast<float4*>(area + mine * kAreaBytes) + threadIdx.x % 128;
        const uint32_t words = shared_address(memory) + kWideCodes + mine * kRecordBytes + (warp * 64 + lane) * 16;
        const uint32_t scales = shared_address(memory) + 8 * kGroup + t * 8;
        const uint32_t outputScales = shared_address(memory) + kWideCodes + mine * kRecordBytes + kOutputs * kGroup / 2 + (warp * 8 + quad) * 4;
        const uint64_t codes = core_matrices(shared_address(memory), kCodeBytes);
        int left = 0;  // groups of all tiles
        for (int tile = begin; tile < end; tile += step) {
            left += count;
        }
        int s = 0;
        uint32_t phase = 0;
        uint4 top;
        uint4 low;
        uint32_t both;
        // a group's weights, as they come
        const auto load = [&] {
            barrier_wait(full + s * 8, phase);
            top = load_quad(words + s * kWideStage);
            low = load_quad(words + s * kWideStage + 512);
            both = load_word(outputScales + s * kWideStage);
        };
        // the two warpgroups begin their products in turns
        if (kTurns && mine == 1 && left > 0) {
            turn_give(1);
        }
        if (left > 0) {
            load();
        }
        float part[kTokens / 2];
        float sum[kTokens / 2];
        const auto products = [&](auto& c, uint32_t (&x)[16]) {
            using T = std::remove_reference_t<decltype(c[0])>;
            const uint64_t from = codes + s * (kWideStage >> 4);
            if (kTurns) {
                turn_wait(mine);
            }
            pin(c);
            pin(x);
            wgmma_fence();
#pragma unroll
            for (int i = 0; i < 4; i++) {
                Wgmma<kTokens, T>::run(c, x + 4 * i, from + i * (256 >> 4), i > 0);
            }
            wgmma_commit();
        };
        // after the products have been begun: what can be fetched meanwhile, then their scales
        const auto rest = [&](auto& c, const float2& outputs) {
            if (kTurns && (mine == 0 || left > 1)) {
                turn_give(mine);
            }
            const uint32_t at = scales + s * kWideStage;
            const uint32_t done = empty + s * 8;
            constexpr int kEarly = 4;  // more would not fit the registers
            float2 by[kTokens / 8];
#pragma unroll
            for (int j = 0; j < kEarly; j++) {
                by[j] = load_pair(at + j * kCodeBytes);
            }
            if (++s == kStages) {
                s = 0;
                phase ^= 1;
            }
            if (left > 1) {
                load();
            }
            wgmma_wait<0>();
            pin(c);
            left--;
#pragma unroll
            for (int j = kEarly; j < kTokens / 8; j++) {
                by[j] = load_pair(at + j * kCodeBytes);
            }
#pragma unroll
            for (int j = 0; j < kTokens / 8; j++) {
                part[4 * j] = fmaf(by[j].x * outputs.x, (float)c[4 * j], part[4 * j]);
                part[4 * j + 1] = fmaf(by[j].y * outputs.x, (float)c[4 * j + 1], part[4 * j + 1]);
                part[4 * j + 2] = fmaf(by[j].x * outputs.y, (float)c[4 * j + 2], part[4 * j + 2]);
                part[4 * j + 3] = fmaf(by[j].y * outputs.y, (float)c[4 * j + 3], part[4 * j + 3]);
            }
            barrier_arrive_warp(done);
        };
        for (int tile = begin; tile < end; tile += step) {
#pragma unroll 1
            for (int r = 0; r < kHere; r++) {
#pragma unroll
                for (int i = 0; i < kTokens / 2; i++) {
                    part[i] = 0.0f;
                }
                const int run = rank * kHere + r;
                const int end = run_begin(groups, run + 1);
                const int regular = min(end, groups - 1);
#pragma unroll 1
                for (int g = run_begin(groups, run); g < regular; g++) {
                    std::conditional_t<kEight, int, float> c[kTokens / 2];
                    constexpr float units = kEight ? kUnitsOfEight : kUnits;
                    uint32_t x[16];
                    if constexpr (kEight) {
                        operands_of_eight(top, low, x);
                    } else {
                        operands(top, low, x);
                    }
                    const float2 wide = __half22float2(*reinterpret_cast<const __half2*>(&both));
                    products(c, x);
                    rest(c, make_float2(wide.x * units, wide.y * units));
                }
                if (regular < end) {
                    int c[kTokens / 2];
                    uint32_t x[16];
                    const uint32_t from = outliers + mine * kOutlierBytes;
#pragma unroll
                    for (int i = 0; i < 4; i++) {
                        const uint4 four = load_quad(from + (warp * 128 + i * 32 + lane) * 16);
                        x[4 * i] = four.x;
                        x[4 * i + 1] = four.y;
                        x[4 * i + 2] = four.z;
                        x[4 * i + 3] = four.w;
                    }
                    const float2 outputs = load_pair(from + kOutputs * kGroup + (warp * 8 + quad) * 8);
                    products(c, x);
                    // now that they have come, because the group after this one, which rest waits for, may be the next
                    // tile's outliers
                    asm volatile("" ::"f"(outputs.x), "f"(outputs.y) : "memory");
                    barrier_arrive_warp(outliersEmpty);
                    rest(c, outputs);
                }
                if (kBlocks == 1 && r == 4) {
#pragma unroll
                    for (int j = 0; j < kTokens / 8; j++) {
                        parked[j * 128] = make_float4(sum[4 * j], sum[4 * j + 1], sum[4 * j + 2], sum[4 * j + 3]);
                    }
                }
                // a half begins with what changes nothing, the sign of zero included
                const bool begins = r % 4 == 0;
#pragma unroll
                for (int i = 0; i < kTokens / 2; i++) {
                    sum[i] = (begins ? -0.0f : sum[i]) + part[i];
                }
            }
            const int pair = tile / rowTiles;
            const int row0 = (tile - pair * rowTiles) * kTokens;
            const Slice& slice = a.slices[slice_of(a, pair)];
            const int output0 = (pair - slice.firstTile) * 2 * kOutputs + mine * kOutputs;
            const int before = (tile - begin) / step;
            if (kBlocks == 2) {
                // each block finishes half of the tokens, and sends its sums of the others
                if (before > 0) {
                    barrier_wait_cluster(areaEmpty + mine * 8, before - 1 & 1);
                }
                if (threadIdx.x % 128 == 0) {
                    barrier_expect(areaFull + mine * 8, kAreaBytes);
                }
                const uint32_t to = in_block(shared_address(parked), 1 - rank);
                const uint32_t arrived = in_block(areaFull + mine * 8, 1 - rank);
                if (rank == 0) {
#pragma unroll
                    for (int j = 0; j < 8; j++) {
                        store_async(to + j * 128 * 16, sum + 32 + 4 * j, arrived);
                    }
                } else {
#pragma unroll
                    for (int j = 0; j < 8; j++) {
                        store_async(to + j * 128 * 16, sum + 4 * j, arrived);
                    }
#pragma unroll
                    for (int i = 0; i < 32; i++) {
                        sum[i] = sum[32 + i];
                    }
                }
                barrier_wait_cluster(areaFull + mine * 8, before & 1);
            }
#pragma unroll
            for (int j = 0; j < kMine / 8; j++) {
                const float4 half = parked[j * 128];
                sum[4 * j] = half.x + sum[4 * j];
                sum[4 * j + 1] = half.y + sum[4 * j + 1];
                sum[4 * j + 2] = half.z + sum[4 * j + 2];
                sum[4 * j + 3] = half.w + sum[4 * j + 3];
            }
            if (kBlocks == 2) {
                pin(sum);
                __syncwarp();
                if (lane == 0 && tile + step < end) {
                    barrier_arrive_block(in_block(areaEmpty + mine * 8, 1 - rank));
                }
            }
            const int output = output0 + warp * 16 + 2 * quad;
            const int row = row0 + rank * kMine + 2 * t;
            const float2 bias = make_float2(bias_of(slice, output), bias_of(slice, output + 1));
#pragma unroll
            for (int j = 0; j < kMine / 8; j++) {
                finish_pair(a, slice, row + 8 * j, output, sum[4 * j] + bias.x, sum[4 * j + 2] + bias.y);
                finish_pair(a, slice, row + 8 * j + 1, output, sum[4 * j + 1] + bias.x, sum[4 * j + 3] + bias.y);
            }
        }
    }
}

#define DECODE(NAME, T, STAGES, EIGHT)                                                                               \
    extern "C" __global__ void __cluster_dims__(2, 1, 1) __launch_bounds__(640, 1) NAME##T(const __grid_constant__ GemmArgs a) { \
        decode<T, STAGES, EIGHT>(a);                                                                                     \
    }

#define WIDE(NAME, EIGHT)                                                                                                   \
    extern "C" __global__ void __launch_bounds__(384, 1) NAME(const __grid_constant__ GemmArgs a) { wide<5, 1, EIGHT>(a); } \
    extern "C" __global__ void __cluster_dims__(2, 1, 1) __launch_bounds__(384, 1) NAME##_2(const __grid_constant__ GemmArgs a) { \
        wide<7, 2, EIGHT>(a);                                                                                               \
    }

#ifndef ARIL_VARIANTS
DECODE(int4_wgmma_, 8, 4, false)
DECODE(int4_wgmma_, 16, 3, false)
DECODE(int4_wgmma_, 32, 3, false)
DECODE(int4_wgmma_, 64, 2, false)
WIDE(int4_wgmma_wide, false)
DECODE(int4_wgmma_eight_, 8, 4, true)
DECODE(int4_wgmma_eight_, 16, 3, true)
DECODE(int4_wgmma_eight_, 32, 3, true)
DECODE(int4_wgmma_eight_, 64, 2, true)
WIDE(int4_wgmma_eight_wide, true)
#endif

#endif
