// The KV cache's layout. A run is one layer's, block's, head's 16 positions, keys and values side by side; runs lie in
// the order [blocks, heads] of a layer.
//
//   INT4   keys [8 D] bytes;  scales [2, 16] half2 (scale, zero point), keys first;  values [8 D] bytes
//   plain  floats [2, 16, D], keys first
//
// A byte holds channels 2i (low nibble) and 2i + 1 of one position, so that positions are written independently; bytes
// lie as mma.m16n8k16 takes a 16 x 16 matrix whose eight halves a lane are one word's nibbles. Bytes 0 and 2 of a word
// are one position's (keys: position lane / 4) or a pair's (values: positions 2 (lane % 4) and + 1), bytes 1 and 3 those
// of 8 positions later.
#pragma once

#include "device.cuh"

struct Cache {
    void* values;          // runs of this layer
    const int* blocks;     // block tables of all rows' sequences
    const int* tables;     // [rows] where in blocks the row's own table begins
    const int* positions;  // [rows]
    int heads;
    int quantized;
};

// An INT4 run; offsets in bytes.
template <int D>
struct Run {
    static constexpr int kScales = 8 * D;
    static constexpr int kValues = kScales + 2 * kBlockTokens * 4;
    static constexpr int kBytes = kValues + 8 * D;

    // Keys are the matrix's rows, channels its columns: lane t of four takes D / 4 consecutive channels, four a step.
    static __host__ __device__ constexpr int key(int position, int pair) {
        const int lane = position % 8 * 4 + pair / (D / 8);
        const int step = pair % (D / 8) / 2;
        return step / 4 * 512 + lane * 16 + step % 4 * 4 + pair % 2 * 2 + position / 8;
    }

    // Channels are the matrix's rows, 32 of them two words of 16; positions its columns.
    static __host__ __device__ constexpr int value(int position, int pair) {
        return kValues + pair / 16 * 256 + value_word(pair % 16 / 2, position % 8 / 2) + pair % 2 * 4 + position % 2 * 2 +
               position / 8;
    }

    // Where a lane's two words lie: a position's bytes close together, and no bank of shared memory twice in a half warp.
    static __host__ __device__ constexpr int value_word(int g, int t) { return t * 64 + (g ^ t / 2 * 4) * 8; }

    static __host__ __device__ constexpr int scale(int position, int side) {
        return kScales + (side * kBlockTokens + position) * 4;
    }
};

// Index of a position's run among the layer's.
__device__ __forceinline__ size_t run_of(const Cache& cache, int row, int position, int head) {
    const int block = __ldcg(cache.blocks + __ldcg(cache.tables + row) + position / kBlockTokens);
    return (size_t)block * cache.heads + head;
}
