// What the attention kernels share, so that a row has the same bits whichever of them computes it: how positions are cut,
// and every floating-point operation on one row's numbers.
//
// A chunk is 256 positions, a part 64, a page 16. Within a chunk
//   t[p] = (sum_d q[d] k[p, d]) sk[p] + log2 sv[p]                  integers k, v: codes less their zero point; sk, sv scales
//   M_j = max(M_{j-1}, max t over part j)
//   w[p] = half(2^(t[p] - M_j));  o = o 2^(M_{j-1} - M_j) + sum_{p in part j} w[p] v[p]
//   l = l 2^(M_{j-1} - M_j) + sum_{p in part j} 2^(t[p] - M_j) / sv[p]
// so that weights are at most 1 and use a half's range wherever the values' scales lie. Chunks are joined in order in FP32.
// Products with integers are mma.m16n8k16: positions, or channels, are its rows, queries its columns; 16 channels, or
// a page's positions, are summed at once, in order.
//
// A row with a window sees its last `window` positions. Those before it are in no chunk or part that is begun, or weigh exactly
// 0 in it, and a part or chunk of nothing but such would change no bit: so the window's place within a chunk does not matter.
//
// Positions past a row's own weigh exactly 0; whatever the cache's memory holds there is never an operand that 0 does not
// silence.
#pragma once

#include "cache.cuh"
#include "hopper.cuh"

constexpr int kChunk = 256;
constexpr int kPart = 64;
constexpr int kPages = kChunk / kBlockTokens;
constexpr int kPartPages = kPart / kBlockTokens;

// One row's attention to one chunk; what it gives is the slot of the same index.
struct Item {
    int row;
    int chunk;
    int table;      // where in blocks the chunk's pages begin
    short count;    // positions
    short settled;  // pages that no row of this step writes to
};

// Consecutive rows of one sequence that attend together.
struct RowTile {
    int firstRow;
    int rows;
    int position;  // of the first
    int table;     // where in blocks the sequence's pages begin
};

// The first position that a row sees.
__device__ __forceinline__ int first_seen(int position, int window) { return max(position - window + 1, 0); }

// A row's slots.
struct Join {
    int slot;
    int count;
};

__device__ __forceinline__ uint32_t shared_place(const void* p) { return (uint32_t)__cvta_generic_to_shared(p); }

__device__ __forceinline__ float exp2_of(float x) {
    float y;
    asm("ex2.approx.ftz.f32 %0, %1;" : "=f"(y) : "f"(x));
    return y;
}

__device__ __forceinline__ float log2_of(float x) {
    float y;
    asm("lg2.approx.ftz.f32 %0, %1;" : "=f"(y) : "f"(x));
    return y;
}

__device__ __forceinline__ float inverse_of(float x) {
    float y;
    asm("rcp.approx.ftz.f32 %0, %1;" : "=f"(y) : "f"(x));
    return y;
}

// What a maximum is taken from where there may be none yet.
__device__ __forceinline__ float from_maximum(float most) { return most == -INFINITY ? 0.0f : most; }

__device__ __forceinline__ uint32_t bits(__half2 x) { return *reinterpret_cast<uint32_t*>(&x); }
__device__ __forceinline__ __half2 halves(uint32_t x) { return *reinterpret_cast<__half2*>(&x); }

// A word's nibbles of one half of its bytes as halves: the low ones as 1024 + code, the high ones as 1024 + 16 code.
__device__ __forceinline__ __half2 nibbles_of(uint32_t word, uint32_t mask) {
    uint32_t x;
    asm("lop3.b32 %0, %1, %2, %3, 0xEA;" : "=r"(x) : "r"(word), "r"(mask), "r"(0x64006400u));  // (word & mask) | 1024s
    return halves(x);
}

