"""Makes the fixtures of GoldenArchitecturesTest: small random checkpoints and what transformers computes from them.

    python make.py OUT

Needs numpy, torch and transformers; no network, no GPU. Each checkpoint is written as the hub spells it (config.json,
safetensors), read back by transformers, and run in fp32 on the CPU. The weights are few small integers times a power of
two: exact in F32, F16 and BF16 alike, and short when compressed. OUT gets, for each architecture,

    config.json, model.safetensors.gz (or shards and their index), golden.json

golden.json holds sequences of ids and, for each position but the last, the log-probability of the id that follows and of
COLUMNS others: column j at position p is id (7 p + 64 j) mod vocabulary. Beside them OUT/tokenizer.json knows one id a byte,
for imports that need text. For each architecture the log also says by how much the numbers change when a trait is taken
away: a fixture that does not feel its own trait would prove nothing.
"""

import gzip
import json
import os
import shutil
import struct
import sys
import tempfile
import traceback
import zlib

import numpy as np
import torch
import transformers
from transformers import AutoModelForCausalLM

VOCABULARY = 512
HIDDEN = 256
LAYERS = 2
COLUMNS = 8
LENGTHS = (48, 160)

BASE = {
    "hidden_size": HIDDEN,
    "intermediate_size": 256,
    "num_hidden_layers": LAYERS,
    "num_attention_heads": 4,
    "num_key_value_heads": 2,
    "vocab_size": VOCABULARY,
    "max_position_embeddings": 512,
    "rms_norm_eps": 1e-5,
    "hidden_act": "silu",
    "initializer_range": 0.02,
    "use_cache": True,
    "attention_dropout": 0.0,
    "bos_token_id": 1,
    "eos_token_id": 2,
    "tie_word_embeddings": False,
    "rope_theta": 10000.0,
}

LLAMA = {"architectures": ["LlamaForCausalLM"], "model_type": "llama", "attention_bias": False, "mlp_bias": False, "pretraining_tp": 1}

LLAMA3 = {
    "rope_type": "llama3",
    "factor": 8.0,
    "low_freq_factor": 1.0,
    "high_freq_factor": 4.0,
    "original_max_position_embeddings": 64,
}

# name, what config.json adds (None: takes away), how the weights are stored, files, what each trait's absence would be
ARCHITECTURES = [
    {
        "name": "llama-2",
        "config": {**LLAMA, "num_key_value_heads": 4, "intermediate_size": 384, "rope_scaling": None, "torch_dtype": "bfloat16"},
        "without": {"theta": {"rope_theta": 500000.0}},
    },
    {
        "name": "llama-3.1",
        "config": {**LLAMA, "tie_word_embeddings": True, "rope_theta": 50000.0, "rope_scaling": LLAMA3, "torch_dtype": "bfloat16"},
        "files": 3,
        "without": {"llama3 scaling": {"rope_scaling": None}},
    },
    {
        "name": "llama-linear",
        "config": {**LLAMA, "attention_bias": True, "rope_scaling": {"type": "linear", "factor": 4.0}, "torch_dtype": "float32"},
        "type": "F32",
        "without": {"linear scaling": {"rope_scaling": None}},
    },
    {
        "name": "llama-dynamic",
        "config": {
            **LLAMA,
            "rope_theta": None,
            "max_position_embeddings": 64,
            "rope_parameters": {"rope_type": "dynamic", "factor": 2.5, "rope_theta": 10000.0},
            "dtype": "float16",
        },
        "type": "F16",
        "stepwise": True,  # frequencies follow the sequence as it grows: id by id, as it is generated
        "without": {"dynamic scaling": {"rope_parameters": {"rope_type": "default", "rope_theta": 10000.0}}},
    },
    {
        "name": "mistral",
        "config": {
            "architectures": ["MistralForCausalLM"],
            "model_type": "mistral",
            "num_attention_heads": 8,
            "head_dim": 64,
            "sliding_window": 21,
            "torch_dtype": "bfloat16",
        },
        "without": {"window": {"sliding_window": None}},
    },
    {
        "name": "qwen2",
        "config": {
            "architectures": ["Qwen2ForCausalLM"],
            "model_type": "qwen2",
            "rms_norm_eps": 1e-6,
            "bos_token_id": None,
            "sliding_window": 37,
            "use_sliding_window": True,
            "max_window_layers": 1,
            "torch_dtype": "bfloat16",
        },
        "without": {"window": {"use_sliding_window": False}, "first layers' exemption": {"max_window_layers": 0}},
    },
    {
        "name": "qwen3",
        "config": {
            "architectures": ["Qwen3ForCausalLM"],
            "model_type": "qwen3",
            "rms_norm_eps": 1e-6,
            "bos_token_id": None,
            "head_dim": 128,
            "num_key_value_heads": 1,
            "tie_word_embeddings": True,
            "attention_bias": False,
            "sliding_window": None,
            "use_sliding_window": False,
            "max_window_layers": 2,
            "rope_scaling": None,
            "torch_dtype": "bfloat16",
        },
        "without": {"theta": {"rope_theta": 500000.0}},
    },
    {
        "name": "mixtral",
        "config": {
            "architectures": ["MixtralForCausalLM"],
            "model_type": "mixtral",
            "num_local_experts": 4,
            "num_experts_per_tok": 2,
            "output_router_logits": False,
            "router_aux_loss_coef": 0.02,
            "router_jitter_noise": 0.0,
            "rope_theta": 1000000.0,
            "sliding_window": None,
            "torch_dtype": "bfloat16",
        },
        "without": {"second expert": {"num_experts_per_tok": 1}},
    },
]


