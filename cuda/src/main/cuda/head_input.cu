// head_input: the final norm of the rows that are sampled, as the output head reads them.
//
//   x[i, c] = hidden[picked_i, c] * scale_i * weight[c],  scale_i = 1 / sqrt(mean_c(hidden[picked_i, c]^2) + epsilon)
//   parts of x: see head.cuh; the largest magnitude of a row has the digits 127, 0
//
//   hidden  [*, columns]   float
//   weight  [columns]      float
//   picked  [samples]      int32
//
// Launch     head_input_int8_T and head_input_bf16_T, T as the head's: grid (rows), block 512, columns floats of shared memory
// Requires   columns % 4 == 0
// Bound      as normalize; digits: |x - xscale (256 high + low)| <= xscale / 2, which is 2^-16 of the row's largest magnitude
// Reference  ReferenceKernels.logits       Test  CudaHeadTest
#include "head.cuh"
#include "norm.cuh"

struct HeadInputArgs {
    const StepHead* step;
    const float* hidden;
    const float* weight;
    const int* picked;
    void* parts;
    float* scales;  // [rows], INT8 only
    int columns;
    int slabs;
    float epsilon;
    int unused;
};

template <bool kInt8, int kTokens>
__device__ __forceinline__ void head_input(const HeadInputArgs& a) {
    extern __shared__ __align__(16) float values[];
    __shared__ float largest[kThreads / 32];
    begin_dependent();
    const int row = blockIdx.x;
    if (row >= a.step->samples) {
        return;
    }
    const float scale = load_row(a.hidden + (size_t)a.picked[row] * a.columns, a.columns, a.epsilon, values);
    float most = 1e-20f;
    for (int c = threadIdx.x * 4; c < a.columns; c += kThreads * 4) {
        const float4 w = *reinterpret_cast<const float4*>(a.weight + c);
        float4* to = reinterpret_cast<float4*>(values + c);
        const float4 v = make_float4(to->x * scale * w.x, to->y * scale * w.y, to->z * scale * w.z, to->w * scale * w.w);
        *to = v;
        most = fmaxf(fmaxf(most, fmaxf(fabsf(v.x), fabsf(v.y))), fmaxf(fabsf(v.z), fabsf(v.w)));
    }
    most = warp_max(most);
    if ((threadIdx.x & 31) == 0) {
        largest[threadIdx.x / 32] = most;
    }
    __syncthreads();
#pragma unroll
    for (int w = 0; w < kThreads / 32; w++) {
        most = fmaxf(most, largest[w]);
    }
    const float inverse = kDigits / most;
    constexpr int kColumns = kParts<kInt8> * kTokens;
    constexpr int kCore = kInt8 ? 16 : 8;  // columns in 16 bytes
    char* block = static_cast<char*>(a.parts) + (size_t)(row / kTokens) * a.slabs * kColumns * kSlabBytes;
    const int mine = row % kTokens;
    for (int k = threadIdx.x; k < a.slabs * 8; k += kThreads) {
        const auto place = [&](int n) {
            return reinterpret_cast<uint4*>(block + ((size_t)(k / 8) * (kColumns / 8) + n / 8) * 1024 + k % 8 * 128 + n % 8 * 16);
        };
        union {
            int8_t digits[2][16];
            __nv_bfloat16 parts[4][8];
            uint4 cores[4];
        } out;
#pragma unroll
        for (int i = 0; i < kCore; i++) {
            const int c = k * kCore + i;
            const float v = c < a.columns ? values[c] : 0.0f;
            if (kInt8) {
                const int q = (int)(fminf(fmaxf(v * inverse + kRound - kRound, -kDigits), kDigits));
                const int high = (q + 128) >> 8;
                out.digits[0][i] = (int8_t)high;
                out.digits[1][i] = (int8_t)(q - 256 * high);
            } else {
                const __nv_bfloat16 high = __float2bfloat16_rn(v);
                const float rest = v - __bfloat162float(high);
                const __nv_bfloat16 middle = __float2bfloat16_rn(rest);
                out.parts[0][i] = high;
                out.parts[1][i] = middle;
                out.parts[2][i] = __float2bfloat16_rn(rest - __bfloat162float(middle));
            }
        }
        if (kInt8) {
            *place(2 * mine) = out.cores[0];
            *place(2 * mine + 1) = out.cores[1];
        } else {
#pragma unroll
            for (int p = 0; p < 3; p++) {
                *place(p * kTokens + mine) = out.cores[p];
            }
        }
    }
    if (kInt8 && threadIdx.x == 0) {
        // what is not a number must not become one: digits cannot say it, the scale can
        a.scales[row] = isfinite(scale) && isfinite(most) ? most / kDigits : NAN;
    }
}

#define HEAD_INPUT(NAME, INT8, TOKENS)                                                                              \
    extern "C" __global__ void __launch_bounds__(kThreads) head_input_##NAME##_##TOKENS(                                   \
        const __grid_constant__ HeadInputArgs a) {                                                                  \
        head_input<INT8, TOKENS>(a);                                                                                \
    }

HEAD_INPUT(int8, true, 8)
HEAD_INPUT(int8, true, 16)
HEAD_INPUT(int8, true, 32)
HEAD_INPUT(int8, true, 64)
HEAD_INPUT(bf16, false, 8)
HEAD_INPUT(bf16, false, 16)
HEAD_INPUT(bf16, false, 32)
HEAD_INPUT(bf16, false, 64)
