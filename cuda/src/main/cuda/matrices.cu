// matrices: dense FP32 products and triangular factors, for imports (GPTQ, arXiv 2210.17323).
//
//   matrix_product   C = beta C + alpha op(A) op(B)          op: the matrix or its transpose; all row-major
//   factor_block     H = R R^T, R upper triangular, and its inverse, of one block of up to 64
//
// A larger H is factored from its end, a block column at a time: the block, then the rows above it times the block's inverse
// transposed, then their product taken off what is left; U = R^-1 (so U^T U = H^-1) follows column by column in the same
// products. FP32 throughout, in a fixed order: a tensor core's TF32 would lose what the damping leaves of small eigenvalues.
//
//   A  [m, k] or, transposed, [k, m];  B  [k, n] or [n, k];  C  [m, n], each with its row's length in memory
//   wanted: all of C, or only tiles that touch its upper triangle
//
// A thread block makes 128 x 128 of C, a thread 8 x 8, 16 of k at a time from shared memory, the next 16 on their way in
// registers. Sums run over k in order.
//
// Launch     matrix_product_XY, X, Y = n, t for A and B: grid (ceil(n / 128), ceil(m / 128)), block 256
//            factor_block: grid 1, block 256
// Requires   the contiguous dimension of each of A, B and C, and rows' lengths, multiples of 4; 16-byte aligned
// Bound      |C - reference| <= 2^-23 (k + 4) sum |A B|
// Reference  HostMatrices     Test  MatricesContract
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
    float alpha;
    float beta;
    int upper;  // only tiles with an element n >= m
    int unused;
};

constexpr int kTile = 128;
constexpr int kDepth = 16;
constexpr int kThreads = 256;
constexpr int kLane = 132;  // of a k's 128 values in shared memory

// 16 of k by 128 of a matrix: two float4 a thread, from [k, x] (kAlong) or [x, k].
template <bool kAlong>
struct Panel {
    float4 x[2];

    __device__ __forceinline__ void load(const float* from, int row, int first, int most, int k0, int depth) {
#pragma unroll
        for (int i = 0; i < 2; i++) {
            const int at = threadIdx.x + i * kThreads;
            const int k = k0 + (kAlong ? at / 32 : at % 4 * 4);
            const int p = first + (kAlong ? at % 32 * 4 : at / 4);
            x[i] = make_float4(0, 0, 0, 0);
            if (p < most && k < depth) {
                x[i] = *reinterpret_cast<const float4*>(from + (kAlong ? (size_t)k * row + p : (size_t)p * row + k));
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

template <bool kTransposedA, bool kTransposedB>
__device__ __forceinline__ void matrix_product(const ProductArgs& a) {
    __shared__ __align__(16) float left[2][kDepth][kLane];
    __shared__ __align__(16) float right[2][kDepth][kLane];
    const int row0 = blockIdx.y * kTile;
    const int column0 = blockIdx.x * kTile;
    begin_dependent();
    if (a.upper && column0 + kTile <= row0) {
        return;
    }
    // of 16 x 16 threads: rows 4 y .. and 64 on, columns 4 x .. and 64 on
    const int x = threadIdx.x % 16;
    const int y = threadIdx.x / 16;
    Panel<kTransposedA> nextA;
    Panel<!kTransposedB> nextB;
    nextA.load(a.a, a.rowA, row0, a.m, 0, a.k);
    nextB.load(a.b, a.rowB, column0, a.n, 0, a.k);
    nextA.store(left[0]);
    nextB.store(right[0]);
    __syncthreads();
    float c[8][8] = {};
    int here = 0;
    for (int k0 = 0; k0 < a.k; k0 += kDepth) {
        const bool more = k0 + kDepth < a.k;
        if (more) {
            nextA.load(a.a, a.rowA, row0, a.m, k0 + kDepth, a.k);
            nextB.load(a.b, a.rowB, column0, a.n, k0 + kDepth, a.k);
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
            if (row < a.m && column < a.n) {
                float4* to = reinterpret_cast<float4*>(a.c + (size_t)row * a.rowC + column);
                float4 sum = make_float4(a.alpha * c[i][4 * half], a.alpha * c[i][4 * half + 1], a.alpha * c[i][4 * half + 2],
                                         a.alpha * c[i][4 * half + 3]);
                if (a.beta != 0.0f) {
                    const float4 before = *to;
                    sum.x = fmaf(a.beta, before.x, sum.x);
                    sum.y = fmaf(a.beta, before.y, sum.y);
                    sum.z = fmaf(a.beta, before.z, sum.z);
                    sum.w = fmaf(a.beta, before.w, sum.w);
                }
                *to = sum;
            }
        }
    }
}

#define PRODUCT(NAME, A, B)                                                                                               \
    extern "C" __global__ void __launch_bounds__(kThreads, 2) matrix_product_##NAME(const __grid_constant__ ProductArgs a) { \
        matrix_product<A, B>(a);                                                                                          \
    }

PRODUCT(nn, false, false)
PRODUCT(nt, false, true)
PRODUCT(tn, true, false)
PRODUCT(tt, true, true)

struct FactorArgs {
    const float* h;   // [n, n] a diagonal block; its upper triangle is read
    float* inverse;   // [n, n] R^-1, zero below the diagonal
    float* factor;    // [n, n] R, likewise
    int* failed;      // becomes 1 where H is not positive definite
    int n;
    int rowH;
    int rowInverse;
    int rowFactor;
};

constexpr int kBlock = 64;

// h and factor may be one place.
extern "C" __global__ void __launch_bounds__(kThreads) factor_block(const __grid_constant__ FactorArgs a) {
    __shared__ float r[kBlock][kBlock + 1];
    __shared__ float u[kBlock][kBlock + 1];
    begin_dependent();
    const int n = a.n;
    for (int at = threadIdx.x; at < n * n; at += kThreads) {
        const int i = at / n;
        const int j = at % n;
        r[i][j] = j >= i ? a.h[(size_t)i * a.rowH + j] : 0.0f;
        u[i][j] = 0.0f;
    }
    __syncthreads();
    // columns from the last one on; what a column takes off the ones before it
    for (int j = n - 1; j >= 0; j--) {
        const float square = r[j][j];
        const float root = sqrtf(square);
        __syncthreads();
        for (int i = threadIdx.x; i <= j; i += kThreads) {
            r[i][j] = i == j ? root : r[i][j] / root;
        }
        if (threadIdx.x == 0 && !(square > 0.0f && isfinite(square))) {
            *a.failed = 1;
        }
        __syncthreads();
        for (int at = threadIdx.x; at < j * j; at += kThreads) {
            const int i = at / j;
            const int l = at % j;
            if (l >= i) {
                r[i][l] = fmaf(-r[i][j], r[l][j], r[i][l]);
            }
        }
        __syncthreads();
    }
    // R U = I, a thread a column of U, from its diagonal upwards
    for (int j = threadIdx.x; j < n; j += kThreads) {
        u[j][j] = 1.0f / r[j][j];
        for (int i = j - 1; i >= 0; i--) {
            float sum = 0;
            for (int l = i + 1; l <= j; l++) {
                sum = fmaf(r[i][l], u[l][j], sum);
            }
            u[i][j] = -sum / r[i][i];
        }
    }
    __syncthreads();
    for (int at = threadIdx.x; at < n * n; at += kThreads) {
        const int i = at / n;
        const int j = at % n;
        a.factor[(size_t)i * a.rowFactor + j] = r[i][j];
        a.inverse[(size_t)i * a.rowInverse + j] = u[i][j];
    }
}