def integers(name, shape, scale):
    """Whole numbers from -3 to 3, times the scale."""
    random = np.random.RandomState(zlib.crc32(name.encode()) & 0x7FFFFFFF)
    return (random.randint(-3, 4, size=shape) * scale).astype(np.float32)


def norm(name, width):
    """Around 1, in eighths; a few channels are strong, as in trained models."""
    random = np.random.RandomState(zlib.crc32(name.encode()) & 0x7FFFFFFF)
    values = random.randint(5, 13, size=width) / 8.0
    values[random.choice(width, 3, replace=False)] *= 4
    return values.astype(np.float32)


def tensors(config, salt):
    hidden = config["hidden_size"]
    inner = config["intermediate_size"]
    heads = config["num_attention_heads"]
    head = config.get("head_dim") or hidden // heads
    q = heads * head
    kv = config["num_key_value_heads"] * head
    kind = config["model_type"]
    all = {}

    def weight(name, rows, columns, scale):
        all[name] = integers(salt + name, (rows, columns), scale)

    weight("model.embed_tokens.weight", VOCABULARY, hidden, 2.0**-4)
    for l in range(config["num_hidden_layers"]):
        at = "model.layers.%d." % l
        all[at + "input_layernorm.weight"] = norm(salt + at + "in", hidden)
        all[at + "post_attention_layernorm.weight"] = norm(salt + at + "post", hidden)
        weight(at + "self_attn.q_proj.weight", q, hidden, 2.0**-5)
        weight(at + "self_attn.k_proj.weight", kv, hidden, 2.0**-5)
        weight(at + "self_attn.v_proj.weight", kv, hidden, 2.0**-5)
        weight(at + "self_attn.o_proj.weight", hidden, q, 2.0**-5)
        biased = {"qwen2": "qkv"}.get(kind, "qkvo" if config.get("attention_bias") else "")
        for p in biased:
            name = at + "self_attn.%s_proj.bias" % p
            all[name] = integers(salt + name, (hidden if p == "o" else q if p == "q" else kv,), 0.25)
        if kind == "qwen3":
            all[at + "self_attn.q_norm.weight"] = norm(salt + at + "q", head)
            all[at + "self_attn.k_norm.weight"] = norm(salt + at + "k", head)
        if kind == "mixtral":
            weight(at + "block_sparse_moe.gate.weight", config["num_local_experts"], hidden, 2.0**-5)
            for e in range(config["num_local_experts"]):
                expert = at + "block_sparse_moe.experts.%d." % e
                weight(expert + "w1.weight", inner, hidden, 2.0**-5)
                weight(expert + "w2.weight", hidden, inner, 2.0**-4)
                weight(expert + "w3.weight", inner, hidden, 2.0**-5)
        else:
            weight(at + "mlp.gate_proj.weight", inner, hidden, 2.0**-5)
            weight(at + "mlp.up_proj.weight", inner, hidden, 2.0**-5)
            weight(at + "mlp.down_proj.weight", hidden, inner, 2.0**-4)
    all["model.norm.weight"] = norm(salt + "final", hidden)
    if not config["tie_word_embeddings"]:
        weight("lm_head.weight", VOCABULARY, hidden, 2.0**-4)
    return all


