#!/usr/bin/env python3
"""Writes small random checkpoints of every supported family, for conformance runs and tests.

Values are seeded and of sensible sizes: norms around one (or around zero where a family stores them minus one),
decay rates and time steps as in trained models, so that a wrong transform changes the result visibly. Needs numpy.

  make-random-checkpoint.py --family qwen3_5_moe --tokenizer samples/Pelican-10M-A5M OUT
  make-random-checkpoint.py --preset speed4g --tokenizer samples/Pelican-10M-A5M OUT
"""
import argparse
import json
import os
import shutil
import sys

import numpy as np

FAMILIES = ("qwen2", "qwen3", "qwen2_moe", "qwen3_moe", "qwen3_next", "qwen3_5", "qwen3_5_moe", "llama", "mistral",
            "mixtral")
ARCHITECTURES = {
    "qwen2": "Qwen2ForCausalLM", "qwen3": "Qwen3ForCausalLM", "qwen2_moe": "Qwen2MoeForCausalLM",
    "qwen3_moe": "Qwen3MoeForCausalLM", "qwen3_next": "Qwen3NextForCausalLM", "qwen3_5": "Qwen3_5ForCausalLM",
    "qwen3_5_moe": "Qwen3_5MoeForCausalLM", "llama": "LlamaForCausalLM", "mistral": "MistralForCausalLM",
    "mixtral": "MixtralForCausalLM",
}
HYBRID = ("qwen3_next", "qwen3_5", "qwen3_5_moe")
MOE = ("qwen2_moe", "qwen3_moe", "qwen3_next", "qwen3_5_moe", "mixtral")
TOKENIZER_FILES = ("tokenizer.json", "tokenizer_config.json", "chat_template.jinja", "generation_config.json")


