// What only compute capability 9.0 has: bulk copies that complete on a barrier in shared memory, clusters of thread
// blocks, matrix products of a whole warpgroup. Everything here is behind ARIL_HOPPER.
#pragma once

#include "device.cuh"

#ifdef ARIL_HOPPER

__device__ __forceinline__ uint32_t shared_address(const void* p) { return (uint32_t)__cvta_generic_to_shared(p); }

__device__ __forceinline__ void barrier_init(uint32_t barrier, uint32_t arrivals) {
    asm volatile("mbarrier.init.shared::cta.b64 [%0], %1;" ::"r"(barrier), "r"(arrivals) : "memory");
}

// Makes initialized barriers known to the copy engine and to the cluster.
__device__ __forceinline__ void barrier_init_done() {
    asm volatile("fence.mbarrier_init.release.cluster;" ::: "memory");
    asm volatile("fence.proxy.async.shared::cta;" ::: "memory");
}

// One arrival, and so many bytes to come.
__device__ __forceinline__ void barrier_expect(uint32_t barrier, uint32_t bytes) {
    asm volatile("mbarrier.arrive.expect_tx.shared::cta.b64 _, [%0], %1;" ::"r"(barrier), "r"(bytes) : "memory");
}

__device__ __forceinline__ void barrier_wait(uint32_t barrier, uint32_t parity) {
    asm volatile(
        "{\n"
        ".reg .pred done;\n"
        "again:\n"
        "mbarrier.try_wait.parity.shared::cta.b64 done, [%0], %1;\n"
        "@done bra ready;\n"
        "bra again;\n"
        "ready:\n"
        "}\n" ::"r"(barrier),
        "r"(parity)
        : "memory");
}

// Multiples of 16 bytes, from and to multiples of 16. Each takes its thread about 200 cycles, whatever its size: few and large
// ones, by warps that do nothing else.
__device__ __forceinline__ void bulk_copy(uint32_t to, const void* from, uint32_t bytes, uint32_t barrier) {
    asm volatile("cp.async.bulk.shared::cluster.global.mbarrier::complete_tx::bytes [%0], [%1], %2, [%3];" ::"r"(to),
        "l"(from), "r"(bytes), "r"(barrier)
        : "memory");
}

__device__ __forceinline__ void cluster_arrive() { asm volatile("barrier.cluster.arrive.release.aligned;" ::: "memory"); }

// Enough after barrier_init_done: a release would wait for all that this thread wrote to memory.
__device__ __forceinline__ void cluster_arrive_relaxed() { asm volatile("barrier.cluster.arrive.relaxed.aligned;" ::: "memory"); }

__device__ __forceinline__ void cluster_wait() { asm volatile("barrier.cluster.wait.acquire.aligned;" ::: "memory"); }

__device__ __forceinline__ uint32_t cluster_rank() {
    uint32_t rank;
    asm("mov.u32 %0, %%cluster_ctarank;" : "=r"(rank));
    return rank;
}

// The address of the same place in another thread block of the cluster.
__device__ __forceinline__ uint32_t in_block(uint32_t address, uint32_t rank) {
    uint32_t there;
    asm("mapa.shared::cluster.u32 %0, %1, %2;" : "=r"(there) : "r"(address), "r"(rank));
    return there;
}

__device__ __forceinline__ void barrier_arrive(uint32_t barrier) {
    asm volatile("mbarrier.arrive.shared::cta.b64 _, [%0];" ::"r"(barrier) : "memory");
}

// A warp's lanes have read what may now be overwritten; one arrives for all. Where a warp is together anyway, __syncwarp is
// no instruction, and racecheck, which goes by instructions, reports the other lanes: for it every lane arrives.
#ifdef ARIL_RACECHECK
constexpr int kWarpArrivals = 32;
__device__ __forceinline__ void barrier_arrive_warp(uint32_t barrier) { barrier_arrive(barrier); }
#else
constexpr int kWarpArrivals = 1;
__device__ __forceinline__ void barrier_arrive_warp(uint32_t barrier) {
    __syncwarp();
    if ((threadIdx.x & 31) == 0) {
        barrier_arrive(barrier);
    }
}
#endif

