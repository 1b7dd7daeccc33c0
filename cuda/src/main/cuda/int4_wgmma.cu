// int4_wgmma: int4_gemm for compute capability 9.0, with the matrix products of a whole warpgroup.
//
// Mathematics and layouts: int4.cuh; bits as int4_gemm's. Weights are the A operand, unpacked in registers; codes are
// the B operand, as they lie in memory. Everything arrives by bulk copies, several groups ahead; weights, which no
// earlier kernel writes, before the wait for the kernel before.
//
// Few rows (decode): a cluster of two thread blocks walks over tiles of 64 outputs by T tokens. Each block has four
// warpgroups, a run each, and a fifth whose warps fetch for them; the last of the four adds their parts. The first
// block hands its half to the second, which stores.
// Many rows (wide): a warpgroup takes 64 outputs by 128 tokens and its runs one after the other; a block is two of them
// and one that fetches, walks over tiles, and fetches the next tile's groups while it finishes one. Alone it makes all
// runs of a tile; in a cluster of two each block makes four, and the two halves meet when both are done. Two blocks fill
// the chip where tiles are few, but meet twice as often.
//
// Launch     int4_wgmma_T for T = 8, 16, 32, 64 tokens: grid (2 * clusters, ceil(rows / T)), block 640
//            int4_wgmma_wide: grid min(T, SMs), int4_wgmma_wide_2: grid 2 * min(T, SMs / 2), block 384,
//            T = ceil(rows / 128) * pairs of tiles of all slices; wide_2 where
//            4 * ceil(T / (SMs / 2)) < 7 * ceil(T / SMs)
//            tiles: of 64 outputs; for wide, pairs of them; dynamic shared memory: decode_bytes, wide_bytes
// Requires   columns % 128 == 0, columns >= 256; capacity a multiple of 128
// Bound      exact for given codes
// Reference  ReferenceKernels.project      Test  KernelsContract.quantizedProjectionHasTheDefinedBits
#include "int4.cuh"
#include "hopper.cuh"

__host__ __device__ constexpr int decode_stage(int tokens) { return tokens / 8 * kCodeBytes + kRecordBytes; }

// Stages; two tiles' outliers; three warpgroups' parts and the other block's half; barriers.
constexpr int decode_bytes(int tokens, int stages) {
    return 4 * stages * decode_stage(tokens) + 2 * kOutlierBytes + 4 * tokens * kOutputs * 4 + 8 * (8 * stages + 12);
}

constexpr int kWideTokens = 128;
constexpr int kWideCodes = kWideTokens / 8 * kCodeBytes;
constexpr int kWideStage = kWideCodes + 2 * kRecordBytes;

// Stages; outliers; sums on their way (a half's, and then turned); barriers.
constexpr int wide_bytes(int stages, int blocks) {
    return stages * kWideStage + 2 * kOutlierBytes + 2 * kWideTokens * kOutputs * 4 / blocks + 8 * (2 * stages + 5);
}

#ifdef ARIL_HOPPER