def make_config(a):
    hybrid, moe = a.family in HYBRID, a.family in MOE
    c = {
        "architectures": [ARCHITECTURES[a.family]],
        "model_type": a.family + ("_text" if a.family.startswith("qwen3_5") else ""),
        "vocab_size": a.vocab, "hidden_size": a.hidden, "num_hidden_layers": a.layers,
        "num_attention_heads": a.heads, "num_key_value_heads": a.kv_heads, "hidden_act": "silu",
        "max_position_embeddings": 2048, "rms_norm_eps": 1e-6, "tie_word_embeddings": a.tied,
        "rope_theta": 1000000.0, "dtype": {"bf16": "bfloat16", "f16": "float16", "f32": "float32"}[a.dtype],
        "pad_token_id": 4093, "bos_token_id": None, "eos_token_id": 4095,
    }
    if a.family in ("qwen3", "qwen3_moe") or hybrid:
        c["head_dim"] = a.head_dim
    if a.family != "qwen3_5_moe":
        c["intermediate_size"] = a.width
    if moe:
        c["num_local_experts" if a.family == "mixtral" else "num_experts"] = a.experts
        c["num_experts_per_tok"] = a.used_experts
    if moe and a.family != "mixtral":
        c["moe_intermediate_size"] = a.expert_width
        c["norm_topk_prob"] = a.family != "qwen2_moe"
    if a.family in ("qwen2_moe", "qwen3_next", "qwen3_5_moe"):
        c["shared_expert_intermediate_size"] = a.shared_width
    if hybrid:
        del c["rope_theta"]
        c["rope_parameters"] = {"rope_type": "default", "rope_theta": 10000000.0, "partial_rotary_factor": 0.5}
        if a.family != "qwen3_next":
            half = int(a.head_dim * 0.5) // 2
            c["rope_parameters"]["mrope_section"] = [(half + 2) // 3, (half + 1) // 3, half // 3]
            c["rope_parameters"]["mrope_interleaved"] = True
        c.update(full_attention_interval=a.interval, linear_conv_kernel_dim=4, linear_key_head_dim=a.linear_dim,
                 linear_value_head_dim=a.linear_dim, linear_num_key_heads=a.linear_key_heads,
                 linear_num_value_heads=a.linear_value_heads)
        c["layer_types"] = ["full_attention" if (i + 1) % a.interval == 0 else "linear_attention"
                            for i in range(a.layers)]
        if a.mtp and a.family != "qwen3_next":
            c["mtp_num_hidden_layers"] = 1
    if a.rope == "llama3":
        c["rope_scaling"] = {"rope_type": "llama3", "factor": 8.0, "low_freq_factor": 1.0, "high_freq_factor": 4.0,
                             "original_max_position_embeddings": 256}
    elif a.rope == "yarn":
        c["rope_scaling"] = {"rope_type": "yarn", "factor": 4.0, "original_max_position_embeddings": 512}
    elif a.rope == "linear":
        c["rope_scaling"] = {"rope_type": "linear", "factor": 2.0}
    if a.nested:
        text = {k: v for k, v in c.items() if k not in ("architectures", "dtype")}
        c = {"architectures": [c["architectures"][0].replace("ForCausalLM", "ForConditionalGeneration")],
             "model_type": a.family, "tie_word_embeddings": a.tied, "text_config": text,
             "vision_config": {"depth": 1, "model_type": a.family}}
    return c


def tensors(a):
    """Yields (name, shape, kind) in a natural order; kinds name the distribution."""
    offset = a.family in HYBRID
    norm = "zero_norm" if offset else "norm"
    H, A, K, D = a.hidden, a.heads, a.kv_heads, a.head_dim
    root = "model.language_model." if a.nested else "model."
    yield root + "embed_tokens.weight", (a.vocab, H), "embedding"

    def attention(p):
        rows = A * D * (2 if offset else 1)
        yield p + "self_attn.q_proj.weight", (rows, H), "matrix"
        yield p + "self_attn.k_proj.weight", (K * D, H), "matrix"
        yield p + "self_attn.v_proj.weight", (K * D, H), "matrix"
        yield p + "self_attn.o_proj.weight", (H, A * D), "matrix"
        if a.family in ("qwen2", "qwen2_moe"):
            for n, r in (("q", rows), ("k", K * D), ("v", K * D)):
                yield p + f"self_attn.{n}_proj.bias", (r,), "bias"
        if a.family in ("qwen3", "qwen3_moe") or offset:
            yield p + "self_attn.q_norm.weight", (D,), norm
            yield p + "self_attn.k_norm.weight", (D,), norm

    def delta_net(p):
        nk, nv, d = a.linear_key_heads, a.linear_value_heads, a.linear_dim
        if a.family == "qwen3_next":
            yield p + "linear_attn.in_proj_qkvz.weight", (2 * nk * d + 2 * nv * d, H), "matrix"
            yield p + "linear_attn.in_proj_ba.weight", (2 * nv, H), "matrix"
        else:
            yield p + "linear_attn.in_proj_qkv.weight", (2 * nk * d + nv * d, H), "matrix"
            yield p + "linear_attn.in_proj_z.weight", (nv * d, H), "matrix"
            yield p + "linear_attn.in_proj_b.weight", (nv, H), "matrix"
            yield p + "linear_attn.in_proj_a.weight", (nv, H), "matrix"
        yield p + "linear_attn.conv1d.weight", (2 * nk * d + nv * d, 1, 4), "convolution"
        yield p + "linear_attn.A_log", (nv,), "decay"
        yield p + "linear_attn.dt_bias", (nv,), "time_step"
        yield p + "linear_attn.norm.weight", (d,), "norm"
        yield p + "linear_attn.out_proj.weight", (H, nv * d), "matrix"

    def dense(p, width):
        yield p + "gate_proj.weight", (width, H), "matrix"
        yield p + "up_proj.weight", (width, H), "matrix"
        yield p + "down_proj.weight", (H, width), "matrix"

    def experts(p):
        E, F = a.experts, a.expert_width
        if a.family == "mixtral":
            p += "block_sparse_moe."
            yield p + "gate.weight", (E, H), "matrix"
            for e in range(E):
                yield p + f"experts.{e}.w1.weight", (a.width, H), "matrix"
                yield p + f"experts.{e}.w2.weight", (H, a.width), "matrix"
                yield p + f"experts.{e}.w3.weight", (a.width, H), "matrix"
            return
        p += "mlp."
        yield p + "gate.weight", (E, H), "matrix"
        if a.layout == "fused":
            yield p + "experts.gate_up_proj", (E, 2 * F, H), "matrix"
            yield p + "experts.down_proj", (E, H, F), "matrix"
        elif a.layout == "stacked":
            yield p + "switch_mlp.gate_proj.weight", (E, F, H), "matrix"
            yield p + "switch_mlp.up_proj.weight", (E, F, H), "matrix"
            yield p + "switch_mlp.down_proj.weight", (E, H, F), "matrix"
        else:
            for e in range(E):
                yield from dense(p + f"experts.{e}.", F)
        if a.family in ("qwen2_moe", "qwen3_next", "qwen3_5_moe"):
            yield from dense(p + "shared_expert.", a.shared_width)
            yield p + "shared_expert_gate.weight", (1, H), "matrix"

    def block(p, full):
        yield p + "input_layernorm.weight", (H,), norm
        yield p + "post_attention_layernorm.weight", (H,), norm
        yield from (attention(p) if full else delta_net(p))
        yield from (experts(p) if a.family in MOE else dense(p + "mlp.", a.width))

    for i in range(a.layers):
        yield from block(f"{root}layers.{i}.", not offset or (i + 1) % a.interval == 0)
    yield root + "norm.weight", (H,), norm
    if not a.tied:
        yield "lm_head.weight", (a.vocab, H), "matrix"
    if a.mtp and offset:
        yield "mtp.fc.weight", (H, 2 * H), "matrix"
        for n in ("pre_fc_norm_embedding", "pre_fc_norm_hidden", "norm"):
            yield f"mtp.{n}.weight", (H,), norm
        yield from block("mtp.layers.0.", True)
    if a.nested:
        yield "model.visual.patch_embed.proj.weight", (8, 3, 2, 4, 4), "matrix"
        yield "model.visual.merger.norm.weight", (8,), "norm"


def to_bf16(x):
    bits = x.view(np.uint32)
    return ((bits + 0x7FFF + ((bits >> 16) & 1)) >> 16).astype(np.uint16)


def encode(x, dtype):
    if dtype == "bf16":
        return to_bf16(np.ascontiguousarray(x, np.float32))
    return np.ascontiguousarray(x, np.float16 if dtype == "f16" else np.float32)


def draw(rng, shape, kind):
    n = int(np.prod(shape))
    if kind == "matrix":
        x = rng.standard_normal(n, dtype=np.float32) * np.float32(1.0 / np.sqrt(shape[-1]))
    elif kind == "embedding":
        x = rng.standard_normal(n, dtype=np.float32) * np.float32(0.05)
    elif kind == "norm":
        x = 1 + rng.standard_normal(n, dtype=np.float32) * np.float32(0.1)
    elif kind == "zero_norm":
        x = rng.standard_normal(n, dtype=np.float32) * np.float32(0.1)
    elif kind == "bias":
        x = rng.standard_normal(n, dtype=np.float32) * np.float32(0.02)
    elif kind == "convolution":
        x = rng.standard_normal(n, dtype=np.float32) * np.float32(0.3)
    elif kind == "decay":
        x = np.log(rng.uniform(1, 16, n)).astype(np.float32)
    elif kind == "time_step":
        x = rng.uniform(-4, 1, n).astype(np.float32)
    else:
        raise ValueError(kind)
    return x.reshape(shape)


SIZES = {"bf16": 2, "f16": 2, "f32": 4}
NAMES = {"bf16": "BF16", "f16": "F16", "f32": "F32"}


def shard_plan(items, dtype, limit):
    shards, current, used = [], [], 0
    for item in items:
        size = int(np.prod(item[1])) * SIZES[dtype]
        if current and used + size > limit:
            shards.append(current)
            current, used = [], 0
        current.append(item)
        used += size
    shards.append(current)
    return shards


def header_bytes(shard, dtype):
    header, offset = {"__metadata__": {"format": "pt"}}, 0
    for name, shape, _ in shard:
        size = int(np.prod(shape)) * SIZES[dtype]
        header[name] = {"dtype": NAMES[dtype], "shape": list(shape), "data_offsets": [offset, offset + size]}
        offset += size
    text = json.dumps(header, separators=(",", ":")).encode()
    text += b" " * (-len(text) % 8)
    return len(text).to_bytes(8, "little") + text, offset


def fast_rows(rng, count, scale):
    """Sums of four random bytes: close enough to a normal distribution and far faster to draw."""
    bytes_ = np.frombuffer(rng.bytes(4 * count), np.uint8).reshape(count, 4)
    total = bytes_.sum(axis=1, dtype=np.uint16).astype(np.float32)
    return (total - np.float32(510)) * np.float32(scale / 147.8)


def write(a, folder):
    os.makedirs(folder, exist_ok=True)
    with open(os.path.join(folder, "config.json"), "w") as f:
        json.dump(make_config(a), f, indent=2)
    for name in TOKENIZER_FILES:
        path = os.path.join(a.tokenizer, name) if a.tokenizer else None
        if path and os.path.exists(path):
            shutil.copy(path, os.path.join(folder, name))
    rng = np.random.Generator(np.random.SFC64(a.seed))
    shards = shard_plan(list(tensors(a)), a.dtype, a.shard_bytes)
    weight_map, total = {}, 0
    # Values come from a pool drawn once when speed matters: quantizers do not care about repetitions far apart.
    pool = to_bf16(fast_rows(rng, 1 << 24, 1.0)) if a.fast else None
    for number, shard in enumerate(shards, 1):
        name = ("model.safetensors" if len(shards) == 1
                else f"model-{number:05d}-of-{len(shards):05d}.safetensors")
        header, size = header_bytes(shard, a.dtype)
        total += size
        with open(os.path.join(folder, name), "wb") as f:
            f.write(header)
            for tensor, shape, kind in shard:
                weight_map[tensor] = name
                if pool is not None and kind in ("matrix", "embedding"):
                    write_fast(f, rng, pool, shape)
                else:
                    f.write(encode(draw(rng, shape, kind), a.dtype).tobytes())
        print(f"{name}: {len(shard)} tensors, {size} bytes", file=sys.stderr)
    if len(shards) > 1:
        with open(os.path.join(folder, "model.safetensors.index.json"), "w") as f:
            json.dump({"metadata": {"total_size": total}, "weight_map": weight_map}, f, indent=1)


def write_fast(f, rng, pool, shape):
    """Slices of the pool at random places, with exponents lowered to the tensor's scale."""
    left = int(np.prod(shape))
    steps = max(int(round(np.log2(np.sqrt(shape[-1])))), 0)
    while left:
        count = min(left, len(pool) // 2)
        start = int(rng.integers(0, len(pool) - count + 1))
        part = pool[start:start + count].copy()
        exponent = (part >> 7) & 0xFF
        part[exponent > steps] -= np.uint16(steps << 7)
        f.write(part.tobytes())
        left -= count


def main():
    p = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    p.add_argument("out")
    p.add_argument("--family", choices=FAMILIES, default="qwen3_moe")
    p.add_argument("--preset", choices=("speed4g",), help="a Qwen3-MoE of about 4 GB in bf16")
    p.add_argument("--tokenizer", help="folder whose tokenizer files are copied")
    p.add_argument("--seed", type=int, default=1)
    p.add_argument("--dtype", choices=tuple(SIZES), default="bf16")
    p.add_argument("--layout", choices=("auto", "per-expert", "fused", "stacked"), default="auto")
    p.add_argument("--tied", action="store_true")
    p.add_argument("--mtp", action="store_true", help="add a next-token block (hybrid families)")
    p.add_argument("--nested", action="store_true", help="a multimodal wrapper with text_config and vision tensors")
    p.add_argument("--rope", choices=("default", "llama3", "yarn", "linear"), default="default")
    p.add_argument("--layers", type=int)
    p.add_argument("--hidden", type=int, default=256)
    p.add_argument("--heads", type=int, default=4)
    p.add_argument("--kv-heads", type=int, default=2)
    p.add_argument("--head-dim", type=int, default=64)
    p.add_argument("--width", type=int, default=512, help="inner width of dense networks (experts of mixtral)")
    p.add_argument("--experts", type=int, default=8)
    p.add_argument("--used-experts", type=int, default=2)
    p.add_argument("--expert-width", type=int, default=256, help="96 or 1408 force other types at quantization")
    p.add_argument("--shared-width", type=int, default=256)
    p.add_argument("--interval", type=int, default=2, help="every how many layers attention is full")
    p.add_argument("--linear-key-heads", type=int, default=2)
    p.add_argument("--linear-value-heads", type=int, default=6)
    p.add_argument("--linear-dim", type=int, default=128)
    p.add_argument("--vocab", type=int, default=4096)
    p.add_argument("--shard-bytes", type=int, default=16 << 20)
    a = p.parse_args()
    a.fast = False
    if a.preset == "speed4g":
        a.family, a.hidden, a.heads, a.kv_heads, a.head_dim = "qwen3_moe", 2048, 32, 4, 128
        a.experts, a.used_experts, a.expert_width, a.vocab = 32, 8, 768, 151936
        a.layers = a.layers or 8
        a.shard_bytes, a.fast, a.dtype = 1 << 30, True, "bf16"
    a.layers = a.layers or (4 if a.family in HYBRID else 2)
    if a.layout == "auto":
        a.layout = "fused" if a.family == "qwen3_5_moe" else "per-expert"
    write(a, a.out)


if __name__ == "__main__":
    main()