// At another block's barrier: what this thread has read (and used, so that it is here) may be overwritten. A release
// of what it wrote, with the scope of the cluster, would wait for all its writes to memory.
__device__ __forceinline__ void barrier_arrive_block(uint32_t barrier) {
    asm volatile("mbarrier.arrive.shared::cluster.b64 _, [%0];" ::"r"(barrier) : "memory");
}

__device__ __forceinline__ void barrier_wait_cluster(uint32_t barrier, uint32_t parity) {
    asm volatile(
        "{\n"
        ".reg .pred done;\n"
        "again:\n"
        "mbarrier.try_wait.parity.acquire.cluster.shared::cta.b64 done, [%0], %1;\n"
        "@done bra ready;\n"
        "bra again;\n"
        "ready:\n"
        "}\n" ::"r"(barrier),
        "r"(parity)
        : "memory");
}

// 16 bytes into another block's shared memory; they count on a barrier of that block, which needs no fence.
__device__ __forceinline__ void store_async(uint32_t address, const float* x, uint32_t barrier) {
    asm volatile("st.async.shared::cluster.mbarrier::complete_tx::bytes.v4.f32 [%0], {%1, %2, %3, %4}, [%5];" ::"r"(address), "f"(x[0]),
        "f"(x[1]), "f"(x[2]), "f"(x[3]), "r"(barrier)
        : "memory");
}

// One lane of a warp that is here together. Unlike with lane == 0 the compiler knows that it is one, and does not loop
// over lanes around each bulk copy.
__device__ __forceinline__ bool elected() {
    uint32_t yes;
    asm volatile("{\n.reg .pred p;\nelect.sync _|p, 0xffffffff;\nselp.u32 %0, 1, 0, p;\n}\n" : "=r"(yes));
    return yes != 0;
}

// Loads that stay where they are written, between a product's beginning and its end.
__device__ __forceinline__ uint32_t load_word(uint32_t address) {
    uint32_t x;
    asm volatile("ld.shared.u32 %0, [%1];" : "=r"(x) : "r"(address) : "memory");
    return x;
}

__device__ __forceinline__ float2 load_pair(uint32_t address) {
    float2 x;
    asm volatile("ld.shared.v2.f32 {%0, %1}, [%2];" : "=f"(x.x), "=f"(x.y) : "r"(address) : "memory");
    return x;
}

__device__ __forceinline__ uint4 load_quad(uint32_t address) {
    uint4 x;
    asm volatile("ld.shared.v4.u32 {%0, %1, %2, %3}, [%4];" : "=r"(x.x), "=r"(x.y), "=r"(x.z), "=r"(x.w) : "r"(address) : "memory");
    return x;
}

// A matrix in shared memory made of cores of 8 rows by 16 bytes, 128 bytes each: the next core along K lies 128 bytes on,
// the next 8 rows so many bytes.
__device__ __forceinline__ uint64_t core_matrices(uint32_t address, int rows) {
    return (uint64_t)(address >> 4 & 0x3FFF) | (uint64_t)(128 >> 4) << 16 | (uint64_t)(rows >> 4) << 32;
}

__device__ __forceinline__ void wgmma_fence() { asm volatile("wgmma.fence.sync.aligned;" ::: "memory"); }
__device__ __forceinline__ void wgmma_commit() { asm volatile("wgmma.commit_group.sync.aligned;" ::: "memory"); }

// Until no more than so many groups of products are on the way.
template <int kLeft>
__device__ __forceinline__ void wgmma_wait() {
    asm volatile("wgmma.wait_group.sync.aligned %0;" ::"n"(kLeft) : "memory");
}

// Keeps the compiler from moving what it does with these registers across this point: it knows nothing of products on
// the way.
template <typename T, int N>
__device__ __forceinline__ void pin(T (&c)[N]) {
#pragma unroll
    for (int i = 0; i < N; i++) {
        asm volatile("" : "+r"(c[i])::"memory");
    }
}

