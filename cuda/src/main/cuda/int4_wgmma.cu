// int4_wgmma: int4_gemm for compute capability 9.0, with the matrix products of a whole warpgroup.
//
// Mathematics and layouts: int4.cuh; bits as int4_gemm's. Weights are the A operand, unpacked in registers; codes are
// the B operand, as they lie in memory. Everything arrives by bulk copies, several groups ahead; weights, which no
// earlier kernel writes, before the wait for the kernel before.
//
// Few rows (decode): a cluster of two thread blocks walks over tiles of 64 outputs by T tokens. Each block has four
// warpgroups, a run each, and a fifth whose warps fetch for them. The four add their parts together; each block then
// gives the other its half of the sums for half of the tokens, and stores the rest.
// Many rows (wide): a warpgroup takes 64 outputs by 128 tokens and all runs one after the other; a block is two of them
// and one that fetches.
//
// Launch     int4_wgmma_T for T = 8, 16, 32, 64 tokens: grid (2 * clusters, ceil(rows / T)), block 640
//            int4_wgmma_wide: grid (ceil(rows / 128), pairs of tiles of all slices), block 384
//            tiles: of 64 outputs; for wide, pairs of them; dynamic shared memory: decode_bytes, wide_bytes
// Requires   columns % 128 == 0, columns >= 256; capacity a multiple of 128
// Bound      exact for given codes
// Reference  ReferenceKernels.project      Test  KernelsContract.quantizedProjectionHasTheDefinedBits
#include "int4.cuh"
#include "hopper.cuh"

__host__ __device__ constexpr int decode_stage(int tokens) { return tokens / 8 * kCodeBytes + kRecordBytes; }

// Stages; two tiles' outliers; four warpgroups' parts and the other block's sums; barriers.
constexpr int decode_bytes(int tokens, int stages) {
    return 4 * stages * decode_stage(tokens) + 2 * kOutlierBytes + 4 * tokens * kOutputs * 4 + tokens * kOutputs * 2 + 8 * (8 * stages + 6);
}

constexpr int kWideTokens = 128;

// Stages; outliers; the first half's sums; barriers.
constexpr int wide_bytes(int stages) {
    return stages * (kWideTokens / 8 * kCodeBytes + 2 * kRecordBytes) + 2 * kOutlierBytes + 2 * kWideTokens * kOutputs * 4 + 8 * (2 * stages + 1);
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
    constexpr int kParts = kTokens * kOutputs / 4;  // float4 of a warpgroup's part
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
    float4* parts = reinterpret_cast<float4*>(outliers + 2 * kOutlierBytes);
    float4* half = parts + 4 * kParts;  // the other block's sums of the tokens this one stores
    const uint32_t barriers = shared_address(half + kParts / 2);
    const uint32_t full = barriers + here * kStages * 16;
    const uint32_t empty = full + kStages * 8;
    const uint32_t outliersFull = barriers + kStages * 64;
    const uint32_t outliersEmpty = outliersFull + 16;
    const uint32_t halfFull = outliersFull + 32;
    const uint32_t halfEmpty = outliersFull + 40;

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
            barrier_init(halfFull, 16);
            barrier_init(halfEmpty, 16);
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
            // turned in shared memory, so that outputs are stored side by side
            if (tile > 0) {
                consumers_sync<512>();  // the parts of the tile before have been read
            }
            float* turned = reinterpret_cast<float*>(parts + here * kParts);
            const int n0 = warp * 16 + quad;
#pragma unroll
            for (int j = 0; j < kTokens / 8; j++) {
#pragma unroll
                for (int k = 0; k < 4; k++) {
                    const int token = 8 * j + 2 * t + k % 2;
                    turned[token * kOutputs + ((n0 + k / 2 * 8) ^ token % 8 * 4)] = part[4 * j + k];
                }
            }
            consumers_sync<512>();
            const auto sum_of = [&](int i) {
                const float4 p = parts[i];
                const float4 q = parts[kParts + i];
                const float4 r = parts[2 * kParts + i];
                const float4 s = parts[3 * kParts + i];
                return make_float4(p.x + q.x + r.x + s.x, p.y + q.y + r.y + s.y, p.z + q.z + r.z + s.z, p.w + q.w + r.w + s.w);
            };
            const uint32_t there = in_block(shared_address(half), 1 - rank);
            if (tile > 0) {
                barrier_wait_cluster(halfEmpty, tile - 1 & 1);
            }
#pragma unroll
            for (int i = threadIdx.x; i < kParts / 2; i += 512) {
                store_cluster(there + i * 16, sum_of(i + (1 - rank) * (kParts / 2)));
            }
            __syncwarp();
            if (lane == 0) {
                asm volatile("fence.acq_rel.cluster;" ::: "memory");
                barrier_arrive_cluster(in_block(halfFull, 1 - rank));
            }
            const int place = firstTile + tile * clusters;
            const Slice& slice = a.slices[slice_of(a, place)];
            const int output0 = (place - slice.firstTile) * kOutputs;
            const bool aligned = slice.out % 4 == 0;
            barrier_wait_cluster(halfFull, tile & 1);
#pragma unroll
            for (int i = threadIdx.x; i < kParts / 2; i += 512) {
                const int at = i + rank * (kParts / 2);
                const int token = at / 16;
                const float4 own = sum_of(at);
                const float4 other = half[i];
                const float4 y = make_float4(own.x + other.x, own.y + other.y, own.z + other.z, own.w + other.w);
                if (row0 + token < a.rows) {
                    finish(a, slice, row0 + token, output0 + (at % 16 * 4 ^ token % 8 * 4), y, aligned);
                }
            }
            __syncwarp();
            if (lane == 0) {
                barrier_arrive_cluster(in_block(halfEmpty, 1 - rank));
            }
        }
    }
    // nobody leaves while the other block writes here
    cluster_arrive();
    cluster_wait();
}

