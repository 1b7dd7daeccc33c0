// matrices: dense FP32 products, for what an import computes beside the model (GPTQ, arXiv 2210.17323).
//
//   matrix_product   C = keep C + scale op(A) B      op(A): A, [m, k], or the transpose of A, [k, m];  B [k, n];  C [m, n]
//   matrix_copy      to[i, j] = from[i, j]
//
// All are row-major rectangles of larger matrices. FP32 throughout, in a fixed order: a tensor core's TF32 would lose what
// the damping leaves of small eigenvalues.
//
// A thread block makes 128 x 128 of C, a thread 8 x 8, 16 of k at a time from shared memory, the next 16 on their way in
// registers. Sums run over k in order.
//
// Launch     matrix_product_n, matrix_product_t (A transposed): grid (ceil(n / 128), ceil(m / 128)), block 256
//            matrix_copy: grid (ceil(columns / 1024), rows, up to 65535; a block takes every gridDim.y-th row), block 256
// Requires   C overlaps neither A nor B
// Bound      |C - reference| <= 2^-23 (k + 4) sum |A B|
// Reference  CpuMatrices     Test  MatricesContract
#include "device.cuh"

struct ProductArgs {
    const float* a;
    const float* b;
    float* c;
    int m;
    int n;
    int k;
    int rowA;  // floats from row to row
    int rowB;
    int rowC;
    float scale;
    float keep;  // 0: whatever is in C
    int alignedA;  // rows begin and go on at multiples of 16 bytes
    int alignedB;
    int alignedC;
    int unused;
};

constexpr int kTile = 128;
constexpr int kDepth = 16;
constexpr int kThreads = 256;
constexpr int kLane = 132;  // of a k's 128 values in shared memory

// Up to four floats, the rest zeros.
__device__ __forceinline__ float4 load_four(const float* from, int there, bool aligned) {
    if (aligned && there >= 4) {
        return *reinterpret_cast<const float4*>(from);
    }
    return make_float4(there > 0 ? from[0] : 0.0f, there > 1 ? from[1] : 0.0f, there > 2 ? from[2] : 0.0f, there > 3 ? from[3] : 0.0f);
}

// 16 of k by 128 of a matrix: two float4 a thread, from [k, x] (kAlong) or [x, k].
template <bool kAlong>
struct Panel {
    float4 x[2];

    __device__ __forceinline__ void load(const float* from, int row, int first, int most, int k0, int depth, bool aligned) {
#pragma unroll
        for (int i = 0; i < 2; i++) {
            const int at = threadIdx.x + i * kThreads;
            const int k = k0 + (kAlong ? at / 32 : at % 4 * 4);
            const int p = first + (kAlong ? at % 32 * 4 : at / 4);
            x[i] = make_float4(0, 0, 0, 0);
            if (p < most && k < depth) {
                x[i] = kAlong ? load_four(from + (size_t)k * row + p, most - p, aligned)
                              : load_four(from + (size_t)p * row + k, depth - k, aligned);
            }
        }
    }

    __device__ __forceinline__ void store(float (*to)[kLane]) const {
#pragma unroll
        for (int i = 0; i < 2; i++) {
            const int at = threadIdx.x + i * kThreads;
            if (kAlong) {
                *reinterpret_cast<float4*>(&to[at / 32][at % 32 * 4]) = x[i];
            } else {
                const int k = at % 4 * 4;
                to[k][at / 4] = x[i].x;
                to[k + 1][at / 4] = x[i].y;
                to[k + 2][at / 4] = x[i].z;
                to[k + 3][at / 4] = x[i].w;
            }
        }
    }
};