template <int N>
__device__ __forceinline__ void pin(float (&c)[N]) {
#pragma unroll
    for (int i = 0; i < N; i++) {
        asm volatile("" : "+f"(c[i])::"memory");
    }
}

// c[64, N] = a[64, 32] * b[N, 32] (+ c), signed bytes into 32-bit integers or e4m3 into floats; a in registers as
// mma.m16n8k32 has it, 16 rows a warp, b in shared memory.
template <int N, typename T = int>
struct Wgmma;

#define ARIL_4(c, r, i) r(c[i]), r(c[i + 1]), r(c[i + 2]), r(c[i + 3])
#define ARIL_8(c, r, i) ARIL_4(c, r, i), ARIL_4(c, r, i + 4)
#define ARIL_16(c, r, i) ARIL_8(c, r, i), ARIL_8(c, r, i + 8)
#define ARIL_32(c, r, i) ARIL_16(c, r, i), ARIL_16(c, r, i + 16)
#define ARIL_64(c, r, i) ARIL_32(c, r, i), ARIL_32(c, r, i + 32)

// operands: which place c, a, b and add have among the instruction's
#define ARIL_WGMMA(N, T, TYPES, SCALES, r, all, c_places, a_places, b_place, add_place)                                 \
    template <>                                                                                                         \
    struct Wgmma<N, T> {                                                                                                \
        static __device__ __forceinline__ void run(T (&c)[N / 2], const uint32_t* a, uint64_t b, int add) {             \
            asm volatile("{\n.reg .pred p;\nsetp.ne.b32 p, " add_place ", 0;\n"                                         \
                         "wgmma.mma_async.sync.aligned.m64n" #N "k32." TYPES " {" c_places "}, {" a_places "}, " b_place \
                         ", p" SCALES ";\n}\n"                                                                          \
                         : all(c, r, 0)                                                                                 \
                         : "r"(a[0]), "r"(a[1]), "r"(a[2]), "r"(a[3]), "l"(b), "r"(add));                               \
        }                                                                                                               \
    };
#define ARIL_WGMMAS(N, all, c_places, a_places, b_place, add_place)                                                      \
    ARIL_WGMMA(N, int, "s32.s8.s8", "", "+r", all, c_places, a_places, b_place, add_place)                              \
    ARIL_WGMMA(N, float, "f32.e4m3.e4m3", ", 1, 1", "+f", all, c_places, a_places, b_place, add_place)

ARIL_WGMMAS(8, ARIL_4, "%0, %1, %2, %3", "%4, %5, %6, %7", "%8", "%9")
ARIL_WGMMAS(16, ARIL_8, "%0, %1, %2, %3, %4, %5, %6, %7", "%8, %9, %10, %11", "%12", "%13")
ARIL_WGMMAS(32, ARIL_16, "%0, %1, %2, %3, %4, %5, %6, %7, %8, %9, %10, %11, %12, %13, %14, %15", "%16, %17, %18, %19", "%20", "%21")
ARIL_WGMMAS(64, ARIL_32,
    "%0, %1, %2, %3, %4, %5, %6, %7, %8, %9, %10, %11, %12, %13, %14, %15, "
    "%16, %17, %18, %19, %20, %21, %22, %23, %24, %25, %26, %27, %28, %29, %30, %31",
    "%32, %33, %34, %35", "%36", "%37")
ARIL_WGMMAS(128, ARIL_64,
    "%0, %1, %2, %3, %4, %5, %6, %7, %8, %9, %10, %11, %12, %13, %14, %15, "
    "%16, %17, %18, %19, %20, %21, %22, %23, %24, %25, %26, %27, %28, %29, %30, %31, "
    "%32, %33, %34, %35, %36, %37, %38, %39, %40, %41, %42, %43, %44, %45, %46, %47, "
    "%48, %49, %50, %51, %52, %53, %54, %55, %56, %57, %58, %59, %60, %61, %62, %63",
    "%64, %65, %66, %67", "%68", "%69")

#endif
