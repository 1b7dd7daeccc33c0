// head_wgmma: head_mma for compute capability 9.0, with the matrix products of a whole warpgroup.
//
// Mathematics and layouts: head.cuh; for INT8 the bits are head_mma's. Four warpgroups take a tile of 64 outputs each, one
// more warp fetches: weights, which no earlier kernel writes, before the wait for the kernel before.
//
// Launch     head_wgmma_int8_T and head_wgmma_bf16_T for T = 8, 16, 32, 64 rows: grid (any up to ceil(tiles / 4): a
//            thread block takes every gridDim.x-th four tiles; ceil(rows / T)), block 544, stages * (32768 + parts * T *
//            128) + 128 bytes of dynamic shared memory; stages: head_stages below
// Requires   sm_90a; slabs <= 1024
// Bound      as head_mma
// Reference  ReferenceKernels.logits       Test  CudaHeadTest
#include "head.cuh"
#include "hopper.cuh"

#ifdef ARIL_HOPPER

constexpr int kWarpgroups = kTiles;
constexpr int kWeightBytes = kTiles * kTileBytes;
constexpr int kSharedBytes = 227 << 10;

// c[64, N] = a[64, 32 bytes] * b[N, 32 bytes] (+ c): bytes into integers, bf16 into FP32; both lie in shared memory.
__device__ __forceinline__ void multiply(int (&c)[8], uint64_t a, uint64_t b, int add) {
    asm volatile(
        "{\n.reg .pred p;\nsetp.ne.b32 p, %10, 0;\n"
        "wgmma.mma_async.sync.aligned.m64n16k32.s32.s8.s8 "
        "{%0, %1, %2, %3, %4, %5, %6, %7}, "
        "%8, %9, p;\n}\n"
        : "+r"(c[0]), "+r"(c[1]), "+r"(c[2]), "+r"(c[3]), "+r"(c[4]), "+r"(c[5]), "+r"(c[6]), "+r"(c[7])
        : "l"(a), "l"(b), "r"(add));
}

__device__ __forceinline__ void multiply(int (&c)[16], uint64_t a, uint64_t b, int add) {
    asm volatile(
        "{\n.reg .pred p;\nsetp.ne.b32 p, %18, 0;\n"
        "wgmma.mma_async.sync.aligned.m64n32k32.s32.s8.s8 "
        "{%0, %1, %2, %3, %4, %5, %6, %7, %8, %9, %10, %11, %12, %13, %14, %15}, "
        "%16, %17, p;\n}\n"
        : "+r"(c[0]), "+r"(c[1]), "+r"(c[2]), "+r"(c[3]), "+r"(c[4]), "+r"(c[5]), "+r"(c[6]), "+r"(c[7]),
          "+r"(c[8]), "+r"(c[9]), "+r"(c[10]), "+r"(c[11]), "+r"(c[12]), "+r"(c[13]), "+r"(c[14]), "+r"(c[15])
        : "l"(a), "l"(b), "r"(add));
}

__device__ __forceinline__ void multiply(int (&c)[32], uint64_t a, uint64_t b, int add) {
    asm volatile(
        "{\n.reg .pred p;\nsetp.ne.b32 p, %34, 0;\n"
        "wgmma.mma_async.sync.aligned.m64n64k32.s32.s8.s8 "
        "{%0, %1, %2, %3, %4, %5, %6, %7, %8, %9, %10, %11, %12, %13, %14, %15, %16, %17, %18, %19, %20, %21, %22, %23, "
        "%24, %25, %26, %27, %28, %29, %30, %31}, "
        "%32, %33, p;\n}\n"
        : "+r"(c[0]), "+r"(c[1]), "+r"(c[2]), "+r"(c[3]), "+r"(c[4]), "+r"(c[5]), "+r"(c[6]), "+r"(c[7]),
          "+r"(c[8]), "+r"(c[9]), "+r"(c[10]), "+r"(c[11]), "+r"(c[12]), "+r"(c[13]), "+r"(c[14]), "+r"(c[15]),
          "+r"(c[16]), "+r"(c[17]), "+r"(c[18]), "+r"(c[19]), "+r"(c[20]), "+r"(c[21]), "+r"(c[22]), "+r"(c[23]),
          "+r"(c[24]), "+r"(c[25]), "+r"(c[26]), "+r"(c[27]), "+r"(c[28]), "+r"(c[29]), "+r"(c[30]), "+r"(c[31])
        : "l"(a), "l"(b), "r"(add));
}

