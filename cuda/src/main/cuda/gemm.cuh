// What the matrix products share: up to three projections that read one input, in one launch.
#pragma once

#include "device.cuh"

struct Slice {
    const void* weights;
    const void* outliers;  // INT4 only
    float* y;              // [rows, out]
    const float* bias;     // [out], or null
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
    int eight;  // activations of 8 bits: what int4_gemm needs to know; int4_wgmma's kernels are two
    int firstTile;  // of a launch of int4_wgmma_wide: pairs of tiles by 128 rows
    int endTile;
};

// Consecutive pairs of one expert, a tile of a product: experts.cu.
struct ExpertTile {
    int expert;
    int first;  // pair
    int count;  // pairs
    int unused;
};

// A layer's experts: products of pairs (a row and an expert it chose) that read rows of one input, each with its expert's
// weights; y is [pairs, out].
struct ExpertArgs {
    GemmArgs gemm;               // slices' weights are not read
    const ExpertTile* tiles;
    const int* tileCount;
    const int* rows;             // [pairs] of the input; null where pairs are its rows
    const void* const* weights;  // [experts][slices][2] weights, outliers
};

// The tile of this block: blockIdx.y counts them.
__device__ __forceinline__ ExpertTile own_tile(const ExpertArgs& a) {
    const int4 of = __ldcg(reinterpret_cast<const int4*>(a.tiles) + blockIdx.y);
    return {of.x, of.y, of.z, 0};
}

// Which row of the input a tile's token is; the last one's where there are fewer.
__device__ __forceinline__ int row_of(const ExpertArgs& a, const ExpertTile& tile, int token) {
    const int pair = tile.first + min(token, tile.count - 1);
    return a.rows == nullptr ? pair : __ldcg(a.rows + pair);
}

__device__ __forceinline__ int slice_of(const GemmArgs& a, int tile) {
    int s = 0;
    while (s + 1 < a.count && tile >= a.slices[s + 1].firstTile) {
        s++;
    }
    return s;
}

// An output's bias, added to its product before that meets anything else; -0 changes no sum.
__device__ __forceinline__ float bias_of(const Slice& slice, int n) {
    return slice.bias == nullptr || n >= slice.out ? -0.0f : __ldg(slice.bias + n);
}

// y: with its bias.
__device__ __forceinline__ void finish(const GemmArgs& a, const Slice& slice, int row, int n, float y) {
    float* to = slice.y + (size_t)row * slice.out + n;
    *to = a.add ? *to + y : y;
}
