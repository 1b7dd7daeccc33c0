// The KV cache's layout. A run is one layer's, block's, head's keys, then its values, 16 positions each:
//   INT4   codes [2, 16, D / 2] bytes, channel 2i low, 2i + 1 high;  scales [2, 16] half2 (scale, zero point)
//   plain  floats [2, 16, D]
// Runs lie in the order [blocks, heads] of a layer.
#pragma once

#include "device.cuh"

struct Cache {
    void* values;    // of this layer: codes or floats
    __half2* scales;  // null for a plain cache
    const int* blocks;  // block tables of all rows' sequences
    const int* tables;  // [rows] where in blocks the row's own table begins
    const int* positions;  // [rows]
    int heads;
    int unused;
};

// Index of a position's vector, side 0 for keys and 1 for values: times D for its first channel.
__device__ __forceinline__ size_t slot_of(const Cache& cache, int row, int position, int head, int side) {
    const int block = cache.blocks[cache.tables[row] + position / kBlockTokens];
    return (((size_t)block * cache.heads + head) * 2 + side) * kBlockTokens + position % kBlockTokens;
}
