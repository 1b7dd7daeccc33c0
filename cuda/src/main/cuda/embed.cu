// embed: look up each row's token.
//
//   hidden[i, c] = float(table[tokens[i], c])
//
//   tokens  [rows]           int32
//   table   [vocab, columns] bf16  row-major
//   hidden  [rows, columns]  float
//
// Launch     grid (ceil(columns / 1024), rows), block 128: 8 columns a thread
// Requires   every token < vocab; columns % 8 == 0
// Bound      exact
// Reference  ReferenceKernels.embed        Test  KernelsContract.embeddingIsALookUp
#include "device.cuh"

struct EmbedArgs {
    const StepHead* step;
    const int* tokens;
    const __nv_bfloat16* table;
    float* hidden;
    int columns;
    int unused;
};

extern "C" __global__ void __launch_bounds__(128) embed(const __grid_constant__ EmbedArgs a) {
    const int row = blockIdx.y;
    const int c = (blockIdx.x * 128 + threadIdx.x) * 8;
    begin_dependent();
    if (c >= a.columns || row >= a.step->rows) {
        return;
    }
    union {
        uint4 bits;
        __nv_bfloat162 pairs[4];
    } from;
    from.bits = __ldg(reinterpret_cast<const uint4*>(a.table + (size_t)a.tokens[row] * a.columns + c));
    float4* to = reinterpret_cast<float4*>(a.hidden + (size_t)row * a.columns + c);
#pragma unroll
    for (int i = 0; i < 2; i++) {
        const float2 low = __bfloat1622float2(from.pairs[2 * i]);
        const float2 high = __bfloat1622float2(from.pairs[2 * i + 1]);
        to[i] = make_float4(low.x, low.y, high.x, high.y);
    }
}
