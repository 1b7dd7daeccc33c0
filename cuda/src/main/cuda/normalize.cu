// normalize: RMSNorm of each row, then what its layer reads.
//
//   x[i, c] = hidden[i, c] * scale_i * weight[c],  scale_i = 1 / sqrt(mean_c(hidden[i, c]^2) + epsilon)
//   codes, scales = quantize(hadamard(order(x)))          FORMAT.md, "Activations"
//
//   hidden  [*, columns]     float
//   weight  [columns]        float
//   out     Input            plain x, and codes or planes
//
// Every thread block of a row sums the whole row, in the same order, and writes its share of the columns: so the number of
// blocks a row has changes nothing. What no earlier kernel writes (order, weight) is loaded before the wait.
//
// Launch     grid (blocks a row, rows), block 512, columns floats of shared memory
// Requires   columns % 128 == 0 for codes, % 4 otherwise
// Bound      |x - reference| <= 2^-20 |reference| (24 roundings of a sum's half, 3 of the scale, 2 of x); codes and scales
//            are exact for the x computed
// Reference  ReferenceKernels.normalize    Test  KernelsContract.normalizeWritesThePlainRows
#include "norm.cuh"

struct NormalizeArgs {
    const StepHead* step;
    const float* hidden;
    const float* weight;
    Input out;
    float epsilon;
};

extern "C" __global__ void __launch_bounds__(kThreads) normalize(const __grid_constant__ NormalizeArgs a) {
    extern __shared__ __align__(16) float x[];
    let_next_begin();
    const int row = blockIdx.y;
    const int columns = a.out.columns;
    const int unit = a.out.codes == nullptr ? 4 : kGroup;
    const int first = columns / unit * (int)blockIdx.x / (int)gridDim.x * unit;
    const int end = columns / unit * ((int)blockIdx.x + 1) / (int)gridDim.x * unit;
    const int lane = threadIdx.x & 31;

    // this thread's first columns: in the stored order, and as the codes take them
    int c = first + 4 * threadIdx.x;
    int j = first + threadIdx.x / 32 * kGroup + 4 * lane;
    const auto weight_of = [&](int at) { return __ldg(reinterpret_cast<const float4*>(a.weight + at)); };
    const auto order_of = [&](int at) {
        return a.out.order == nullptr ? make_int4(at, at + 1, at + 2, at + 3) : __ldg(reinterpret_cast<const int4*>(a.out.order + at));
    };
    const auto gathered = [&](const int4& from) {
        return make_float4(__ldg(a.weight + from.x), __ldg(a.weight + from.y), __ldg(a.weight + from.z), __ldg(a.weight + from.w));
    };
    const bool coded = a.out.codes != nullptr && j < end;
    int4 from = make_int4(0, 0, 0, 0);
    float4 by = make_float4(0, 0, 0, 0);
    float4 plain = make_float4(0, 0, 0, 0);
    if (coded) {
        from = order_of(j);
        by = gathered(from);
    }
    if (c < end) {
        plain = weight_of(c);
    }

    wait_for_previous();
    const int rows = a.step->rows;
    const float scale = load_row(a.hidden + (size_t)row * columns, columns, a.epsilon, x);
    if (row >= rows) {
        return;
    }
    if (coded) {
        while (true) {
            float v[4] = {x[from.x] * scale * by.x, x[from.y] * scale * by.y, x[from.z] * scale * by.z, x[from.w] * scale * by.w};
            quantize_group(a.out, row, j / kGroup, v);
            j += kThreads * 4;
            if (j >= end) {
                break;
            }
            from = order_of(j);
            by = gathered(from);
        }
    }
    while (c < end) {
        const float4 v = *reinterpret_cast<const float4*>(x + c);
        const float y[4] = {v.x * scale * plain.x, v.y * scale * plain.y, v.z * scale * plain.z, v.w * scale * plain.w};
        const __nv_bfloat162 two[2] = {__floats2bfloat162_rn(y[0], y[1]), __floats2bfloat162_rn(y[2], y[3])};
        *reinterpret_cast<uint2*>(a.out.plain + (size_t)row * columns + c) = *reinterpret_cast<const uint2*>(two);
        if (a.out.codes == nullptr) {
#pragma unroll
            for (int i = 0; i < 4; i++) {
                split(a.out, row, c + i, y[i]);
            }
        }
        c += kThreads * 4;
        if (c < end) {
            plain = weight_of(c);
        }
    }
}
