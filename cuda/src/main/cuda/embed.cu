// embed: look up each row's token.
//
//   hidden[i, c] = float(table[tokens[i], c])
//
//   tokens  [rows]           int32
//   table   [vocab, columns] bf16  row-major
//   hidden  [rows, columns]  float
//
// Launch     grid (rows), block 256
// Requires   every token < vocab
// Bound      exact
// Reference  ReferenceKernels.embed        Test  KernelsContract.embeddingIsALookUp
#include "device.cuh"

struct EmbedArgs {
    const int* tokens;
    const __nv_bfloat16* table;
    float* hidden;
    int columns;
};

extern "C" __global__ void embed(const __grid_constant__ EmbedArgs a) {
    const __nv_bfloat16* from = a.table + (size_t)a.tokens[blockIdx.x] * a.columns;
    float* to = a.hidden + (size_t)blockIdx.x * a.columns;
    for (int c = threadIdx.x; c < a.columns; c += blockDim.x) {
        to[c] = __bfloat162float(from[c]);
    }
}
