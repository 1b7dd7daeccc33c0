// experts: which experts compute which rows of a mixture, and the sum of what they give (Mixtral, arXiv 2401.04088).
//
//   l[i, e] = sum_c x[i, c] router[e, c];  e_1, .. e_k: experts of the k largest l[i, .], the lower one first among equals
//   share[i, j] = e^(l[i, e_j] - l[i, e_1]) / sum_j e^(l[i, e_j] - l[i, e_1])      the softmax of all, cut and divided by its sum
//   hidden[i, c] += sum_j share[i, j] y[pair(i, j), c]                             experts in ascending order
//
// A pair is a row and an expert it chose; pairs are in order of the experts, those of one expert in order of the rows.
//
//   x        Input's planes, all 24 bits, of a plain layer; of a quantized one its plain bf16
//   router   [experts, columns]  bf16
//   chosen   [rows, k]  int   experts, ascending;  shares  [rows, k]  float, the same order
//   starts   [experts + 1]  int  an expert's first pair;  rowOf  [pairs]  int;  weights  [pairs]  float
//   pairOf   [rows, k]  int;  tiles  ExpertTile of up to `tile` pairs;  tileCount  int
//   y        [pairs, columns]  float
//
// Nothing here comes from the host within a step: grids are those of the step's bucket, and how much there is is read from
// the step's head, so that a recorded graph serves any choice.
//
// Launch     experts_route: grid rows, block 256, 4 experts bytes of shared memory;  experts_group: grid 1, block 1024,
//            8 experts + 8 bytes of shared memory;  experts_add: grid (ceil(columns / 512), rows), block 128
// Requires   columns % 8 == 0; k <= 16
// Bound      l: 2^-22 (columns / 256 + 8) sum_c |x router| for given x; a share: 2^-22 for given l; experts_add exact
// Reference  ReferenceKernels.experts, HostRouting   Test  KernelsContract.mixtureOfExperts
#include "gemm.cuh"

constexpr int kMostPerRow = 16;

struct RouteArgs {
    const StepHead* step;
    Input in;
    const __nv_bfloat16* router;
    int* chosen;
    float* shares;
    int experts;
    int perRow;
};

__device__ __forceinline__ void widen(const __nv_bfloat16* from, float (&x)[8]) {
    const uint4 bits = *reinterpret_cast<const uint4*>(from);
    const uint32_t words[4] = {bits.x, bits.y, bits.z, bits.w};
#pragma unroll
    for (int i = 0; i < 4; i++) {
        x[2 * i] = __uint_as_float(words[i] << 16);
        x[2 * i + 1] = __uint_as_float(words[i] & 0xffff0000u);
    }
}

extern "C" __global__ void __launch_bounds__(256) experts_route(const __grid_constant__ RouteArgs a) {
    extern __shared__ float logits[];
    const int row = blockIdx.x;
    const int lane = threadIdx.x & 31;
    begin_dependent();
    if (row >= a.step->rows) {
        return;
    }
    const size_t at = (size_t)row * a.in.columns;
    const size_t plane = (size_t)a.in.capacity * a.in.columns;
    for (int e = threadIdx.x / 32; e < a.experts; e += blockDim.x / 32) {
        const __nv_bfloat16* weights = a.router + (size_t)e * a.in.columns;
        float sum = 0;
        for (int c = lane * 8; c < a.in.columns; c += 256) {
            float w[8];
            float x[8];
            widen(weights + c, w);
            if (a.in.planes == nullptr) {
                widen(a.in.plain + at + c, x);
            } else {
                float middle[8];
                float low[8];
                widen(a.in.planes + at + c, x);
                widen(a.in.planes + plane + at + c, middle);
                widen(a.in.planes + 2 * plane + at + c, low);
#pragma unroll
                for (int i = 0; i < 8; i++) {
                    x[i] += middle[i] + low[i];
                }
            }
#pragma unroll
            for (int i = 0; i < 8; i++) {
                sum = fmaf(x[i], w[i], sum);
            }
        }
        sum = warp_sum(sum);
        if (lane == 0) {
            logits[e] = sum;
        }
    }
    __syncthreads();
    if (threadIdx.x > 0) {
        return;
    }
    int chosen[kMostPerRow];
    double powers[kMostPerRow];
    double total = 0;
    for (int j = 0; j < a.perRow; j++) {
        int best = -1;
        for (int e = 0; e < a.experts; e++) {
            bool taken = false;
            for (int i = 0; i < j; i++) {
                taken |= chosen[i] == e;
            }
            if (!taken && (best < 0 || logits[e] > logits[best])) {
                best = e;
            }
        }
        chosen[j] = best;
        powers[j] = exp((double)logits[best] - (double)logits[chosen[0]]);
        total += powers[j];
    }
    for (int j = 0; j < a.perRow; j++) {
        int place = 0;  // among the chosen, by number
        for (int i = 0; i < a.perRow; i++) {
            place += chosen[i] < chosen[j];
        }
        a.chosen[row * a.perRow + place] = chosen[j];
        a.shares[row * a.perRow + place] = (float)(powers[j] / total);
    }
}