def stored(values, type):
    values = np.ascontiguousarray(values, dtype="<f4")
    if type == "F32":
        return values.tobytes()
    if type == "F16":
        assert (values.astype("<f2").astype("<f4") == values).all()
        return values.astype("<f2").tobytes()
    bits = values.view("<u4")
    assert (bits & 0xFFFF == 0).all()
    return (bits >> 16).astype("<u2").tobytes()


def write(path, chosen, type):
    header, data, at = {"__metadata__": {"format": "pt"}}, [], 0
    for name, values in chosen.items():
        raw = stored(values, type)
        header[name] = {"dtype": type, "shape": list(values.shape), "data_offsets": [at, at + len(raw)]}
        data.append(raw)
        at += len(raw)
    head = json.dumps(header).encode()
    head += b" " * (-len(head) % 8)
    with open(path, "wb") as out:
        out.write(struct.pack("<Q", len(head)) + head + b"".join(data))


def checkpoint(folder, config, all, files, type):
    with open(os.path.join(folder, "config.json"), "w") as out:
        json.dump(config, out, indent=2)
        out.write("\n")
    if files == 1:
        write(os.path.join(folder, "model.safetensors"), all, type)
        return
    names = sorted(all)
    size = sum(v.size for v in all.values()) * {"F32": 4}.get(type, 2)
    index = {"metadata": {"total_size": size}, "weight_map": {}}
    for f in range(files):
        file = "model-%05d-of-%05d.safetensors" % (f + 1, files)
        own = names[f::files]
        write(os.path.join(folder, file), {n: all[n] for n in own}, type)
        index["weight_map"].update({n: file for n in own})
    index["weight_map"] = dict(sorted(index["weight_map"].items()))
    with open(os.path.join(folder, "model.safetensors.index.json"), "w") as out:
        json.dump(index, out, indent=1)
        out.write("\n")


def load(folder):
    failure = None
    # newer and older spellings
    for more in ({"dtype": torch.float32, "experts_implementation": "eager"}, {"dtype": torch.float32}, {"torch_dtype": torch.float32}):
        try:
            model, info = AutoModelForCausalLM.from_pretrained(
                folder, attn_implementation="eager", output_loading_info=True, local_files_only=True, **more
            )
            break
        except (TypeError, ValueError, AttributeError) as e:
            failure = e
            print("    with", sorted(more), "it says:", repr(e)[:300])
    else:
        raise failure
    info = info if isinstance(info, dict) else vars(info)
    for key, value in info.items():
        if value:
            print("    loading:", key, value)
    missing = [k for k in info.get("missing_keys", []) if k != "lm_head.weight"]
    if missing or info.get("unexpected_keys") or info.get("mismatched_keys"):
        raise ValueError("the checkpoint is not what transformers expects")
    model = model.float().eval()
    wrong = [n for n, p in model.named_parameters() if p.dtype != torch.float32]
    if wrong:
        raise ValueError("not in fp32: %s" % wrong)
    return model


@torch.no_grad()
def log_probabilities(model, ids, stepwise):
    all = torch.tensor([ids])
    if not stepwise:
        return torch.log_softmax(model(input_ids=all, use_cache=False).logits[0].double(), -1).numpy()
    past, rows = None, []
    for p in range(len(ids)):
        out = model(
            input_ids=all[:, p : p + 1],
            position_ids=torch.tensor([[p]]),
            past_key_values=past,
            use_cache=True,
        )
        past = out.past_key_values
        rows.append(torch.log_softmax(out.logits[0, 0].double(), -1).numpy())
    return np.stack(rows)


def sequences(name, bos):
    random = np.random.RandomState(zlib.crc32(name.encode()) & 0x7FFFFFFF)
    for length in LENGTHS:
        ids = random.randint(3, VOCABULARY, size=length).tolist()
        if bos is not None:
            ids[0] = bos
        yield ids


def columns(ids, table):
    rows = []
    for p in range(len(ids) - 1):
        chosen = [ids[p + 1]] + [(7 * p + 64 * j) % VOCABULARY for j in range(COLUMNS)]
        rows.append([round(float(table[p, i]), 5) for i in chosen])
    return rows


def compress(path):
    with open(path, "rb") as source, open(path + ".gz", "wb") as target:
        with gzip.GzipFile(filename="", mode="wb", compresslevel=9, fileobj=target, mtime=0) as packed:
            shutil.copyfileobj(source, packed)
    os.remove(path)


