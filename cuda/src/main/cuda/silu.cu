// silu: the MLP's inner activation and its codes.
//
//   x[i, c] = silu(gate[i, c]) * up[i, c]          silu(z) = z / (1 + e^-z)
//   codes, scales = quantize(hadamard(x))          FORMAT.md, "Activations"
//
//   gate, up  [rows, columns]  float
//   out       Input            plain x, and codes or planes
//
// Launch     grid (ceil(columns / 128 / (block / 32)), rows), block 128: a warp a group of 128 channels
// Requires   columns % 128 == 0; no channel order (gate and up already write in down's)
// Bound      |x - reference| <= 2^-22 (|gate| / 2 + 4) |reference| (the rounding of -gate log2(e) is an error of e^-gate);
//            below gate = -87 both are less than 10^-36 |up|; codes and scales are exact for the x computed
// Reference  ReferenceKernels.gateUp       Test  KernelsContract.layerOfAMixedBatch
#include "device.cuh"

struct SiluArgs {
    const StepHead* step;
    const float* gate;
    const float* up;
    Input out;
    int each;  // rows of gate and up for a row of the step: experts that compute it, or 1
    int unused;
};

__device__ __forceinline__ float silu_of(float z) { return __fdividef(z, 1.0f + __expf(-z)); }

extern "C" __global__ void __launch_bounds__(256) silu(const __grid_constant__ SiluArgs a) {
    const int row = blockIdx.y;
    const int g = (blockIdx.x * blockDim.x + threadIdx.x) / 32;
    const int lane = threadIdx.x & 31;
    const int c = g * kGroup + lane * 4;
    const size_t at = (size_t)row * a.out.columns + c;
    begin_dependent();
    if (c >= a.out.columns) {
        return;
    }
    // there is memory for rows past the last one: they are loaded while it becomes known which that is
    const int rows = a.step->rows * a.each;
    const float4 gate = *reinterpret_cast<const float4*>(a.gate + at);
    const float4 up = *reinterpret_cast<const float4*>(a.up + at);
    if (row >= rows) {
        return;
    }
    float x[4] = {silu_of(gate.x) * up.x, silu_of(gate.y) * up.y, silu_of(gate.z) * up.z, silu_of(gate.w) * up.w};
    const __nv_bfloat162 plain[2] = {__floats2bfloat162_rn(x[0], x[1]), __floats2bfloat162_rn(x[2], x[3])};
    *reinterpret_cast<uint2*>(a.out.plain + at) = *reinterpret_cast<const uint2*>(plain);
    if (a.out.codes != nullptr) {
        quantize_group(a.out, row, g, x);
    } else {
#pragma unroll
        for (int i = 0; i < 4; i++) {
            split(a.out, row, c + i, x[i]);
        }
    }
}
