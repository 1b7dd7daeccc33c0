// lora_shrink: project every row that has an adapter down to its adapter's rank.
//
//   v[s, i, r] = sum_k x[i, k] * A[r, k]      A of slice s (q, k, v; or gate, up) of row i's adapter
//
//   tiles  [tiles]                  up to 8 consecutive rows of one adapter each; rows in no tile cost nothing
//   x      [rows, columns]          float, the plain input
//   A      [rank, columns]          float, by tile.adapter[layer * 7 + projection]
//   v      [slices, rows, 256]      float, zero from rank to the next multiple of 4
//
// Launch     grid (largest stride, tiles, slices), block 256: a block one rank, its warps take 128 columns in turn
// Requires   columns % 4 == 0; rank <= 256
// Bound      |v - reference| <= columns 2^-24 sum_k |x * A|     FP32, order fixed by columns alone
// Reference  ReferenceKernels.addLora      Test  KernelsContract.layerOfAMixedBatch
#include "device.cuh"

struct ShrinkArgs {
    const Tile* tiles;
    const float* x;
    float* v;
    int columns;
    int rows;
    int layer;
    int projection;  // of slice 0
};

extern "C" __global__ void __launch_bounds__(256) lora_shrink(const __grid_constant__ ShrinkArgs a) {
    __shared__ float sums[8][kTileRows];
    const Tile tile = a.tiles[blockIdx.y];
    const LowRankPair pair = tile.adapter[a.layer * kProjections + a.projection + blockIdx.z];
    const int rank = blockIdx.x;
    if (rank >= pair.stride) {
        return;
    }
    const int lane = threadIdx.x & 31;
    const int warp = threadIdx.x / 32;
    float sum[kTileRows] = {};
    if (rank < pair.rank) {
        const float* w = pair.a + (size_t)rank * a.columns;
        const float* x = a.x + (size_t)tile.firstRow * a.columns;
        for (int k = threadIdx.x * 4; k < a.columns; k += 1024) {
            const float4 wk = *reinterpret_cast<const float4*>(w + k);
#pragma unroll
            for (int r = 0; r < kTileRows; r++) {
                if (r < tile.count) {
                    const float4 xk = *reinterpret_cast<const float4*>(x + (size_t)r * a.columns + k);
                    sum[r] = fmaf(wk.x, xk.x, sum[r]);
                    sum[r] = fmaf(wk.y, xk.y, sum[r]);
                    sum[r] = fmaf(wk.z, xk.z, sum[r]);
                    sum[r] = fmaf(wk.w, xk.w, sum[r]);
                }
            }
        }
    }
#pragma unroll
    for (int r = 0; r < kTileRows; r++) {
        if (r < tile.count) {
            const float part = warp_sum(sum[r]);
            if (lane == 0) {
                sums[warp][r] = part;
            }
        }
    }
    __syncthreads();
    if (threadIdx.x < tile.count) {
        float total = 0;
#pragma unroll
        for (int w = 0; w < 8; w++) {
            total += sums[w][threadIdx.x];
        }
        a.v[((size_t)blockIdx.z * a.rows + tile.firstRow + threadIdx.x) * kMaxRank + rank] = total;
    }
}