template <int kStages>
__device__ __forceinline__ void wide(const GemmArgs& a) {
    constexpr int kTokens = kWideTokens;
    constexpr int kStageBytes = kTokens / 8 * kCodeBytes + 2 * kRecordBytes;
    extern __shared__ __align__(128) char memory[];

    let_next_begin();
    const int groups = a.columns / kGroup;
    const Slice& slice = a.slices[slice_of(a, blockIdx.y)];
    const int firstTile = (blockIdx.y - slice.firstTile) * 2;
    const int row0 = blockIdx.x * kTokens;
    char* outliers = memory + kStages * kStageBytes;
    char* sums = outliers + 2 * kOutlierBytes;
    float4* parked = reinterpret_cast<float4*>(sums) + threadIdx.x;
    const uint32_t full = shared_address(sums) + 2 * kTokens * kOutputs * 4;
    const uint32_t empty = full + kStages * 8;
    const uint32_t outliersFull = empty + kStages * 8;
    if (threadIdx.x == 256) {
        for (int s = 0; s < kStages; s++) {
            barrier_init(full + s * 8, 2);
            barrier_init(empty + s * 8, 8);
        }
        barrier_init(outliersFull, 1);
        barrier_init_done();
    }
    __syncthreads();

    if (threadIdx.x >= 256) {
        asm volatile("setmaxnreg.dec.sync.aligned.u32 40;");
        // one warp fetches codes, another one weights
        const bool codes = threadIdx.x == 256;
        if (codes) {
            wait_for_previous();
        }
        if (codes || threadIdx.x == 288) {
            for (int g = 0; g < groups; g++) {
                if (g >= kStages) {
                    barrier_wait(empty + g % kStages * 8, g / kStages - 1 & 1);
                }
                const uint32_t stage = shared_address(memory + g % kStages * kStageBytes);
                const uint32_t barrier = full + g % kStages * 8;
                if (codes) {
                    barrier_expect(barrier, kStageBytes - 2 * kRecordBytes);
                    bulk_copy(stage, codes_of(a, g, row0), kStageBytes - 2 * kRecordBytes, barrier);
                } else if (g < groups - 1) {
                    barrier_expect(barrier, 2 * kRecordBytes);
                    bulk_copy(stage + kStageBytes - 2 * kRecordBytes, record_of(slice, firstTile, g, groups), 2 * kRecordBytes, barrier);
                } else {
                    barrier_arrive(barrier);
                }
                if (!codes && g == 0) {
                    barrier_expect(outliersFull, 2 * kOutlierBytes);
                    bulk_copy(shared_address(outliers), outliers_of(slice, firstTile), 2 * kOutlierBytes, outliersFull);
                }
            }
        }
        return;
    }

    asm volatile("setmaxnreg.inc.sync.aligned.u32 232;");
    wait_for_previous();
    const int mine = threadIdx.x / 128;
    const int warp = threadIdx.x / 32 % 4;
    const int lane = threadIdx.x & 31;
    const int quad = lane / 4;
    const int t = lane & 3;
    // waits for a group and gives its operands and scales
    const auto load = [&](int g, uint32_t (&x)[16]) {
        const char* stage = memory + g % kStages * kStageBytes;
        barrier_wait(full + g % kStages * 8, g / kStages & 1);
        if (g < groups - 1) {
            const char* record = stage + kStageBytes - (2 - mine) * kRecordBytes;
            const uint4* from = reinterpret_cast<const uint4*>(record) + warp * 64 + lane;
            operands(from[0], from[32], x);
            return output_scales(record, warp, quad);
        }
        barrier_wait(outliersFull, 0);
        const char* record = outliers + mine * kOutlierBytes;
        outlier_operands(reinterpret_cast<const uint4*>(record) + warp * 128 + lane, x);
        return outlier_scales(record, warp, quad);
    };
    const auto near_codes = [&](int g) { return memory + g % kStages * kStageBytes; };
    const auto far_codes = [&](int g) { return near_codes(g) + 8 * kCodeBytes; };
    const auto release = [&](int g) {
        __syncwarp();
        if (lane == 0) {
            barrier_arrive(empty + g % kStages * 8);
        }
    };
    float sum[kTokens / 2];
#pragma unroll 1
    for (int run = 0; run < kRuns; run++) {
        float part[kTokens / 2] = {};
        // of 64 tokens each: while one half's products are made, the other half's are scaled; two groups at a time,
        // because the compiler does not follow products around a loop
        int near[32];
        int far[32];
        const int end = run_begin(groups, run + 1);
        int g = run_begin(groups, run);
#pragma unroll 1
        for (; g + 1 < end; g += 2) {
            uint32_t x[16];
            uint32_t z[16];
            const float2 outputs = load(g, x);
            multiply<64>(near, x, near_codes(g));
            multiply<64>(far, x, far_codes(g));
            const float2 then = load(g + 1, z);
            wgmma_wait<1>();
            pin(near);
            rescale<64>(part, near, near_codes(g), outputs);
            multiply<64>(near, z, near_codes(g + 1));
            wgmma_wait<1>();
            pin(far);
            rescale<64>(part + 32, far, far_codes(g), outputs);
            multiply<64>(far, z, far_codes(g + 1));
            release(g);
            wgmma_wait<1>();
            pin(near);
            rescale<64>(part, near, near_codes(g + 1), then);
            wgmma_wait<0>();
            pin(far);
            rescale<64>(part + 32, far, far_codes(g + 1), then);
            release(g + 1);
        }
        if (g < end) {
            uint32_t x[16];
            const float2 outputs = load(g, x);
            multiply<64>(near, x, near_codes(g));
            multiply<64>(far, x, far_codes(g));
            wgmma_wait<1>();
            pin(near);
            rescale<64>(part, near, near_codes(g), outputs);
            wgmma_wait<0>();
            pin(far);
            rescale<64>(part + 32, far, far_codes(g), outputs);
            release(g);
        }
        if (run == 4) {
#pragma unroll
            for (int j = 0; j < kTokens / 8; j++) {
                parked[j * 256] = make_float4(sum[4 * j], sum[4 * j + 1], sum[4 * j + 2], sum[4 * j + 3]);
            }
        }
#pragma unroll
        for (int i = 0; i < kTokens / 2; i++) {
            sum[i] = run % 4 == 0 ? part[i] : sum[i] + part[i];
        }
    }
#pragma unroll
    for (int j = 0; j < kTokens / 8; j++) {
        const float4 half = parked[j * 256];
        sum[4 * j] = half.x + sum[4 * j];
        sum[4 * j + 1] = half.y + sum[4 * j + 1];
        sum[4 * j + 2] = half.z + sum[4 * j + 2];
        sum[4 * j + 3] = half.w + sum[4 * j + 3];
    }
    // turned in shared memory, so that outputs are stored side by side
    consumers_sync<256>();
    constexpr int kPitch = 2 * kOutputs;
    float* turned = reinterpret_cast<float*>(sums);
    const int n = mine * kOutputs + warp * 16 + quad;
#pragma unroll
    for (int j = 0; j < kTokens / 8; j++) {
#pragma unroll
        for (int k = 0; k < 4; k++) {
            const int token = 8 * j + 2 * t + k % 2;
            turned[token * kPitch + ((n + k / 2 * 8) ^ token % 8 * 4)] = sum[4 * j + k];
        }
    }
    consumers_sync<256>();
    const bool aligned = slice.out % 4 == 0;
#pragma unroll 4
    for (int i = threadIdx.x; i < kTokens * kPitch / 4; i += 256) {
        const int token = i / (kPitch / 4);
        const int output = i % (kPitch / 4) * 4;
        const float4 y = *reinterpret_cast<const float4*>(turned + token * kPitch + (output ^ token % 8 * 4));
        if (row0 + token < a.rows) {
            finish(a, slice, row0 + token, firstTile * kOutputs + output, y, aligned);
        }
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
extern "C" __global__ void __launch_bounds__(384, 1) int4_wgmma_wide(const __grid_constant__ GemmArgs a) { wide<4>(a); }
#endif

#endif
