// silu: the MLP's inner activation and its codes.
//
//   x[i, c] = silu(gate[i, c]) * up[i, c]          silu(z) = z / (1 + e^-z)
//   codes, scales = quantize(hadamard(x))          FORMAT.md, "Activations"
//
//   gate, up  [rows, columns]  float
//   out       Input            plain x, and codes or planes
//
// Launch     grid (ceil(columns / 128 / 8), rows), block 256: a warp a group of 128 channels
// Requires   columns % 128 == 0; no channel order (gate and up already write in down's)
// Bound      |x - reference| <= 2^-20 |reference|; codes and scales are exact for the x computed
// Reference  ReferenceKernels.gateUp       Test  KernelsContract.layerOfAMixedBatch
#include "device.cuh"

struct SiluArgs {
    const float* gate;
    const float* up;
    Input out;
};

extern "C" __global__ void __launch_bounds__(256) silu(const __grid_constant__ SiluArgs a) {
    const int row = blockIdx.y;
    const int g = blockIdx.x * 8 + threadIdx.x / 32;
    if (g >= a.out.columns / kGroup) {
        return;
    }
    const int lane = threadIdx.x & 31;
    const int c = g * kGroup + lane * 4;
    const size_t at = (size_t)row * a.out.columns + c;
    const float4 gate = *reinterpret_cast<const float4*>(a.gate + at);
    const float4 up = *reinterpret_cast<const float4*>(a.up + at);
    float x[4] = {
        gate.x / (1.0f + expf(-gate.x)) * up.x,
        gate.y / (1.0f + expf(-gate.y)) * up.y,
        gate.z / (1.0f + expf(-gate.z)) * up.z,
        gate.w / (1.0f + expf(-gate.w)) * up.w,
    };
    *reinterpret_cast<float4*>(a.out.plain + at) = make_float4(x[0], x[1], x[2], x[3]);
    if (a.out.codes != nullptr) {
        quantize_group(a.out, row, g, x);
    } else {
#pragma unroll
        for (int i = 0; i < 4; i++) {
            split(a.out, row, c + i, x[i]);
        }
    }
}
