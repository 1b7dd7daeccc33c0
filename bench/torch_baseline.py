"""The same work by PyTorch in bf16, on the first GPU: what Aril's own benchmark stands beside.

    python3 bench/torch_baseline.py [--only peak,gemm,head,attention,lora,decode,prefill]

Prints a JSON object a line, {"bench", "case", "us", ...}; about 25 s in all. CUDA graphs, CUDA
events, medians of 9. What is streamed rotates over 256 MB, so that the L2 cache does not serve it.

    peak       bf16 and INT8 products of 8192 x 8192 matrices: what the tensor cores reach
    gemm       cuBLAS bf16 and cuBLASLt fp8
    head       cuBLAS bf16, without the norm before it
    attention  SDPA: one query token a sequence, and a prompt's (attention-prefill)
    lora       gather and bmm on one 4096 x 4096 projection
    decode     one step of a Llama with random weights, the whole step in one CUDA graph
    prefill    2048 tokens of one sequence
"""

import argparse
import json
import math
import statistics

import torch
import torch.nn.functional as F

DEVICE = "cuda"
TYPE = torch.bfloat16
ROTATED_BYTES = 256 << 20
HEAD = 128

SHAPES = {
    "llama-2-7b": dict(hidden=4096, ffn=11008, layers=32, heads=32, kv=32, vocab=32000),
    "llama-3-8b": dict(hidden=4096, ffn=14336, layers=32, heads=32, kv=8, vocab=128256),
}


def put(bench, case, us, **more):
    row = dict(bench=bench, case=case, us=round(us, 2), **more, torch=torch.__version__)
    print(json.dumps(row), flush=True)


def random(*shape):
    return torch.randn(*shape, device=DEVICE, dtype=TYPE)


def copies(nbytes, most=64):
    """How many operands of so many bytes take turns."""
    return int(max(1, min(most, math.ceil(ROTATED_BYTES / max(1, nbytes)))))


def time_us(call, buffers=1, rounds=9):
    """call(i) enqueues one iteration on operand i; many are captured into a graph and replayed."""
    stream = torch.cuda.Stream()
    stream.wait_stream(torch.cuda.current_stream())
    with torch.cuda.stream(stream):
        for i in range(min(buffers, 3)):
            call(i)
        begin = torch.cuda.Event(enable_timing=True)
        end = torch.cuda.Event(enable_timing=True)
        begin.record()
        call(0)
        end.record()
        stream.synchronize()
        once = begin.elapsed_time(end)
        calls = max(buffers, min(200, math.ceil(1.5 / max(once, 1e-3))))
        if once > 3:
            calls = buffers
        graph = torch.cuda.CUDAGraph()
        with torch.cuda.graph(graph, stream=stream):
            for i in range(calls):
                call(i % buffers)
        for _ in range(2):
            graph.replay()
        times = []
        for _ in range(rounds):
            begin.record(stream)
            graph.replay()
            end.record(stream)
            stream.synchronize()
            times.append(begin.elapsed_time(end) * 1e3 / calls)
    return statistics.median(times)


def peak():
    size = 8192
    a, b = random(size, size), random(size, size)
    ops = 2 * size**3
    us = time_us(lambda i: a @ b)
    put("peak", "matmul", us, dtype="bf16", tera_ops_per_s=round(ops / us / 1e6, 1))
    a8, b8 = (torch.randint(-128, 128, (size, size), device=DEVICE, dtype=torch.int8) for _ in "ab")
    us = time_us(lambda i: torch._int_mm(a8, b8.t()))
    put("peak", "matmul", us, dtype="int8", tera_ops_per_s=round(ops / us / 1e6, 1))