template <bool kTransposed>
__device__ __forceinline__ void matrix_product(const ProductArgs& a) {
    __shared__ __align__(16) float left[2][kDepth][kLane];
    __shared__ __align__(16) float right[2][kDepth][kLane];
    const int row0 = blockIdx.y * kTile;
    const int column0 = blockIdx.x * kTile;
    begin_dependent();
    // of 16 x 16 threads: rows 4 y .. and 64 on, columns 4 x .. and 64 on
    const int x = threadIdx.x % 16;
    const int y = threadIdx.x / 16;
    Panel<kTransposed> nextA;
    Panel<true> nextB;
    nextA.load(a.a, a.rowA, row0, a.m, 0, a.k, a.alignedA);
    nextB.load(a.b, a.rowB, column0, a.n, 0, a.k, a.alignedB);
    nextA.store(left[0]);
    nextB.store(right[0]);
    __syncthreads();
    float c[8][8] = {};
    int here = 0;
    for (int k0 = 0; k0 < a.k; k0 += kDepth) {
        const bool more = k0 + kDepth < a.k;
        if (more) {
            nextA.load(a.a, a.rowA, row0, a.m, k0 + kDepth, a.k, a.alignedA);
            nextB.load(a.b, a.rowB, column0, a.n, k0 + kDepth, a.k, a.alignedB);
        }
#pragma unroll
        for (int k = 0; k < kDepth; k++) {
            float p[8];
            float q[8];
#pragma unroll
            for (int half = 0; half < 2; half++) {
                const float4 u = *reinterpret_cast<const float4*>(&left[here][k][4 * y + 64 * half]);
                const float4 v = *reinterpret_cast<const float4*>(&right[here][k][4 * x + 64 * half]);
                p[4 * half] = u.x;
                p[4 * half + 1] = u.y;
                p[4 * half + 2] = u.z;
                p[4 * half + 3] = u.w;
                q[4 * half] = v.x;
                q[4 * half + 1] = v.y;
                q[4 * half + 2] = v.z;
                q[4 * half + 3] = v.w;
            }
#pragma unroll
            for (int i = 0; i < 8; i++) {
#pragma unroll
                for (int j = 0; j < 8; j++) {
                    c[i][j] = fmaf(p[i], q[j], c[i][j]);
                }
            }
        }
        if (more) {
            nextA.store(left[1 - here]);
            nextB.store(right[1 - here]);
        }
        __syncthreads();
        here = 1 - here;
    }
#pragma unroll
    for (int i = 0; i < 8; i++) {
        const int row = row0 + 4 * y + i % 4 + i / 4 * 64;
#pragma unroll
        for (int half = 0; half < 2; half++) {
            const int column = column0 + 4 * x + 64 * half;
            const int there = a.n - column;
            if (row >= a.m || there <= 0) {
                continue;
            }
            float* to = a.c + (size_t)row * a.rowC + column;
            const float4 before = a.keep == 0.0f ? make_float4(0, 0, 0, 0) : load_four(to, there, a.alignedC);
            float sum[4] = {fmaf(a.scale, c[i][4 * half], a.keep * before.x), fmaf(a.scale, c[i][4 * half + 1], a.keep * before.y),
                            fmaf(a.scale, c[i][4 * half + 2], a.keep * before.z), fmaf(a.scale, c[i][4 * half + 3], a.keep * before.w)};
            if (a.alignedC && there >= 4) {
                *reinterpret_cast<float4*>(to) = make_float4(sum[0], sum[1], sum[2], sum[3]);
            } else {
#pragma unroll
                for (int j = 0; j < 4; j++) {
                    if (j < there) {
                        to[j] = sum[j];
                    }
                }
            }
        }
    }
}

extern "C" __global__ void __launch_bounds__(kThreads, 2) matrix_product_n(const __grid_constant__ ProductArgs a) { matrix_product<false>(a); }
extern "C" __global__ void __launch_bounds__(kThreads, 2) matrix_product_t(const __grid_constant__ ProductArgs a) { matrix_product<true>(a); }

struct CopyArgs {
    const float* from;  // null: zeros
    float* to;
    int rows;
    int columns;
    int rowFrom;  // floats from row to row
    int rowTo;
};

extern "C" __global__ void __launch_bounds__(kThreads) matrix_copy(const __grid_constant__ CopyArgs a) {
    begin_dependent();
    for (int row = blockIdx.y; row < a.rows; row += gridDim.y) {
#pragma unroll
        for (int i = 0; i < 4; i++) {
            const int column = blockIdx.x * 4 * kThreads + i * kThreads + threadIdx.x;
            if (column < a.columns) {
                a.to[(size_t)row * a.rowTo + column] = a.from == nullptr ? 0.0f : a.from[(size_t)row * a.rowFrom + column];
            }
        }
    }
}
