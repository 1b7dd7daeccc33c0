// lora_expand: from each row's adapter's rank up to the projection's outputs.
//
//   y[s, i, n] += sum_r v[s, i, r] * B[n, r]      B of slice s (q, k, v; or gate, up) of row i's adapter
//
//   tiles  [tiles]               up to 8 consecutive rows of one adapter each; rows in no tile cost nothing
//   v      [slices, rows, 256]   float, zero from rank to the next multiple of 4
//   B      [out, stride]         float, by tile.adapter[layer * 7 + projection]
//   y      [rows, out]           float, one of each slice
//
// Launch     grid (blocks of 128 outputs of all slices, tiles), block 128: a thread one output
// Requires   y of a slice is written by no other kernel meanwhile
// Bound      |added - reference| <= rank 2^-24 sum_r |v * B|     FP32, in the order of r
// Reference  ReferenceKernels.addLora      Test  KernelsContract.layerOfAMixedBatch
#include "device.cuh"

struct Expanded {
    float* y;
    int out;
    int firstBlock;  // blocks of the slices before
};

struct ExpandArgs {
    const Tile* tiles;
    const float* v;
    Expanded slices[3];
    int count;  // slices
    int rows;
    int layer;
    int projection;  // of slice 0
};

extern "C" __global__ void __launch_bounds__(128) lora_expand(const __grid_constant__ ExpandArgs a) {
    int s = 0;
    while (s + 1 < a.count && (int)blockIdx.x >= a.slices[s + 1].firstBlock) {
        s++;
    }
    const Expanded& slice = a.slices[s];
    const Tile tile = a.tiles[blockIdx.y];
    const LowRankPair pair = tile.adapter[a.layer * kProjections + a.projection + s];
    const int n = ((int)blockIdx.x - slice.firstBlock) * 128 + threadIdx.x;
    if (n >= slice.out || pair.rank == 0) {
        return;
    }
    const float4* b = reinterpret_cast<const float4*>(pair.b + (size_t)n * pair.stride);
    const float4* v = reinterpret_cast<const float4*>(a.v + ((size_t)s * a.rows + tile.firstRow) * kMaxRank);
    float sum[kTileRows] = {};
#pragma unroll 4
    for (int i = 0; i < pair.stride / 4; i++) {
        const float4 bi = b[i];
#pragma unroll
        for (int r = 0; r < kTileRows; r++) {
            if (r < tile.count) {
                const float4 vi = v[r * (kMaxRank / 4) + i];
                sum[r] = fmaf(bi.x, vi.x, sum[r]);
                sum[r] = fmaf(bi.y, vi.y, sum[r]);
                sum[r] = fmaf(bi.z, vi.z, sum[r]);
                sum[r] = fmaf(bi.w, vi.w, sum[r]);
            }
        }
    }
#pragma unroll
    for (int r = 0; r < kTileRows; r++) {
        if (r < tile.count) {
            slice.y[(size_t)(tile.firstRow + r) * slice.out + n] += sum[r];
        }
    }
}