def gemm():
    products = (
        ("qkv/o", 4096, 4096),
        ("up/gate 7b", 11008, 4096),
        ("down 7b", 4096, 11008),
        ("up/gate 8b", 14336, 4096),
        ("down 8b", 4096, 14336),
    )
    one = torch.ones((), device=DEVICE)
    for name, n, k in products:
        many = copies(n * k * 2)
        w = [random(n, k) for _ in range(many)]
        w8 = [x.to(torch.float8_e4m3fn) for x in w]
        for m in (1, 16, 64, 128, 256, 1024, 4096):
            x = random(m, k)
            us = time_us(lambda i: x @ w[i].t(), many)
            put("gemm", name, us, dtype="bf16", n=n, k=k, m=m)
            # fp8 takes no fewer than 16 rows
            x8 = random(max(m, 16), k).to(torch.float8_e4m3fn)
            us = time_us(
                lambda i: torch._scaled_mm(
                    x8, w8[i].t(), scale_a=one, scale_b=one, out_dtype=TYPE, use_fast_accum=True
                ),
                many,
            )
            put("gemm", name, us, dtype="fp8", n=n, k=k, m=m)


def head():
    k = 4096
    for name, shape in SHAPES.items():
        n = shape["vocab"]
        many = copies(n * k * 2)
        w = [random(n, k) for _ in range(many)]
        for m in (1, 16, 64):
            x = random(m, k)
            us = time_us(lambda i: x @ w[i].t(), many)
            put("head", name, us, n=n, k=k, m=m)