__device__ __forceinline__ void multiply(int (&c)[64], uint64_t a, uint64_t b, int add) {
    asm volatile(
        "{\n.reg .pred p;\nsetp.ne.b32 p, %66, 0;\n"
        "wgmma.mma_async.sync.aligned.m64n128k32.s32.s8.s8 "
        "{%0, %1, %2, %3, %4, %5, %6, %7, %8, %9, %10, %11, %12, %13, %14, %15, %16, %17, %18, %19, %20, %21, %22, %23, "
        "%24, %25, %26, %27, %28, %29, %30, %31, %32, %33, %34, %35, %36, %37, %38, %39, %40, %41, %42, %43, %44, %45, %46, %47, "
        "%48, %49, %50, %51, %52, %53, %54, %55, %56, %57, %58, %59, %60, %61, %62, %63}, "
        "%64, %65, p;\n}\n"
        : "+r"(c[0]), "+r"(c[1]), "+r"(c[2]), "+r"(c[3]), "+r"(c[4]), "+r"(c[5]), "+r"(c[6]), "+r"(c[7]),
          "+r"(c[8]), "+r"(c[9]), "+r"(c[10]), "+r"(c[11]), "+r"(c[12]), "+r"(c[13]), "+r"(c[14]), "+r"(c[15]),
          "+r"(c[16]), "+r"(c[17]), "+r"(c[18]), "+r"(c[19]), "+r"(c[20]), "+r"(c[21]), "+r"(c[22]), "+r"(c[23]),
          "+r"(c[24]), "+r"(c[25]), "+r"(c[26]), "+r"(c[27]), "+r"(c[28]), "+r"(c[29]), "+r"(c[30]), "+r"(c[31]),
          "+r"(c[32]), "+r"(c[33]), "+r"(c[34]), "+r"(c[35]), "+r"(c[36]), "+r"(c[37]), "+r"(c[38]), "+r"(c[39]),
          "+r"(c[40]), "+r"(c[41]), "+r"(c[42]), "+r"(c[43]), "+r"(c[44]), "+r"(c[45]), "+r"(c[46]), "+r"(c[47]),
          "+r"(c[48]), "+r"(c[49]), "+r"(c[50]), "+r"(c[51]), "+r"(c[52]), "+r"(c[53]), "+r"(c[54]), "+r"(c[55]),
          "+r"(c[56]), "+r"(c[57]), "+r"(c[58]), "+r"(c[59]), "+r"(c[60]), "+r"(c[61]), "+r"(c[62]), "+r"(c[63])
        : "l"(a), "l"(b), "r"(add));
}

__device__ __forceinline__ void multiply(float (&c)[4], uint64_t a, uint64_t b, int add) {
    asm volatile(
        "{\n.reg .pred p;\nsetp.ne.b32 p, %6, 0;\n"
        "wgmma.mma_async.sync.aligned.m64n8k16.f32.bf16.bf16 "
        "{%0, %1, %2, %3}, "
        "%4, %5, p, 1, 1, 0, 0;\n}\n"
        : "+f"(c[0]), "+f"(c[1]), "+f"(c[2]), "+f"(c[3])
        : "l"(a), "l"(b), "r"(add));
}

__device__ __forceinline__ void multiply(float (&c)[8], uint64_t a, uint64_t b, int add) {
    asm volatile(
        "{\n.reg .pred p;\nsetp.ne.b32 p, %10, 0;\n"
        "wgmma.mma_async.sync.aligned.m64n16k16.f32.bf16.bf16 "
        "{%0, %1, %2, %3, %4, %5, %6, %7}, "
        "%8, %9, p, 1, 1, 0, 0;\n}\n"
        : "+f"(c[0]), "+f"(c[1]), "+f"(c[2]), "+f"(c[3]), "+f"(c[4]), "+f"(c[5]), "+f"(c[6]), "+f"(c[7])
        : "l"(a), "l"(b), "r"(add));
}

