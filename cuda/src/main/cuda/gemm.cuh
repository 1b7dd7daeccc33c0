// What the matrix products share: up to three projections that read one input, in one launch.
#pragma once

#include "device.cuh"

struct Slice {
    const void* weights;
    const void* outliers;  // INT4 only
    float* y;              // [rows, out]
    int out;
    int firstTile;  // tiles of the slices before
};

struct GemmArgs {
    Slice slices[3];
    const char* codes;  // and their scales: int4.cuh
    const __nv_bfloat16* planes;
    int count;  // slices
    int rows;
    int columns;
    int capacity;  // rows there is memory for
    int add;  // y += instead of y =
    int tiles;  // of all slices
    int firstTile;  // of a launch of int4_wgmma_wide: pairs of tiles by 128 rows
    int endTile;
};

__device__ __forceinline__ int slice_of(const GemmArgs& a, int tile) {
    int s = 0;
    while (s + 1 < a.count && tile >= a.slices[s + 1].firstTile) {
        s++;
    }
    return s;
}

__device__ __forceinline__ void finish(const GemmArgs& a, const Slice& slice, int row, int n, float y) {
    float* to = slice.y + (size_t)row * slice.out + n;
    *to = a.add ? *to + y : y;
}