struct GroupArgs {
    const StepHead* step;
    const int* chosen;
    const float* shares;
    int* starts;
    int* rowOf;
    float* weights;
    int* pairOf;
    ExpertTile* tiles;
    int* tileCount;
    int experts;
    int perRow;
    int tile;
    int unused;
};

extern "C" __global__ void __launch_bounds__(1024) experts_group(const __grid_constant__ GroupArgs a) {
    extern __shared__ int counts[];  // [experts + 1] pairs before, then [experts + 1] tiles before
    int* tilesBefore = counts + a.experts + 1;
    const int lane = threadIdx.x & 31;
    const int warp = threadIdx.x / 32;
    begin_dependent();
    const int pairs = a.step->rows * a.perRow;
    for (int e = warp; e < a.experts; e += 32) {
        int count = 0;
        for (int i = 0; i < pairs; i += 32) {
            count += __popc(__ballot_sync(kAllLanes, i + lane < pairs && a.chosen[i + lane] == e));
        }
        if (lane == 0) {
            counts[e + 1] = count;
        }
    }
    __syncthreads();
    if (threadIdx.x == 0) {
        counts[0] = 0;
        tilesBefore[0] = 0;
        for (int e = 0; e < a.experts; e++) {
            tilesBefore[e + 1] = tilesBefore[e] + (counts[e + 1] + a.tile - 1) / a.tile;
            counts[e + 1] += counts[e];
        }
        *a.tileCount = tilesBefore[a.experts];
    }
    __syncthreads();
    for (int e = threadIdx.x; e <= a.experts; e += blockDim.x) {
        a.starts[e] = counts[e];
    }
    for (int e = warp; e < a.experts; e += 32) {
        int next = counts[e];
        for (int i = 0; i < pairs; i += 32) {
            const bool own = i + lane < pairs && a.chosen[i + lane] == e;
            const unsigned all = __ballot_sync(kAllLanes, own);
            if (own) {
                const int pair = next + __popc(all & ((1u << lane) - 1));
                a.rowOf[pair] = (i + lane) / a.perRow;
                a.weights[pair] = a.shares[i + lane];
                a.pairOf[i + lane] = pair;
            }
            next += __popc(all);
        }
        const int first = counts[e];
        const int count = counts[e + 1] - first;
        for (int t = lane; t * a.tile < count; t += 32) {
            a.tiles[tilesBefore[e] + t] = {e, first + t * a.tile, min(a.tile, count - t * a.tile), 0};
        }
    }
}

struct AddArgs {
    const StepHead* step;
    const float* y;
    const int* pairOf;
    const float* shares;
    float* hidden;
    int columns;
    int perRow;
};

extern "C" __global__ void __launch_bounds__(128) experts_add(const __grid_constant__ AddArgs a) {
    const int row = blockIdx.y;
    const int c = (blockIdx.x * 128 + threadIdx.x) * 4;
    begin_dependent();
    if (c >= a.columns || row >= a.step->rows) {
        return;
    }
    float4 sum = make_float4(0, 0, 0, 0);
    for (int j = 0; j < a.perRow; j++) {
        const int pair = a.pairOf[row * a.perRow + j];
        const float share = a.shares[row * a.perRow + j];
        const float4 y = *reinterpret_cast<const float4*>(a.y + (size_t)pair * a.columns + c);
        sum = make_float4(sum.x + share * y.x, sum.y + share * y.y, sum.z + share * y.z, sum.w + share * y.w);
    }
    float4* to = reinterpret_cast<float4*>(a.hidden + (size_t)row * a.columns + c);
    const float4 before = *to;
    *to = make_float4(before.x + sum.x, before.y + sum.y, before.z + sum.z, before.w + sum.w);
}
