// head_mma: the output head with mma.sync, for any device of compute capability 8.0 or newer.
//
// Mathematics and layouts: head.cuh. A warp takes 32 outputs, its operands come from memory as they are; the parts of the
// inputs are shared by the thread block's warps.
//
// Launch     head_int8_T and head_bf16_T for T = 8, 16, 32, 64 rows: grid (ceil(tiles / 4), ceil(rows / T)), block 256,
//            3 * parts * T * 128 bytes of dynamic shared memory
// Requires   sm_80 (mma.m16n8k32.s8, mma.m16n8k16.bf16, cp.async); slabs <= 1024 (INT8: sums stay below 2^31)
// Bound      INT8: |y - reference| <= 2^-22 |reference| for given digits and codes; digits: |x - xscale (256 high + low)| <=
//            2^-16 max_k |x|. bf16: |y - reference| <= 2^-23 (3 columns / 16 + 8) sum_k |x * w|
// Reference  ReferenceKernels.logits       Test  CudaHeadTest
#include "head.cuh"

constexpr int kStages = 3;

__device__ __forceinline__ void multiply(int* c, const uint4& a, uint32_t b0, uint32_t b1) {
    asm("mma.sync.aligned.m16n8k32.row.col.s32.s8.s8.s32 {%0,%1,%2,%3}, {%4,%5,%6,%7}, {%8,%9}, {%0,%1,%2,%3};"
        : "+r"(c[0]), "+r"(c[1]), "+r"(c[2]), "+r"(c[3])
        : "r"(a.x), "r"(a.y), "r"(a.z), "r"(a.w), "r"(b0), "r"(b1));
}

__device__ __forceinline__ void multiply(float* c, const uint4& a, uint32_t b0, uint32_t b1) {
    asm("mma.sync.aligned.m16n8k16.row.col.f32.bf16.bf16.f32 {%0,%1,%2,%3}, {%4,%5,%6,%7}, {%8,%9}, {%0,%1,%2,%3};"
        : "+f"(c[0]), "+f"(c[1]), "+f"(c[2]), "+f"(c[3])
        : "r"(a.x), "r"(a.y), "r"(a.z), "r"(a.w), "r"(b0), "r"(b1));
}

__device__ __forceinline__ void copy_async(void* to, const void* from) {
    asm volatile("cp.async.cg.shared.global [%0], [%1], 16;" ::"r"((uint32_t)__cvta_generic_to_shared(to)), "l"(from) : "memory");
}

template <bool kInt8, int kTokens>
__device__ __forceinline__ void head(const HeadArgs& a) {
    constexpr int kColumns = kParts<kInt8> * kTokens;
    constexpr int kBytes = kColumns * kSlabBytes;
    extern __shared__ __align__(128) char memory[];
    const int warp = threadIdx.x / 32;
    const int lane = threadIdx.x & 31;
    const int tiles = (a.out + kTileOutputs - 1) / kTileOutputs;
    const int tile = blockIdx.x * kTiles + warp / 2;
    // this lane's operands of a slab: two runs of 16 outputs, 4 steps each
    const auto fetch = [&](int slab, uint4 (&w)[2][4]) {
        const uint32_t* from = reinterpret_cast<const uint32_t*>(weights_of(a, min(tile, tiles - 1), slab)) + warp % 2 * 1024 + lane;
#pragma unroll
        for (int half = 0; half < 2; half++) {
#pragma unroll
            for (int s = 0; s < 4; s++) {
                const uint32_t* core = from + half * 512 + s * 64;
                w[half][s] = make_uint4(__ldcs(core), __ldcs(core + 256), __ldcs(core + 32), __ldcs(core + 288));
            }
        }
    };
    uint4 next[2][4];
    fetch(0, next);
    begin_dependent();
    const int rows = a.step->samples;
    const int row0 = blockIdx.y * kTokens;
    if (row0 >= rows) {
        return;
    }
    const auto share = [&](int slab) {
        if (slab < a.slabs) {
            const char* from = parts_of<kInt8, kTokens>(a, blockIdx.y, slab);
            char* to = memory + slab % kStages * kBytes;
            for (int i = threadIdx.x * 16; i < kBytes; i += 256 * 16) {
                copy_async(to + i, from + i);
            }
        }
        asm volatile("cp.async.commit_group;" ::: "memory");
    };
    share(0);
    share(1);
    typename HeadSums<kInt8, kTokens>::Type c[2] = {};
    for (int slab = 0; slab < a.slabs; slab++) {
        uint4 w[2][4];
#pragma unroll
        for (int half = 0; half < 2; half++) {
#pragma unroll
            for (int s = 0; s < 4; s++) {
                w[half][s] = next[half][s];
            }
        }
        if (slab + 1 < a.slabs) {
            fetch(slab + 1, next);
        }
        asm volatile("cp.async.wait_group 1;" ::: "memory");
        __syncthreads();
        share(slab + 2);
        const uint32_t* parts = reinterpret_cast<const uint32_t*>(memory + slab % kStages * kBytes) + lane;
#pragma unroll
        for (int s = 0; s < 4; s++) {
#pragma unroll
            for (int j = kColumns / 8 - 1; j >= 0; j--) {
                // bf16 adds the low part first: its columns are the last
                const uint32_t* b = parts + j * 256 + s * 64;
                const int at = kInt8 ? j * 4 : j % (kTokens / 8) * 4;
#pragma unroll
                for (int half = 0; half < 2; half++) {
                    multiply(&c[half][at], w[half][s], b[0], b[32]);
                }
            }
        }
    }
    if (tile < tiles) {
#pragma unroll
        for (int half = 0; half < 2; half++) {
            store<kTokens>(a, c[half], row0, tile * kTileOutputs + warp % 2 * 32 + half * 16 + lane / 4, rows);
        }
    }
}

#define HEAD(NAME, INT8, TOKENS)                                                                                        \
    extern "C" __global__ void __launch_bounds__(256, 1) NAME##_##TOKENS(const __grid_constant__ HeadArgs a) {            \
        head<INT8, TOKENS>(a);                                                                                          \
    }

HEAD(head_int8, true, 8)
HEAD(head_int8, true, 16)
HEAD(head_int8, true, 32)
HEAD(head_int8, true, 64)
HEAD(head_bf16, false, 8)
HEAD(head_bf16, false, 16)
HEAD(head_bf16, false, 32)
HEAD(head_bf16, false, 64)
