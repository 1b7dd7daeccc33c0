// attention_merge: joins what attention left of each row, and makes the output projection's input of it.
//
//   M = max(M, m_c);  l = l 2^(M' - M) + l_c 2^(m_c - M);  o = o 2^(M' - M) + o_c 2^(m_c - M)     chunks c in order
//   x = hadamard(o / l) for a quantized cache, else o / l
//   codes, scales = quantize(hadamard(order(all heads' x)))     FORMAT.md, "Activations"
//
//   mixed  [slots, heads, D] float;  stats  [slots, heads] float2 (maximum, sum);  joins  [rows] first slot, count
//   out    Input                                plain x, and codes or planes
//
// Slots of chunks before a row's window hold nothing and are not read.
//
// A warp joins a head, then encodes a group, whose channels it reads from the shared memory of the thread block or, for few
// rows, of a cluster of eight, each with an eighth of the heads and of the groups. A cluster takes about 60 ns to launch.
//
// Launch     for D = 64, 128, heads * D floats of shared memory:
//            attention_merge_D       grid (1, rows), block 32 min(heads, 32)
//            attention_merge_many_D  grid (1, rows), block 32 min(heads, 8): many rows
//            attention_merge_cluster_D  grid (8, rows), block 32 min(ceil(heads / 8), 8), compute capability 9.0: few rows;
//            an eighth of the shared memory, rounded up to whole heads
// Requires   the order is 16-byte aligned
// Bound      codes: one group's scale for given sums
// Reference  ReferenceKernels.attend   Test  KernelsContract.layerOfAMixedBatch
#include "attention.cuh"

struct MergeArgs {
    const StepHead* step;
    const Join* joins;
    const float* mixed;
    const float2* stats;
    const int* positions;  // [rows]
    Input out;
    int heads;
    int rotated;  // undo the rotation of the values; 0 for a plain cache, whose rows have one slot each
    int window;   // positions a row sees; INT_MAX for all
    int unused;
};

template <int N>
struct alignas(4 * N) Mixed {
    float x[N];
};

template <int N>
struct alignas(2 * N) Plain {
    __nv_bfloat16 x[N];
};

// One head's chunks in order, N channels a lane; returns the sum of weights.
template <int N, int kAhead>
__device__ __forceinline__ float join_chunks(const MergeArgs& a, const Join& slots, int head, float (&o)[N]) {
    const int lane = threadIdx.x & 31;
    float most = -INFINITY;
    float sum = 0;
#pragma unroll
    for (int i = 0; i < N; i++) {
        o[i] = 0;
    }
    for (int c = 0; c < slots.count; c += 32) {
        const int count = min(32, slots.count - c);
        const size_t first = (size_t)(slots.slot + c) * a.heads + head;
        const float2 own = lane < count ? a.stats[first + (size_t)lane * a.heads] : make_float2(-INFINITY, 0);
        const Mixed<N>* from = reinterpret_cast<const Mixed<N>*>(a.mixed) + first * 32 + lane;
        Mixed<N> next[kAhead];
#pragma unroll
        for (int i = 0; i < kAhead; i++) {
            if (i < count) {
                next[i] = from[(size_t)i * a.heads * 32];
            }
        }
        // the maximum up to each chunk
        float upto = fmaxf(most, own.x);
#pragma unroll
        for (int step = 1; step < 32; step *= 2) {
            if (step < count) {
                const float other = __shfl_up_sync(kAllLanes, upto, step);
                upto = lane >= step ? fmaxf(upto, other) : upto;
            }
        }
        const float before = __shfl_up_sync(kAllLanes, upto, 1);
        const Joint joint = join(lane == 0 ? most : before, own.x);
        for (int i = 0; i < count; i += kAhead) {
#pragma unroll
            for (int k = 0; k < kAhead; k++) {
                if (i + k < count) {
                    const Mixed<N> x = next[k];
                    if (i + k + kAhead < count) {
                        next[k] = from[(size_t)(i + k + kAhead) * a.heads * 32];
                    }
                    Joint here;
                    here.older = __shfl_sync(kAllLanes, joint.older, i + k);
                    here.newer = __shfl_sync(kAllLanes, joint.newer, i + k);
                    sum = joined(here, sum, __shfl_sync(kAllLanes, own.y, i + k));
#pragma unroll
                    for (int j = 0; j < N; j++) {
                        o[j] = joined(here, o[j], x.x[j]);
                    }
                }
            }
        }
        most = __shfl_sync(kAllLanes, upto, count - 1);
    }
    return sum;
}

// Shared memory of another thread block of the cluster, where there are clusters.
__device__ __forceinline__ uint32_t place_in(const float* x, int block, bool cluster) {
    const uint32_t place = shared_place(x);
#ifdef ARIL_HOPPER
    return cluster ? in_block(place, block) : place;
#else
    return place;
#endif
}

__device__ __forceinline__ float load_from(uint32_t place, bool cluster) {
    float x;
#ifdef ARIL_HOPPER
    if (cluster) {
        asm volatile("ld.shared::cluster.f32 %0, [%1];" : "=f"(x) : "r"(place) : "memory");
        return x;
    }
#endif
    asm volatile("ld.shared.f32 %0, [%1];" : "=f"(x) : "r"(place) : "memory");
    return x;
}