def attention():
    heads = 32
    for kv in (32, 8):
        for b, s in ((1, 1024), (16, 1024), (64, 1024), (64, 4096), (16, 32768)):
            many = copies(b * kv * s * HEAD * 4, 8)
            k = [random(b, kv, s, HEAD) for _ in range(many)]
            v = [torch.randn_like(x) for x in k]
            # the query heads of a group as rows: SDPA then reads keys and values once
            q = random(b, heads, 1, HEAD).view(b, kv, heads // kv, HEAD)
            us = time_us(lambda i: F.scaled_dot_product_attention(q, k[i], v[i]), many)
            put("attention", f"b={b} s={s} kv={kv}", us, b=b, s=s, kv=kv)
            del k, v
        for s in (512, 2048):
            q, k, v = (random(1, heads, s, HEAD) for _ in "qkv")
            us = time_us(lambda i: F.scaled_dot_product_attention(q, k, v, is_causal=True))
            put("attention-prefill", f"s={s} kv={kv}", us, s=s, kv=kv)


def lora():
    width = 4096
    for r in (16, 64):
        # distinct, uniform, skewed, identical
        for b, n in ((1, 1), (16, 16), (16, 4), (16, 6), (16, 1), (64, 64), (64, 8), (64, 9), (64, 1)):
            many = copies(n * r * 2 * width * 2)
            A = [random(n, r, width) for _ in range(many)]
            B = [random(n, width, r) for _ in range(many)]
            which = torch.arange(b, device=DEVICE) % n
            x, y = random(b, width, 1), random(b, width, 1)
            us = time_us(
                lambda i: y.add_(torch.bmm(B[i][which], torch.bmm(A[i][which], x))), many
            )
            put("lora", f"b={b} adapters={n} r={r}", us, b=b, adapters=n, r=r)


class Llama:
    """Random weights; q, k, v in one product, gate and up in another."""

    def __init__(self, shape):
        self.shape = shape
        hidden, ffn = shape["hidden"], shape["ffn"]

        def weights(*size):
            return random(*size) * 0.02

        self.embedding = weights(shape["vocab"], hidden)
        self.head = weights(shape["vocab"], hidden)
        self.norm = torch.ones(hidden, device=DEVICE, dtype=TYPE)
        self.layers = [
            dict(
                qkv=weights((shape["heads"] + 2 * shape["kv"]) * HEAD, hidden),
                o=weights(hidden, hidden),
                gate_up=weights(2 * ffn, hidden),
                down=weights(hidden, ffn),
            )
            for _ in range(shape["layers"])
        ]
        positions = torch.arange(4096, device=DEVICE).float()[:, None]
        angles = positions / 10000 ** (torch.arange(0, HEAD, 2, device=DEVICE).float() / HEAD)
        self.cos = torch.cat([angles.cos()] * 2, -1).to(TYPE)
        self.sin = torch.cat([angles.sin()] * 2, -1).to(TYPE)

    def rotate(self, x, at):
        half = HEAD // 2
        turned = torch.cat([-x[..., half:], x[..., :half]], -1)
        return x * self.cos[at] + turned * self.sin[at]

    def rms(self, x):
        return F.rms_norm(x, (self.shape["hidden"],), self.norm, 1e-5)

    def layer(self, w, x, attend):
        kv = self.shape["kv"] * HEAD
        q, k, v = (self.rms(x) @ w["qkv"].t()).split([self.shape["heads"] * HEAD, kv, kv], -1)
        x = x + attend(q, k, v) @ w["o"].t()
        gate, up = (self.rms(x) @ w["gate_up"].t()).chunk(2, -1)
        return x + (F.silu(gate) * up) @ w["down"].t()

    def decode(self, b, context):
        heads, kv = self.shape["heads"], self.shape["kv"]
        keys = [random(b, kv, context, HEAD) for _ in self.layers]
        values = [torch.randn_like(x) for x in keys]
        ids = torch.randint(0, self.shape["vocab"], (b,), device=DEVICE)
        at = torch.tensor([context - 1], device=DEVICE)

        def step(_):
            x = self.embedding[ids]
            for w, kc, vc in zip(self.layers, keys, values):

                def attend(q, k, v):
                    q = self.rotate(q.view(b, heads, 1, HEAD), at)
                    kc.index_copy_(2, at, self.rotate(k.view(b, kv, 1, HEAD), at))
                    vc.index_copy_(2, at, v.view(b, kv, 1, HEAD))
                    q = q.view(b, kv, heads // kv, HEAD)
                    return F.scaled_dot_product_attention(q, kc, vc).reshape(b, -1)

                x = self.layer(w, x, attend)
            return (self.rms(x) @ self.head.t()).argmax(-1)

        return time_us(step)

    def prefill(self, tokens):
        group = self.shape["heads"] // self.shape["kv"]
        ids = torch.randint(0, self.shape["vocab"], (tokens,), device=DEVICE)
        at = torch.arange(tokens, device=DEVICE)

        def split(x):
            return x.view(tokens, -1, HEAD).transpose(0, 1)

        def attend(q, k, v):
            q, k = self.rotate(split(q), at), self.rotate(split(k), at)
            k, v = k.repeat_interleave(group, 0), split(v).repeat_interleave(group, 0)
            out = F.scaled_dot_product_attention(q[None], k[None], v[None], is_causal=True)
            return out[0].transpose(0, 1).reshape(tokens, -1)

        def step(_):
            x = self.embedding[ids]
            for w in self.layers:
                x = self.layer(w, x, attend)
            return self.rms(x[-1:]) @ self.head.t()

        return time_us(step)


def decode():
    for name, shape in SHAPES.items():
        model = Llama(shape)
        for b in (1, 16, 64):
            us = model.decode(b, 512)
            put("decode", name, us, b=b, ctx=512, tokens_per_s=round(b / us * 1e6, 1))
        del model
        torch.cuda.empty_cache()


def prefill():
    for name, shape in SHAPES.items():
        model = Llama(shape)
        us = model.prefill(2048)
        put("prefill", name, us, tokens=2048, tokens_per_s=round(2048 / us * 1e6, 1))
        del model
        torch.cuda.empty_cache()


PARTS = dict(
    peak=peak,
    gemm=gemm,
    head=head,
    attention=attention,
    lora=lora,
    decode=decode,
    prefill=prefill,
)

if __name__ == "__main__":
    parser = argparse.ArgumentParser()
    parser.add_argument("--only", default=",".join(PARTS))
    chosen = parser.parse_args().only.split(",")
    unknown = [part for part in chosen if part not in PARTS]
    if unknown:
        parser.error(f"--only takes some of {','.join(PARTS)}, not {','.join(unknown)}")
    with torch.no_grad():
        for part in chosen:
            PARTS[part]()