__device__ __forceinline__ void multiply(float (&c)[16], uint64_t a, uint64_t b, int add) {
    asm volatile(
        "{\n.reg .pred p;\nsetp.ne.b32 p, %18, 0;\n"
        "wgmma.mma_async.sync.aligned.m64n32k16.f32.bf16.bf16 "
        "{%0, %1, %2, %3, %4, %5, %6, %7, %8, %9, %10, %11, %12, %13, %14, %15}, "
        "%16, %17, p, 1, 1, 0, 0;\n}\n"
        : "+f"(c[0]), "+f"(c[1]), "+f"(c[2]), "+f"(c[3]), "+f"(c[4]), "+f"(c[5]), "+f"(c[6]), "+f"(c[7]),
          "+f"(c[8]), "+f"(c[9]), "+f"(c[10]), "+f"(c[11]), "+f"(c[12]), "+f"(c[13]), "+f"(c[14]), "+f"(c[15])
        : "l"(a), "l"(b), "r"(add));
}

__device__ __forceinline__ void multiply(float (&c)[32], uint64_t a, uint64_t b, int add) {
    asm volatile(
        "{\n.reg .pred p;\nsetp.ne.b32 p, %34, 0;\n"
        "wgmma.mma_async.sync.aligned.m64n64k16.f32.bf16.bf16 "
        "{%0, %1, %2, %3, %4, %5, %6, %7, %8, %9, %10, %11, %12, %13, %14, %15, %16, %17, %18, %19, %20, %21, %22, %23, "
        "%24, %25, %26, %27, %28, %29, %30, %31}, "
        "%32, %33, p, 1, 1, 0, 0;\n}\n"
        : "+f"(c[0]), "+f"(c[1]), "+f"(c[2]), "+f"(c[3]), "+f"(c[4]), "+f"(c[5]), "+f"(c[6]), "+f"(c[7]),
          "+f"(c[8]), "+f"(c[9]), "+f"(c[10]), "+f"(c[11]), "+f"(c[12]), "+f"(c[13]), "+f"(c[14]), "+f"(c[15]),
          "+f"(c[16]), "+f"(c[17]), "+f"(c[18]), "+f"(c[19]), "+f"(c[20]), "+f"(c[21]), "+f"(c[22]), "+f"(c[23]),
          "+f"(c[24]), "+f"(c[25]), "+f"(c[26]), "+f"(c[27]), "+f"(c[28]), "+f"(c[29]), "+f"(c[30]), "+f"(c[31])
        : "l"(a), "l"(b), "r"(add));
}

// INT8: both digits are columns of one product.
template <int kTokens>
__device__ __forceinline__ void step(int (&c)[kTokens], uint64_t a, uint64_t b, int add) {
    multiply(c, a, b, add);
}

// bf16: the low part first.
template <int kTokens>
__device__ __forceinline__ void step(float (&c)[kTokens / 2], uint64_t a, uint64_t b, int add) {
    constexpr int kPart = kTokens * kSlabBytes >> 4;
    multiply(c, a, b + 2 * kPart, add);
    multiply(c, a, b + kPart, 1);
    multiply(c, a, b, 1);
}