// Eight codes less their zero points, exact: the low and the high nibbles of bytes 0 and 2, then of bytes 1 and 3. `less`
// is -1024 - zero for low nibbles, -64 - zero for high ones.
__device__ __forceinline__ void widen(uint32_t word, const __half2 (&less)[4], uint32_t (&x)[4]) {
    const __half2 sixteenth = halves(0x2C002C00u);
    const uint32_t next = word >> 8;
    x[0] = bits(__hadd2(nibbles_of(word, 0x000F000Fu), less[0]));
    x[1] = bits(__hfma2(nibbles_of(word, 0x00F000F0u), sixteenth, less[1]));
    x[2] = bits(__hadd2(nibbles_of(next, 0x000F000Fu), less[2]));
    x[3] = bits(__hfma2(nibbles_of(next, 0x00F000F0u), sixteenth, less[3]));
}

// c += a b
__device__ __forceinline__ void mma(float (&c)[4], uint32_t a0, uint32_t a1, uint32_t a2, uint32_t a3, uint32_t b0, uint32_t b1) {
    asm volatile(
        "mma.sync.aligned.m16n8k16.row.col.f32.f16.f16.f32 {%0, %1, %2, %3}, {%4, %5, %6, %7}, {%8, %9}, {%0, %1, %2, %3};"
        : "+f"(c[0]), "+f"(c[1]), "+f"(c[2]), "+f"(c[3])
        : "r"(a0), "r"(a1), "r"(a2), "r"(a3), "r"(b0), "r"(b1));
}

// An 8 x 8 matrix of halves, a row a lane's pair, to its transpose.
__device__ __forceinline__ uint32_t transposed(uint32_t x) {
    uint32_t y;
    asm volatile("movmatrix.sync.aligned.m8n8.trans.b16 %0, %1;" : "=r"(y) : "r"(x));
    return y;
}

// A lane's constants for a page's keys: positions lane / 4 and 8 more.
__device__ __forceinline__ void less_of_keys(const __half2* scales, int g, __half2 (&less)[4]) {
    const __half2 from = __floats2half2_rn(-1024.0f, -64.0f);
    const __half2 near = __hsub2(from, __high2half2(scales[g]));
    const __half2 far = __hsub2(from, __high2half2(scales[g + 8]));
    less[0] = __low2half2(near);
    less[1] = __high2half2(near);
    less[2] = __low2half2(far);
    less[3] = __high2half2(far);
}

// The same for its values: positions 2 t and 2 t + 1, and 8 more. Zero points from `count` on are taken to be 0.
__device__ __forceinline__ void less_of_values(const __half2* scales, int t, int count, __half2 (&less)[4]) {
#pragma unroll
    for (int i = 0; i < 2; i++) {
        const int p = 2 * t + 8 * i;
        const uint2 both = *reinterpret_cast<const uint2*>(scales + p);
        const uint32_t zeros = (p < count ? both.x >> 16 : 0) | (p + 1 < count ? both.y & 0xFFFF0000u : 0);
        less[2 * i] = __hsub2(__float2half2_rn(-1024.0f), halves(zeros));
        less[2 * i + 1] = __hsub2(__float2half2_rn(-64.0f), halves(zeros));
    }
}

// What scores of one position need: the keys' scale, the logarithm of the values' and its inverse.
struct alignas(16) PositionScale {
    float key;
    float logarithm;
    float inverse;
    float unused;
};

__device__ __forceinline__ PositionScale scale_of(__half2 key, __half2 value, bool there) {
    const float v = there ? __low2float(value) : 1.0f;
    return {__low2float(key), log2_of(v), inverse_of(v), 0.0f};
}

// A lane's largest of two columns, over all lanes of those columns.
__device__ __forceinline__ void column_maximum(float& a, float& b) {
#pragma unroll
    for (int mask = 4; mask < 32; mask *= 2) {
        a = fmaxf(a, __shfl_xor_sync(kAllLanes, a, mask));
        b = fmaxf(b, __shfl_xor_sync(kAllLanes, b, mask));
    }
}

__device__ __forceinline__ float column_sum(float x) {
#pragma unroll
    for (int mask = 4; mask < 32; mask *= 2) {
        x += __shfl_xor_sync(kAllLanes, x, mask);
    }
    return x;
}

