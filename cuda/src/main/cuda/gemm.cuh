// What both matrix products share: up to three projections that read one input, in one launch, and the end of
// a tile, where the adapters' part is added (the expand of SGMV, arXiv 2310.18547).
#pragma once

#include "device.cuh"

constexpr int kRowsOfTile = 16;  // outputs: the A operand of mma.sync
constexpr int kWarps = 8;        // they share the columns of a tile
constexpr int kPitch = 20;       // of a token's 16 sums in shared memory: no bank conflict when written

struct Slice {
    const void* weights;
    const __half* scales;        // INT4 only, as are the next two
    const int8_t* outliers;
    const float* outlierScales;
    float* y;    // [rows, out]
    int out;
    int firstTile;  // tiles of the slices before
    int projection;
    int unused;
};

struct GemmArgs {
    Slice slices[3];
    const int8_t* codes;
    const float* scales;
    const __nv_bfloat16* planes;
    const LowRankPair* const* adapters;  // [rows], null where a row has none; null if no row has one here
    const float* shrunk;                 // [slices, rows, 256]
    int count;  // slices
    int rows;
    int columns;
    int capacity;  // rows in a plane
    int layer;
    int add;  // y += instead of y =
};

__device__ __forceinline__ int slice_of(const GemmArgs& a) {
    int s = 0;
    while (s + 1 < a.count && (int)blockIdx.x >= a.slices[s + 1].firstTile) {
        s++;
    }
    return s;
}

// b[n]·v
__device__ __forceinline__ float expand(const LowRankPair& pair, const float* shrunk, int n) {
    const float4* b = reinterpret_cast<const float4*>(pair.b + (size_t)n * pair.stride);
    const float4* v = reinterpret_cast<const float4*>(shrunk);
    float sum = 0;
    for (int i = 0; i < pair.stride / 4; i++) {
        const float4 bi = b[i];
        const float4 vi = v[i];
        sum = fmaf(bi.x, vi.x, sum);
        sum = fmaf(bi.y, vi.y, sum);
        sum = fmaf(bi.z, vi.z, sum);
        sum = fmaf(bi.w, vi.w, sum);
    }
    return sum;
}

// Output n of a row: the base's part is given; adds the adapter's.
__device__ __forceinline__ void finish(const GemmArgs& a, int s, int row, int n, float base) {
    const Slice& slice = a.slices[s];
    float y = base;
    const LowRankPair* adapter = a.adapters == nullptr ? nullptr : a.adapters[row];
    if (adapter != nullptr) {
        const LowRankPair pair = adapter[a.layer * kProjections + slice.projection];
        // a sum of nothing is not added, so that a row alone, without any adapters here, has the same bits
        if (pair.rank > 0) {
            y += expand(pair, a.shrunk + ((size_t)s * a.rows + row) * kMaxRank, n);
        }
    }
    float* to = slice.y + (size_t)row * slice.out + n;
    *to = a.add ? *to + y : y;
}