def make(a, out):
    name = a["name"]
    config = {k: v for k, v in {**BASE, **a["config"]}.items() if k != "rope_theta" or v is not None}
    folder = os.path.join(out, name)
    shutil.rmtree(folder, ignore_errors=True)
    os.makedirs(folder)
    all = tensors(config, name + "/")
    files, type, stepwise = a.get("files", 1), a.get("type", "BF16"), a.get("stepwise", False)
    checkpoint(folder, config, all, files, type)
    model = load(folder)
    print("    " + model.__class__.__name__, {k: v for k, v in model.config.to_dict().items() if "rope" in k or "window" in k or k == "layer_types"})
    ids = list(sequences(name, config["bos_token_id"]))
    tables = [log_probabilities(model, i, stepwise) for i in ids]
    for i, t in zip(ids, tables):
        entropy = float(-(np.exp(t) * t).sum(-1).mean())
        follows = float(np.mean([t[p, i[p + 1]] for p in range(len(i) - 1)]))
        print("    %d ids: entropy %.3f of %.3f, mean log-probability of what follows %.3f" % (len(i), entropy, np.log(VOCABULARY), follows))
    if not stepwise:  # the same id by id: transformers must agree with itself
        again = log_probabilities(model, ids[0], True)
        print("    id by id differs by at most %.2e" % np.abs(again - tables[0]).max())
    golden = {
        "transformers": transformers.__version__,
        "torch": torch.__version__,
        "sequences": [{"ids": i, "log_probabilities": columns(i, t)} for i, t in zip(ids, tables)],
    }
    with open(os.path.join(folder, "golden.json"), "w") as target:
        json.dump(golden, target, separators=(",", ":"))
        target.write("\n")
    for trait, change in a["without"].items():
        try:
            with tempfile.TemporaryDirectory() as other:
                changed = {k: v for k, v in {**config, **change}.items()}
                checkpoint(other, changed, all, files, type)
                table = log_probabilities(load(other), ids[-1], stepwise)
                print("    without its %s: log-probabilities differ by %.3f in the mean" % (trait, np.abs(table - tables[-1]).mean()))
        except Exception:
            print("    without its %s: could not be run" % trait)
            traceback.print_exc(file=sys.stdout)
    for file in sorted(os.listdir(folder)):
        if file.endswith(".safetensors"):
            compress(os.path.join(folder, file))
    for file in sorted(os.listdir(folder)):
        print("    %9d  %s" % (os.path.getsize(os.path.join(folder, file)), file))


def tokenizer(out):
    """Three special ids, then one for each byte."""
    printable = [*range(33, 127), *range(161, 173), *range(174, 256)]
    letters, next = {}, 256
    for b in range(256):
        letters[b] = chr(b) if b in printable else chr(next)
        next += b not in printable
    specials = ["<unk>", "<s>", "</s>"]
    vocabulary = {s: i for i, s in enumerate(specials)}
    for b in range(256):
        vocabulary[letters[b]] = 3 + b
    added = [
        {"id": i, "content": s, "single_word": False, "lstrip": False, "rstrip": False, "normalized": False, "special": True}
        for i, s in enumerate(specials)
    ]
    level = {"type": "ByteLevel", "add_prefix_space": False, "trim_offsets": True, "use_regex": True}
    whole = {
        "version": "1.0",
        "truncation": None,
        "padding": None,
        "added_tokens": added,
        "normalizer": None,
        "pre_tokenizer": level,
        "post_processor": None,
        "decoder": level,
        "model": {
            "type": "BPE",
            "dropout": None,
            "unk_token": None,
            "continuing_subword_prefix": None,
            "end_of_word_suffix": None,
            "fuse_unk": False,
            "byte_fallback": False,
            "ignore_merges": False,
            "vocab": vocabulary,
            "merges": [],
        },
    }
    with open(os.path.join(out, "tokenizer.json"), "w", encoding="utf-8") as target:
        json.dump(whole, target, ensure_ascii=False, indent=1)
        target.write("\n")


def main():
    out = sys.argv[1]
    os.makedirs(out, exist_ok=True)
    torch.manual_seed(0)
    print("transformers", transformers.__version__, "torch", torch.__version__, "numpy", np.__version__)
    tokenizer(out)
    failed = []
    for a in ARCHITECTURES:
        print(a["name"], flush=True)
        try:
            make(a, out)
        except Exception:
            failed.append(a["name"])
            traceback.print_exc(file=sys.stdout)
        sys.stdout.flush()
    print("failed:", failed or "none")
    sys.exit(1 if failed else 0)


if __name__ == "__main__":
    main()