// A page's scores of two columns become weights; returns them as B operands.
__device__ __forceinline__ uint2 weigh(const float (&t)[4], float from0, float from1, float inverse, float inverse8, float (&sum)[2]) {
    const float e0 = exp2_of(t[0] - from0);
    const float e1 = exp2_of(t[1] - from1);
    const float e2 = exp2_of(t[2] - from0);
    const float e3 = exp2_of(t[3] - from1);
    sum[0] = fmaf(e2, inverse8, fmaf(e0, inverse, sum[0]));
    sum[1] = fmaf(e3, inverse8, fmaf(e1, inverse, sum[1]));
    return make_uint2(transposed(bits(__floats2half2_rn(e0, e1))), transposed(bits(__floats2half2_rn(e2, e3))));
}

// What scales the older sum and the newer one where they are joined.
struct Joint {
    float most;
    float older;
    float newer;
};

__device__ __forceinline__ Joint join(float older, float newer) {
    const float most = fmaxf(older, newer);
    const float from = from_maximum(most);
    return {most, exp2_of(older - from), exp2_of(newer - from)};
}

__device__ __forceinline__ float joined(const Joint& joint, float older, float newer) {
    return fmaf(older, joint.older, newer * joint.newer);
}

// Copies from the cache into shared memory by one warp; they complete a phase of a barrier.
#ifdef ARIL_HOPPER
constexpr int kArrivals = 1;
#else
constexpr int kArrivals = 33;
#endif

__device__ __forceinline__ void arrive(uint32_t barrier) {
    asm volatile("{\n.reg .b64 state;\nmbarrier.arrive.shared.b64 state, [%0];\n}\n" ::"r"(barrier) : "memory");
}

__device__ __forceinline__ void fetch_init(uint32_t barrier) {
    asm volatile("mbarrier.init.shared::cta.b64 [%0], %1;" ::"r"(barrier), "r"(kArrivals) : "memory");
}

// Once all barriers are initialized, by the thread that did it.
__device__ __forceinline__ void fetch_init_done() {
#ifdef ARIL_HOPPER
    barrier_init_done();
#endif
}

__device__ __forceinline__ void fetch_begin(uint32_t barrier, int bytes) {
#ifdef ARIL_HOPPER
    if ((threadIdx.x & 31) == 0) {
        barrier_expect(barrier, bytes);
    }
    __syncwarp();
#else
    if ((threadIdx.x & 31) == 0) {
        arrive(barrier);
    }
#endif
}

// kBytes of pages first .. last - 1, a page's source known to the lane of its number, kStride bytes apart.
template <int kBytes, int kStride>
__device__ __forceinline__ void fetch(uint32_t to, const uint8_t* from, int first, int last, uint32_t barrier) {
    const int lane = threadIdx.x & 31;
#ifdef ARIL_HOPPER
    if (lane >= first && lane < last) {
        bulk_copy(to + lane * kStride, from, kBytes, barrier);
    }
#else
    for (int page = first; page < last; page++) {
        const uint8_t* source = reinterpret_cast<const uint8_t*>(__shfl_sync(kAllLanes, reinterpret_cast<unsigned long long>(from), page));
        for (int i = lane; i < kBytes / 16; i += 32) {
            asm volatile("cp.async.cg.shared.global [%0], [%1], 16;" ::"r"(to + page * kStride + i * 16), "l"(source + i * 16) : "memory");
        }
    }
#endif
}

__device__ __forceinline__ void fetch_end(uint32_t barrier) {
#ifndef ARIL_HOPPER
    asm volatile("cp.async.mbarrier.arrive.noinc.shared.b64 [%0];" ::"r"(barrier) : "memory");
#endif
}

__device__ __forceinline__ void fetch_wait(uint32_t barrier, uint32_t parity) {
#ifdef ARIL_HOPPER
    barrier_wait(barrier, parity);
#else
    uint32_t done = 0;
    while (!done) {
        asm volatile(
            "{\n.reg .pred p;\nmbarrier.test_wait.parity.shared.b64 p, [%1], %2;\nselp.u32 %0, 1, 0, p;\n}\n"
            : "=r"(done)
            : "r"(barrier), "r"(parity)
            : "memory");
    }
#endif
}
