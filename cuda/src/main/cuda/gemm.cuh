// What both matrix products share: up to three projections that read one input, in one launch.
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
};

struct GemmArgs {
    Slice slices[3];
    const int8_t* codes;
    const float* scales;
    const __nv_bfloat16* planes;
    int count;  // slices
    int rows;
    int columns;
    int capacity;  // rows in a plane
    int add;  // y += instead of y =
};

__device__ __forceinline__ int slice_of(const GemmArgs& a) {
    int s = 0;
    while (s + 1 < a.count && (int)blockIdx.x >= a.slices[s + 1].firstTile) {
        s++;
    }
    return s;
}

__device__ __forceinline__ void finish(const GemmArgs& a, const Slice& slice, int row, int n, float y) {
    float* to = slice.y + (size_t)row * slice.out + n;
    *to = a.add ? *to + y : y;
}
