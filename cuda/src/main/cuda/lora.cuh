// What lora_shrink and lora_expand share: how adapters and a step's work lie in memory, and the way of the weights
// into shared memory.
//
// A group is what reads one input: q, k and v; o; gate and up; down. An adapter's matrices are stored in the order
// in which the tensor cores' fragments want them, in octets: 8 ranks, the last one of a matrix filled up with zeros.
//
//   A  of a whole group, matrix after matrix: [octets][columns / 32] tiles of 8 ranks x 32 columns: lane 4 g + t has
//      columns 8 t .. 8 t + 7 of rank g
//   B  of each matrix: [ceil(out / 32)][octets] tiles of 32 outputs x 8 ranks: lane 4 g + t has outputs 4 g .. 4 g + 3
//      of ranks 2 t and 2 t + 1
//
//   bf16   16 bytes a lane, in the order named: A's columns; B's output by output, both ranks of each
//   INT8   8 bytes a lane, in each 4 of which the middle two are swapped, so that a mask finds the pairs; after A's
//          tiles [octets][8] float scales, one a rank; after B's [ceil(out / 32)][32] bf16 scales, one an output
#pragma once

#include "device.cuh"

constexpr int kLoraGroups = 4;
constexpr int kLoraThreads = 256;
constexpr int kLoraWarps = kLoraThreads / 32;
constexpr int kLoraChunk = 1024;   // columns a piece of lora_shrink's work has, 128 a warp
constexpr int kOctet = 8;          // ranks
constexpr int kTileValues = 256;   // of a tile of A or B
constexpr int kTileOutputs = 32;   // of a tile of B
constexpr int kSlots = 8;          // tiles of which a thread holds its lane's part, a stage
constexpr int kHeads = 16;         // pieces of work that a thread block knows at once

// A piece of work: up to 8 (or 64) consecutive rows of one adapter times a part of a group's or projection's matrix.
struct __align__(16) LoraItem {
    const char* base;      // the matrix in layer 0, or the adapter's table
    uint32_t stride;       // bytes / 16 from layer to layer; 0 where base is the table
    int row;               // the first
    int v;                 // where the rows' shrunk values lie, [parts][rows][group * 8] floats
    int first;             // lora_shrink: octet; lora_expand: output
    uint8_t rows;
    uint8_t group;         // octets of the group's A; of a table the largest of all layers
    uint8_t before;        // lora_expand: those of the matrices before this one
    uint8_t octets;        // lora_expand: of this one
    uint8_t slice;         // lora_expand: which of the group's
    uint8_t tiles;         // lora_expand: of outputs
    uint8_t format;        // 0 bf16, 1 INT8
    uint8_t unused;
};

// An entry of the table [layers, 4] of an adapter whose layers differ.
struct LoraGroup {
    const char* a;
    const char* b[3];
    uint8_t octets[3];  // 0 where a projection is not adapted
    uint8_t unused[5];
};

__device__ __forceinline__ uint32_t shared_address(const void* p) { return (uint32_t)__cvta_generic_to_shared(p); }

// Starts a copy into shared memory. A cache hint here was an illegal instruction to an H200.
__device__ __forceinline__ void copy16(void* to, const void* from) {
    asm volatile("cp.async.cg.shared.global [%0], [%1], 16;" ::"r"(shared_address(to)), "l"(from) : "memory");
}

__device__ __forceinline__ void copy8(void* to, const void* from) {
    asm volatile("cp.async.ca.shared.global [%0], [%1], 8;" ::"r"(shared_address(to)), "l"(from) : "memory");
}

// Ends a group of copies; every thread ends as many, also empty ones.
__device__ __forceinline__ void end_copies() { asm volatile("cp.async.commit_group;" ::: "memory"); }

// Until all but the latest kPending groups of this thread's copies have arrived.
template <int kPending>
__device__ __forceinline__ void await_copies() {
    asm volatile("cp.async.wait_group %0;" ::"n"(kPending) : "memory");
}

// A lane's part of a tile, 16 or 8 bytes, into its place of a stage [slots][threads]. Nobody else reads it.
__device__ __forceinline__ void fetch_tile(char* stage, int slot, const char* tile, bool int8) {
    const int lane = threadIdx.x & 31;
    const int place = slot * kLoraThreads + threadIdx.x;
    if (int8) {
        copy8(stage + place * 8, tile + lane * 8);
    } else {
        copy16(stage + place * 16, tile + lane * 16);
    }
}

// Bytes 0 and 2 of a code word, exactly: 128 + its low 7 bits, less 128 or, where it is negative, 256.
__device__ __forceinline__ uint32_t code_pair(uint32_t word) {
    const uint32_t low = (word & 0x007f007fu) | 0x43004300u;
    const uint32_t sign = (word & 0x00800080u) | 0x43004300u;
    const __nv_bfloat162 x = __hsub2(reinterpret_cast<const __nv_bfloat162&>(low), reinterpret_cast<const __nv_bfloat162&>(sign));
    return reinterpret_cast<const uint32_t&>(x);
}

__device__ __forceinline__ uint4 widen(uint2 codes) {
    return make_uint4(code_pair(codes.x), code_pair(codes.x >> 8), code_pair(codes.y), code_pair(codes.y >> 8));
}

template <bool kInt8>
__device__ __forceinline__ uint4 fragment(const char* stage, int slot) {
    const int place = slot * kLoraThreads + threadIdx.x;
    if (kInt8) {
        return widen(reinterpret_cast<const uint2*>(stage)[place]);
    }
    return reinterpret_cast<const uint4*>(stage)[place];
}

// c[16, 8] += a[16, 16] * b[16, 8]
__device__ __forceinline__ void mma(float (&c)[4], uint32_t a0, uint32_t a1, uint32_t a2, uint32_t a3, uint32_t b0, uint32_t b1) {
    asm("mma.sync.aligned.m16n8k16.row.col.f32.bf16.bf16.f32 {%0,%1,%2,%3}, {%4,%5,%6,%7}, {%8,%9}, {%0,%1,%2,%3};"
        : "+f"(c[0]), "+f"(c[1]), "+f"(c[2]), "+f"(c[3])
        : "r"(a0), "r"(a1), "r"(a2), "r"(a3), "r"(b0), "r"(b1));
}