// part += scale of token and output * the group's sums; c is the layout of wgmma's result: a lane has two outputs, 8
// apart, of two neighbouring tokens in each 8.
template <int kTokens>
__device__ __forceinline__ void rescale(float* part, const int (&c)[kTokens / 2], const char* codes, const float2& outputs) {
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

template <int kTokens>
__device__ __forceinline__ void multiply(int (&c)[kTokens / 2], const uint32_t (&x)[16], const char* codes) {
    const uint64_t b = core_matrices(shared_address(codes), kCodeBytes);
    pin(c);
    wgmma_fence();
#pragma unroll
    for (int s = 0; s < 4; s++) {
        Wgmma<kTokens>::run(c, x + 4 * s, b + s * (256 >> 4), s > 0);
    }
    wgmma_commit();
}

// Among the threads that finish a tile.
template <int kThreads>
__device__ __forceinline__ void consumers_sync() {
    asm volatile("bar.sync 1, %0;" ::"n"(kThreads) : "memory");
}

template <int kTokens, int kStages>
__device__ __forceinline__ void decode(const GemmArgs& a) {
    constexpr int kStageBytes = decode_stage(kTokens);
    constexpr int kQuads = kTokens / 8;  // float4 of a lane's part
    constexpr int kPartBytes = kTokens * kOutputs * 4;
    extern __shared__ __align__(128) char memory[];

    let_next_begin();
    const int groups = a.columns / kGroup;
    const int rank = cluster_rank();
    const int row0 = blockIdx.y * kTokens;
    const int firstTile = blockIdx.x / 2;
    const int clusters = gridDim.x / 2;
    const int tiles = firstTile < a.tiles ? (a.tiles - firstTile + clusters - 1) / clusters : 0;
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
    char* parts = outliers + 2 * kOutlierBytes;
    char* half = parts + 3 * kPartBytes;
    const uint32_t barriers = shared_address(half + kPartBytes);
    const uint32_t full = barriers + here * kStages * 16;
    const uint32_t empty = full + kStages * 8;
    const uint32_t outliersFull = barriers + kStages * 64;
    const uint32_t outliersEmpty = outliersFull + 16;
    const uint32_t partsFull = outliersFull + 32;   // of the first three warpgroups
    const uint32_t partsEmpty = partsFull + 8;
    const uint32_t halfFull = partsFull + 16;
    const uint32_t halfEmpty = partsFull + 24;

    if (fetches && lane == 0) {
        for (int s = 0; s < kStages; s++) {
            barrier_init(full + s * 8, 1);
            barrier_init(empty + s * 8, 4);
        }
        if (warp == 0) {
            for (int i = 0; i < 2; i++) {
                barrier_init(outliersFull + i * 8, 1);
                barrier_init(outliersEmpty + i * 8, 4);
            }
            barrier_init(partsFull, 3 * 128);
            barrier_init(partsEmpty, 128);
            barrier_init(halfFull, 128);
            barrier_init(halfEmpty, 128);
        }
        barrier_init_done();
    }
    // the other block arrives at these barriers too
    cluster_arrive();
    __syncthreads();

    if (fetches) {
        if (kTokens == 64) {
            asm volatile("setmaxnreg.dec.sync.aligned.u32 24;");
        }
        if (lane == 0) {
            const int all = tiles * count;
            const auto fetch_weights = [&](int n) {
                const int g = first + n % count;
                const int place = firstTile + n / count * clusters;
                const Slice& slice = a.slices[slice_of(a, place)];
                const uint32_t barrier = full + n % kStages * 8;
                if (g < groups - 1) {
                    barrier_expect(barrier, kStageBytes);
                    bulk_copy(shared_address(stages + n % kStages * kStageBytes) + kStageBytes - kRecordBytes,
                        record_of(slice, place - slice.firstTile, g, groups), kRecordBytes, barrier);
                } else {
                    // outliers have a place of their own
                    const int tile = n / count;
                    if (tile >= 2) {
                        barrier_wait(outliersEmpty + tile % 2 * 8, tile / 2 - 1 & 1);
                    }
                    barrier_expect(barrier, kStageBytes - kRecordBytes);
                    barrier_expect(outliersFull + tile % 2 * 8, kOutlierBytes);
                    bulk_copy(shared_address(outliers + tile % 2 * kOutlierBytes), outliers_of(slice, place - slice.firstTile),
                        kOutlierBytes, outliersFull + tile % 2 * 8);
                }
            };
            const auto fetch_codes = [&](int n) {
                bulk_copy(shared_address(stages + n % kStages * kStageBytes), codes_of(a, first + n % count, row0),
                    kStageBytes - kRecordBytes, full + n % kStages * 8);
            };
            // codes wait for the kernel before, and a third tile's outliers for the first tile's codes
            const int ahead = min(all, run == kRuns - 1 ? min(kStages, 2 * count) : kStages);
            for (int n = 0; n < ahead; n++) {
                fetch_weights(n);
            }
            wait_for_previous();
            for (int n = 0; n < ahead; n++) {
                fetch_codes(n);
            }
            for (int n = ahead; n < all; n++) {
                barrier_wait(empty + n % kStages * 8, n / kStages - 1 & 1);
                fetch_weights(n);
                fetch_codes(n);
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
        int n = 0;
        for (int tile = 0; tile < tiles; tile++) {
            float part[kTokens / 2] = {};
            for (int i = 0; i < count; i++, n++) {
                const char* stage = stages + n % kStages * kStageBytes;
                barrier_wait(full + n % kStages * 8, n / kStages & 1);
                uint32_t x[16];
                float2 outputs;
                if (first + i < groups - 1) {
                    const char* record = stage + kStageBytes - kRecordBytes;
                    const uint4* from = reinterpret_cast<const uint4*>(record) + warp * 64 + lane;
                    operands(from[0], from[32], x);
                    outputs = output_scales(record, warp, quad);
                } else {
                    barrier_wait(outliersFull + tile % 2 * 8, tile / 2 & 1);
                    const char* record = outliers + tile % 2 * kOutlierBytes;
                    outlier_operands(reinterpret_cast<const uint4*>(record) + warp * 128 + lane, x);
                    outputs = outlier_scales(record, warp, quad);
                    __syncwarp();
                    if (lane == 0) {
                        barrier_arrive(outliersEmpty + tile % 2 * 8);
                    }
                }
                int c[kTokens / 2];
                multiply<kTokens>(c, x, stage);
                wgmma_wait<0>();
                pin(c);
                rescale<kTokens>(part, c, stage, outputs);
                __syncwarp();
                if (lane == 0) {
                    barrier_arrive(empty + n % kStages * 8);
                }
            }
            const float4* from = reinterpret_cast<const float4*>(parts) + thread;
            if (here < 3) {
                if (tile > 0) {
                    barrier_wait(partsEmpty, tile - 1 & 1);
                }
                float4* to = reinterpret_cast<float4*>(parts + here * kPartBytes) + thread;
#pragma unroll
                for (int j = 0; j < kQuads; j++) {
                    to[j * 128] = make_float4(part[4 * j], part[4 * j + 1], part[4 * j + 2], part[4 * j + 3]);
                }
                barrier_arrive(partsFull);
                continue;
            }
            barrier_wait(partsFull, tile & 1);
#pragma unroll
            for (int j = 0; j < kQuads; j++) {
                const float4 p = from[j * 128];
                const float4 q = from[(kQuads + j) * 128];
                const float4 r = from[(2 * kQuads + j) * 128];
                part[4 * j] = p.x + q.x + r.x + part[4 * j];
                part[4 * j + 1] = p.y + q.y + r.y + part[4 * j + 1];
                part[4 * j + 2] = p.z + q.z + r.z + part[4 * j + 2];
                part[4 * j + 3] = p.w + q.w + r.w + part[4 * j + 3];
            }
            barrier_arrive(partsEmpty);
            if (rank == 0) {
                if (tile > 0) {
                    barrier_wait_cluster(halfEmpty, tile - 1 & 1);
                }
                const uint32_t to = in_block(shared_address(half), 1) + thread * 16;
#pragma unroll
                for (int j = 0; j < kQuads; j++) {
                    store_cluster(to + j * 128 * 16, make_float4(part[4 * j], part[4 * j + 1], part[4 * j + 2], part[4 * j + 3]));
                }
                barrier_arrive_cluster(in_block(halfFull, 1));
                continue;
            }
            barrier_wait_cluster(halfFull, tile & 1);
            const float4* other = reinterpret_cast<const float4*>(half) + thread;
#pragma unroll
            for (int j = 0; j < kQuads; j++) {
                const float4 sum = other[j * 128];
                part[4 * j] = sum.x + part[4 * j];
                part[4 * j + 1] = sum.y + part[4 * j + 1];
                part[4 * j + 2] = sum.z + part[4 * j + 2];
                part[4 * j + 3] = sum.w + part[4 * j + 3];
            }
            // turned in shared memory, 32 bytes of a token's outputs at a time, so that outputs are stored side by side
            consumers_sync<128>();
            float* turned = reinterpret_cast<float*>(half);
            const int n0 = warp * 16 + quad;
#pragma unroll
            for (int j = 0; j < kQuads; j++) {
#pragma unroll
                for (int k = 0; k < 4; k++) {
                    const int token = 8 * j + 2 * t + k % 2;
                    turned[token * kOutputs + ((n0 + k / 2 * 8) ^ token % 8 * 4)] = part[4 * j + k];
                }
            }
            consumers_sync<128>();
            const int place = firstTile + tile * clusters;
            const Slice& slice = a.slices[slice_of(a, place)];
            const int output0 = (place - slice.firstTile) * kOutputs;
            const bool aligned = slice.out % 4 == 0;
            for (int i = thread; i < kTokens * kOutputs / 4; i += 128) {
                const int token = i / 16;
                const int row = row0 + token;
                const int output = output0 + i % 16 * 4;
                const float4 y = *reinterpret_cast<const float4*>(turned + token * kOutputs + (i % 16 * 4 ^ token % 8 * 4));
                if (row < a.rows) {
                    finish(a, slice, row, output, y, aligned);
                }
            }
            barrier_arrive_cluster(in_block(halfEmpty, 0));
        }
    }
    // nobody leaves while the other block writes here
    cluster_arrive();
    cluster_wait();
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

__device__ __forceinline__ void warpgroup_sync(int warpgroup) { asm volatile("bar.sync %0, 128;" ::"r"(4 + warpgroup) : "memory"); }

template <int kStages, int kBlocks>
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
    const int tiles = rowTiles * a.tiles;
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
            barrier_init(empty + s * 8, 8);
        }
        barrier_init(outliersEmpty, 8);
        for (int i = 0; i < 2; i++) {
            barrier_init(areaFull + i * 8, 1);
            barrier_init(areaEmpty + i * 8, 1);
        }
        barrier_init_done();
    }
    if (kBlocks == 2) {
        cluster_arrive();
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
            for (int tile = blockIdx.x / kBlocks; tile < tiles; tile += gridDim.x / kBlocks) {
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
        for (int tile = blockIdx.x / kBlocks; tile < tiles; tile += gridDim.x / kBlocks) {
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
        const auto products = [&](int (&c)[kTokens / 2], uint32_t (&x)[16]) {
            const uint64_t from = codes + s * (kWideStage >> 4);
            if (kTurns) {
                turn_wait(mine);
            }
            pin(c);
            pin(x);
            wgmma_fence();
#pragma unroll
            for (int i = 0; i < 4; i++) {
                Wgmma<kTokens>::run(c, x + 4 * i, from + i * (256 >> 4), i > 0);
            }
            wgmma_commit();
        };
        // after the products have been begun: what can be fetched meanwhile, then their scales
        const auto rest = [&](int (&c)[kTokens / 2], const float2& outputs) {
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
            __syncwarp();
            if (lane == 0) {
                barrier_arrive(done);
            }
        };
        for (int tile = blockIdx.x / kBlocks; tile < tiles; tile += gridDim.x / kBlocks) {
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
                    int c[kTokens / 2];
                    uint32_t x[16];
                    operands(top, low, x);
                    const float2 wide = __half22float2(*reinterpret_cast<const __half2*>(&both));
                    const float2 outputs = make_float2(wide.x * 0.0625f, wide.y * 0.0625f);
                    products(c, x);
                    rest(c, outputs);
                }
                if (regular < end) {
                    int c[kTokens / 2];
                    uint32_t x[16];
                    const uint32_t from = outliers + mine * kOutlierBytes;
#pragma unroll
                    for (int i = 0; i < 4; i++) {
                        const uint4 step = load_quad(from + (warp * 128 + i * 32 + lane) * 16);
                        x[4 * i] = step.x;
                        x[4 * i + 1] = step.y;
                        x[4 * i + 2] = step.z;
                        x[4 * i + 3] = step.w;
                    }
                    const float2 outputs = load_pair(from + kOutputs * kGroup + (warp * 8 + quad) * 8);
                    // now, because the group after this one, which rest waits for, may be the next tile's outliers
                    __syncwarp();
                    if (lane == 0) {
                        barrier_arrive(outliersEmpty);
                    }
                    products(c, x);
                    rest(c, outputs);
                }
                if (kBlocks == 1 && r == 4) {
#pragma unroll
                    for (int j = 0; j < kTokens / 8; j++) {
                        parked[j * 128] = make_float4(sum[4 * j], sum[4 * j + 1], sum[4 * j + 2], sum[4 * j + 3]);
                    }
                }
#pragma unroll
                for (int i = 0; i < kTokens / 2; i++) {
                    sum[i] = r % 4 == 0 ? part[i] : sum[i] + part[i];
                }
            }
            const int pair = tile / rowTiles;
            const int row0 = (tile - pair * rowTiles) * kTokens;
            const Slice& slice = a.slices[slice_of(a, pair)];
            const int output0 = (pair - slice.firstTile) * 2 * kOutputs + mine * kOutputs;
            const bool aligned = slice.out % 4 == 0;
            float* turned = reinterpret_cast<float*>(area + mine * kAreaBytes);
            const int before = (tile - (int)blockIdx.x / kBlocks) / ((int)gridDim.x / kBlocks);
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
            // turned in shared memory, so that outputs are stored side by side
            warpgroup_sync(mine);
            const int n0 = warp * 16 + quad;
#pragma unroll
            for (int j = 0; j < kMine / 8; j++) {
#pragma unroll
                for (int k = 0; k < 4; k++) {
                    const int token = 8 * j + 2 * t + k % 2;
                    turned[token * kOutputs + ((n0 + k / 2 * 8) ^ token % 8 * 4)] = sum[4 * j + k];
                }
            }
            warpgroup_sync(mine);
            float4 y[kBlocks == 2 ? 8 : 1];
            if (kBlocks == 2) {
#pragma unroll
                for (int j = 0; j < 8; j++) {
                    const int i = threadIdx.x % 128 + j * 128;
                    y[j] = *reinterpret_cast<const float4*>(turned + i / 16 * kOutputs + (i % 16 * 4 ^ i / 16 % 8 * 4));
                }
                warpgroup_sync(mine);
                if (threadIdx.x % 128 == 0) {
                    barrier_arrive_cluster(in_block(areaEmpty + mine * 8, 1 - rank));
                }
#pragma unroll
                for (int j = 0; j < 8; j++) {
                    const int i = threadIdx.x % 128 + j * 128;
                    const int row = row0 + rank * kMine + i / 16;
                    if (row < a.rows) {
                        finish(a, slice, row, output0 + i % 16 * 4, y[j], aligned);
                    }
                }
            } else {
#pragma unroll 4
                for (int i = threadIdx.x % 128; i < kMine * kOutputs / 4; i += 128) {
                    const int token = i / 16;
                    const int row = row0 + token;
                    const float4 z = *reinterpret_cast<const float4*>(turned + token * kOutputs + (i % 16 * 4 ^ token % 8 * 4));
                    if (row < a.rows) {
                        finish(a, slice, row, output0 + i % 16 * 4, z, aligned);
                    }
                }
                warpgroup_sync(mine);
            }
        }
    }
    if (kBlocks == 2) {
        // nobody leaves while the other block writes here
        __syncwarp();
        cluster_arrive();
        cluster_wait();
    }
}

#define DECODE(T, STAGES, BLOCKS)                                                                                    \
    extern "C" __global__ void __cluster_dims__(2, 1, 1) __launch_bounds__(640, BLOCKS)                                 \
        int4_wgmma_##T(const __grid_constant__ GemmArgs a) { decode<T, STAGES>(a); }

#ifndef ARIL_VARIANTS
DECODE(8, 4, 2)
DECODE(16, 3, 1)
DECODE(32, 3, 1)
DECODE(64, 2, 1)
extern "C" __global__ void __launch_bounds__(384, 1) int4_wgmma_wide(const __grid_constant__ GemmArgs a) { wide<5, 1>(a); }
extern "C" __global__ void __cluster_dims__(2, 1, 1) __launch_bounds__(384, 1) int4_wgmma_wide_2(const __grid_constant__ GemmArgs a) {
    wide<7, 2>(a);
}
#endif

#endif
