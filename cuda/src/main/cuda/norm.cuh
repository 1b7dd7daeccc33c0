// What RMSNorm needs, whoever reads its result.
#pragma once

#include "device.cuh"

constexpr int kThreads = 512;

// The row to shared memory, and the factor that makes its mean square 1; NaN where that is not finite.
__device__ __forceinline__ float load_row(const float* hidden, int columns, float epsilon, float* x) {
    __shared__ __align__(16) float partial[kThreads / 32];
    const float4* from = reinterpret_cast<const float4*>(hidden);
    float squares = 0;
#pragma unroll 2
    for (int c = threadIdx.x; c < columns / 4; c += kThreads) {
        const float4 v = from[c];
        reinterpret_cast<float4*>(x)[c] = v;
        squares = fmaf(v.x, v.x, squares);
        squares = fmaf(v.y, v.y, squares);
        squares = fmaf(v.z, v.z, squares);
        squares = fmaf(v.w, v.w, squares);
    }
    squares = warp_sum(squares);
    if ((threadIdx.x & 31) == 0) {
        partial[threadIdx.x / 32] = squares;
    }
    __syncthreads();
    float sum = 0;
#pragma unroll
    for (int w = 0; w < kThreads / 32; w += 4) {
        const float4 p = *reinterpret_cast<const float4*>(partial + w);
        sum += p.x + p.y + (p.z + p.w);
    }
    return isfinite(sum) ? 1.0f / sqrtf(sum / (float)columns + epsilon) : NAN;
}