template <int kBlocks>
__device__ __forceinline__ void sync() {
#ifdef ARIL_HOPPER
    if (kBlocks > 1) {
        cluster_arrive();
        cluster_wait();
        return;
    }
#endif
    __syncthreads();
}

template <int N, int kBlocks, int kAhead>
__device__ __forceinline__ void attention_merge(const MergeArgs& a) {
    constexpr int D = 32 * N;
    extern __shared__ __align__(16) float x[];
    const int row = blockIdx.y;
    const int lane = threadIdx.x & 31;
    const int warp = threadIdx.x / 32;
    const int warps = blockDim.x / 32;
    if (row >= __ldcg(&a.step->rows)) {
        begin_dependent();
        return;
    }
    const int perBlock = (a.heads + kBlocks - 1) / kBlocks;
    const int firstHead = blockIdx.x * perBlock;
    const int endHead = min(firstHead + perBlock, a.heads);
    const int groups = a.out.codes == nullptr ? 0 : a.out.columns / kGroup;
    const int groupsPerBlock = (groups + kBlocks - 1) / kBlocks;
    const int firstGroup = blockIdx.x * groupsPerBlock;
    const int endGroup = min(firstGroup + groupsPerBlock, groups);
    Join slots;
    {
        const int2 both = __ldcg(reinterpret_cast<const int2*>(a.joins) + row);
        slots = {both.x, a.rotated ? both.y : 1};
        if (slots.count > 1) {
            const int before = first_seen(__ldcg(a.positions + row), a.window) / kChunk;
            slots.slot += before;
            slots.count -= before;
        }
    }

    // where a group's four channels of this lane lie in the shared memory of all blocks
    uint32_t places[4];
    auto locate = [&](int group) {
        int4 c = make_int4(0, 1, 2, 3);
        const int j = group * kGroup + lane * 4;
        if (a.out.order != nullptr) {
            c = __ldg(reinterpret_cast<const int4*>(a.out.order + j));
        } else {
            c = make_int4(j, j + 1, j + 2, j + 3);
        }
        const int channels[4] = {c.x, c.y, c.z, c.w};
#pragma unroll
        for (int i = 0; i < 4; i++) {
            const int block = kBlocks == 1 ? 0 : channels[i] / (perBlock * D);
            places[i] = place_in(x + (channels[i] - block * perBlock * D), block, kBlocks > 1);
        }
    };
    if (firstGroup + warp < endGroup) {
        locate(firstGroup + warp);
    }
    begin_dependent();

    for (int h = firstHead + warp; h < endHead; h += warps) {
        float o[N];
        const float inverse = 1.0f / join_chunks<N, kAhead>(a, slots, h, o);
#pragma unroll
        for (int i = 0; i < N; i++) {
            o[i] *= inverse;
        }
        if (a.rotated) {
            hadamard<N>(o);
        }
        Mixed<N> mixed;
        Plain<N> plain;
#pragma unroll
        for (int i = 0; i < N; i++) {
            mixed.x[i] = o[i];
            plain.x[i] = __float2bfloat16_rn(o[i]);
        }
        reinterpret_cast<Mixed<N>*>(x + (h - firstHead) * D)[lane] = mixed;
        reinterpret_cast<Plain<N>*>(a.out.plain + ((size_t)row * a.heads + h) * D)[lane] = plain;
        if (a.out.codes == nullptr) {
#pragma unroll
            for (int i = 0; i < N; i++) {
                split(a.out, row, h * D + lane * N + i, o[i]);
            }
        }
    }
    if (groups == 0) {
        return;
    }
    sync<kBlocks>();
    for (int group = firstGroup + warp; group < endGroup; group += warps) {
        if (group != firstGroup + warp) {
            locate(group);
        }
        float v[4];
#pragma unroll
        for (int i = 0; i < 4; i++) {
            v[i] = load_from(places[i], kBlocks > 1);
        }
        quantize_group(a.out, row, group, v);
    }
    if (kBlocks > 1) {
        sync<kBlocks>();  // nobody's shared memory goes before all have read it
    }
}

extern "C" __global__ void __launch_bounds__(1024) attention_merge_64(const __grid_constant__ MergeArgs a) { attention_merge<2, 1, 4>(a); }
extern "C" __global__ void __launch_bounds__(1024) attention_merge_128(const __grid_constant__ MergeArgs a) { attention_merge<4, 1, 4>(a); }

extern "C" __global__ void __launch_bounds__(256, 5) attention_merge_many_64(const __grid_constant__ MergeArgs a) { attention_merge<2, 1, 1>(a); }
extern "C" __global__ void __launch_bounds__(256, 5) attention_merge_many_128(const __grid_constant__ MergeArgs a) { attention_merge<4, 1, 1>(a); }

#if defined(ARIL_HOPPER) || !defined(__CUDA_ARCH__)
extern "C" __global__ void __cluster_dims__(8, 1, 1) __launch_bounds__(256) attention_merge_cluster_64(const __grid_constant__ MergeArgs a) { attention_merge<2, 8, 8>(a); }
extern "C" __global__ void __cluster_dims__(8, 1, 1) __launch_bounds__(256) attention_merge_cluster_128(const __grid_constant__ MergeArgs a) { attention_merge<4, 8, 8>(a); }
#endif