template <bool kInt8, int kTokens>
__device__ __forceinline__ void head(const HeadArgs& a) {
    constexpr int kPartBytes = kParts<kInt8> * kTokens * kSlabBytes;
    constexpr int kStageBytes = kWeightBytes + kPartBytes;
    constexpr int kStages = (kSharedBytes - 128) / kStageBytes;
    static_assert(kStages <= 6, "barriers take 128 bytes");
    extern __shared__ __align__(128) char memory[];

    let_next_begin();
    const int tiles = (a.out + kTileOutputs - 1) / kTileOutputs;
    const int blocks = (tiles + kTiles - 1) / kTiles;
    const int turns = (blocks - (int)blockIdx.x + (int)gridDim.x - 1) / (int)gridDim.x;
    const int count = turns * a.slabs;
    const int row0 = blockIdx.y * kTokens;
    const uint32_t stages = shared_address(memory);
    const uint32_t full = stages + kStages * kStageBytes;
    const uint32_t empty = full + kStages * 8;

    if (threadIdx.x == 128 * kWarpgroups) {
        for (int s = 0; s < kStages; s++) {
            barrier_init(full + s * 8, 1);
            barrier_init(empty + s * 8, kWarpgroups);
        }
        barrier_init_done();
    }
    __syncthreads();

    if (threadIdx.x >= 128 * kWarpgroups) {
        if (threadIdx.x > 128 * kWarpgroups) {
            return;
        }
        const auto fetch_weights = [&](int i) {
            const int block = blockIdx.x + i / a.slabs * gridDim.x;
            const int slab = i % a.slabs;
            const uint32_t stage = stages + i % kStages * kStageBytes;
            const uint32_t barrier = full + i % kStages * 8;
            barrier_expect(barrier, kStageBytes);
#pragma unroll
            for (int t = 0; t < kTiles; t++) {
                // a tile past the last one repeats it; its outputs are not stored
                bulk_copy(stage + t * kTileBytes, weights_of(a, min(block * kTiles + t, tiles - 1), slab), kTileBytes, barrier);
            }
        };
        const auto fetch_parts = [&](int i) {
            bulk_copy(stages + i % kStages * kStageBytes + kWeightBytes, parts_of<kInt8, kTokens>(a, blockIdx.y, i % a.slabs),
                kPartBytes, full + i % kStages * 8);
        };
        const int first = min(count, kStages);
        for (int i = 0; i < first; i++) {
            fetch_weights(i);
        }
        wait_for_previous();
        for (int i = 0; i < first; i++) {
            fetch_parts(i);
        }
        for (int i = first; i < count; i++) {
            barrier_wait(empty + i % kStages * 8, i / kStages - 1 & 1);
            fetch_weights(i);
            fetch_parts(i);
        }
        return;
    }

    const int mine = threadIdx.x / 128;
    const int warp = threadIdx.x / 32 % 4;
    const int lane = threadIdx.x & 31;
    wait_for_previous();
    const int rows = a.step->samples;
    int i = 0;
    for (int turn = 0; turn < turns; turn++) {
        typename HeadSums<kInt8, kTokens>::Type c;
        for (int slab = 0; slab < a.slabs; slab++, i++) {
            const int stage = i % kStages;
            barrier_wait(full + stage * 8, i / kStages & 1);
            const uint64_t w = core_matrices(stages + stage * kStageBytes + mine * kTileBytes, 1024);
            const uint64_t x = core_matrices(stages + stage * kStageBytes + kWeightBytes, 1024);
            wgmma_fence();
#pragma unroll
            for (int s = 0; s < 4; s++) {
                step<kTokens>(c, w + s * (256 >> 4), x + s * (256 >> 4), slab + s > 0);
            }
            wgmma_commit();
            wgmma_wait<0>();
            if (threadIdx.x % 128 == 0) {
                barrier_arrive(empty + stage * 8);
            }
        }
        const int block = blockIdx.x + turn * gridDim.x;
        if (row0 < rows) {
            store<kTokens>(a, c, row0, (block * kTiles + mine) * kTileOutputs + warp * 16 + lane / 4, rows);
        }
    }
}

#define HEAD(NAME, INT8, TOKENS)                                                                                        \
    extern "C" __global__ void __launch_bounds__(128 * kWarpgroups + 32, 1) head_wgmma_##NAME##_##TOKENS(                 \
        const __grid_constant__ HeadArgs a) {                                                                           \
        head<INT8, TOKENS>(a);                                                                                          \
    }

HEAD(int8, true, 8)
HEAD(int8, true, 16)
HEAD(int8, true, 32)
HEAD(int8, true, 64)
HEAD(bf16, false, 8)
HEAD(bf16, false, 16)
HEAD(bf16, false, 32)
HEAD(bf16, false, 64)

#endif
