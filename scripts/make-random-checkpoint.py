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
import re
import shutil
import sys

import numpy as np

from families import FAMILIES, towers
from families.quantized import FORMS, encode, to_bf16

ROOT = os.path.dirname(os.path.dirname(os.path.abspath(__file__)))
TOKENIZER_FILES = ("tokenizer.json", "tokenizer_config.json", "chat_template.jinja", "generation_config.json")


def make_config(a):
    family = FAMILIES[a.family]
    c = {
        "architectures": [family.model_class],
        "model_type": family.text_model_type or a.family,
        "vocab_size": a.vocab, "hidden_size": a.hidden, "num_hidden_layers": a.layers,
        "num_attention_heads": a.heads, "num_key_value_heads": a.kv_heads, "hidden_act": "silu",
        "max_position_embeddings": 2048, "rms_norm_eps": 1e-6, "tie_word_embeddings": a.tied,
        "rope_theta": 1000000.0, "dtype": {"bf16": "bfloat16", "f16": "float16", "f32": "float32"}[a.dtype],
        "pad_token_id": 4093, "bos_token_id": None, "eos_token_id": 4095,
    }
    family.config(c, a)
    scaling = {
        "llama3": {"rope_type": "llama3", "factor": 8.0, "low_freq_factor": 1.0, "high_freq_factor": 4.0,
                   "original_max_position_embeddings": 256},
        "yarn": {"rope_type": "yarn", "factor": 4.0, "original_max_position_embeddings": 512},
        "linear": {"rope_type": "linear", "factor": 2.0}, **family.scaling,
    }
    if a.rope != "default" and "rope_parameters" not in c:
        c["rope_scaling"] = scaling[a.rope]
    if a.quantize:
        c["quantization_config"] = FORMS[a.quantize].entry
    if a.nested:
        text = {k: v for k, v in c.items() if k not in ("architectures", "dtype")}
        c = {"architectures": [family.wrapper], "model_type": family.wrapper_model_type or a.family,
             "tie_word_embeddings": a.tied, "text_config": text,
             "vision_config": tower_settings(a) or family.vision or {"depth": 1, "model_type": a.family}}
    return c


def tower_settings(a):
    """The settings of the vision tower that --tower asks for; None without it."""
    if a.tower is None:
        return None
    family = FAMILIES[a.family]
    return towers.changed(family.vision or towers.vision(a.family, deepstack=()), a.tower)


def tensors(a):
    """Yields (name, shape, kind) in a natural order under the family's own names of modules."""
    names = sorted(FAMILIES[a.family].names.items(), key=lambda item: -len(item[0]))
    layer = re.compile(r"(model\.layers\.\d+\.)?(.*)")

    def own(name):
        prefix, rest = layer.fullmatch(name).groups()
        for common, replacement in names:
            if rest == common or rest.startswith(common + "."):
                return (prefix or "") + replacement + rest[len(common):]
        return name

    for name, shape, kind in common_tensors(a):
        yield own(name), shape, kind


def common_tensors(a):
    """Yields (name, shape, kind) with the names that most families have; kinds name the distribution."""
    family = FAMILIES[a.family]
    offset = family.norm_offset
    norm = "zero_norm" if offset else "norm"
    form = FORMS.get(a.quantize)
    H, A, K, D = a.hidden, a.heads, a.kv_heads, a.head_dim
    root = family.wrapped_root if a.nested else "model."
    head = family.wrapped_head if a.nested else ""
    yield root + "embed_tokens.weight", (a.vocab, H), "embedding"

    def parts(name, shape):
        for index, part in enumerate(form.parts):
            yield name + part.ending, part.shape(*shape), ("part", index, shape)

    def weight(name, shape, expert=False):
        if form and not form.fused and (expert or not form.experts_only):
            yield from parts(name + ".", shape)
        else:
            yield name + ".weight", shape, "matrix"

    def stack(name, shape):
        if form and form.fused:
            yield from parts(name, shape)
        else:
            yield name, shape, "matrix"

    def attention(p):
        rows = A * D * (2 if offset else 1)
        if family.joins_qkv:
            yield from weight(p + "self_attn.qkv_proj", (rows + 2 * K * D, H))
        else:
            yield from weight(p + "self_attn.q_proj", (rows, H))
            yield from weight(p + "self_attn.k_proj", (K * D, H))
            yield from weight(p + "self_attn.v_proj", (K * D, H))
        yield from weight(p + "self_attn.o_proj", (H, A * D))
        if family.query_bias:
            for n, r in (("q", rows), ("k", K * D), ("v", K * D)):
                yield p + f"self_attn.{n}_proj.bias", (r,), "bias"
        if family.all_biases or family.norm_biases:
            yield p + "self_attn.o_proj.bias", (H,), "bias"
        if family.sinks:
            yield p + "self_attn.sinks", (A,), "bias"
        if family.head_norm and a.qk_norm:
            full = family.head_norm == "full"
            yield p + "self_attn.q_norm.weight", (A * D if full else D,), norm
            yield p + "self_attn.k_norm.weight", (K * D if full else D,), norm

    def windowed_attention(p, full):
        width, count = (2 * D, 1) if full else (D, K)
        for n, r in (("q", A * width), ("k", count * width), *((() if full else (("v", count * width),)))):
            yield from weight(p + f"self_attn.{n}_proj", (r, H))
        yield from weight(p + "self_attn.o_proj", (H, A * width))
        yield p + "self_attn.q_norm.weight", (width,), norm
        yield p + "self_attn.k_norm.weight", (width,), norm

    def windowed_block(p, full):
        yield p + "input_layernorm.weight", (H,), norm
        yield from windowed_attention(p, full)
        for n in ("post_attention", "pre_feedforward", "post_feedforward"):
            yield p + n + "_layernorm.weight", (H,), norm
        yield p + "layer_scalar", (1,), "norm"
        yield from dense(p + "mlp.", a.width)
        if family.experts:
            yield from experts(p)
            yield p + "router.scale", (H,), "norm"
            yield p + "router.per_expert_scale", (a.experts,), "norm"
            for n in ("pre_feedforward_layernorm_2", "post_feedforward_layernorm_1", "post_feedforward_layernorm_2"):
                yield p + n + ".weight", (H,), norm

    def latent_attention(p):
        p += "self_attn."
        query = A * (a.nope_dim + a.rope_dim)
        if a.q_lora:
            yield from weight(p + "q_a_proj", (a.q_lora, H))
            yield p + "q_a_layernorm.weight", (a.q_lora,), norm
            yield from weight(p + "q_b_proj", (query, a.q_lora))
        else:
            yield from weight(p + "q_proj", (query, H))
        yield from weight(p + "kv_a_proj_with_mqa", (a.kv_lora + a.rope_dim, H))
        yield p + "kv_a_layernorm.weight", (a.kv_lora,), norm
        yield from weight(p + "kv_b_proj", (A * (a.nope_dim + a.value_dim), a.kv_lora))
        yield from weight(p + "o_proj", (H, A * a.value_dim))

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

    def convolution(p):
        yield p + "conv.in_proj.weight", (3 * H, H), "matrix"
        yield p + "conv.conv.weight", (H, 1, 3), "convolution"
        yield p + "conv.out_proj.weight", (H, H), "matrix"

    def dense(p, width):
        yield from weight(p + "gate_proj", (width, H))
        yield from weight(p + "up_proj", (width, H))
        yield from weight(p + "down_proj", (H, width))

    def experts(p):
        E, F = a.experts, a.width if family.joint_width else a.expert_width
        p += family.moe_root
        yield p + "gate.weight", (E, H), "matrix"
        if family.all_biases:
            yield p + "gate.bias", (E,), "bias"
            yield p + "experts.gate_up_proj_bias", (E, 2 * F), "bias"
            yield p + "experts.down_proj_bias", (E, H), "bias"
        if family.selection_bias:
            shape = (1, E) if family.selection_bias == "row" else (E,)
            yield p + "gate.e_score_correction_bias", shape, "selection_bias"
        if a.layout == "fused":
            yield from stack(p + "experts.gate_up_proj", (E, 2 * F, H))
            yield from stack(p + "experts.down_proj", (E, H, F))
        elif a.layout == "transposed":
            yield p + "experts.gate_up_proj", (E, H, 2 * F), "transposed_matrix"
            yield p + "experts.down_proj", (E, F, H), "transposed_matrix"
        elif a.layout == "linear":
            yield p + "input_linear.weight", (E, 2 * F, H), "matrix"
            yield p + "output_linear.weight", (E, H, F), "matrix"
        elif a.layout == "stacked":
            yield p + "switch_mlp.gate_proj.weight", (E, F, H), "matrix"
            yield p + "switch_mlp.up_proj.weight", (E, F, H), "matrix"
            yield p + "switch_mlp.down_proj.weight", (E, H, F), "matrix"
        else:
            gate, up, down = family.expert_names
            # In the order of names where they are numbers, as in releases.
            for e in range(E):
                shapes = {gate: (F, H), up: (F, H), down: (H, F)}
                for n in sorted(shapes) if gate == "w1" else (gate, up, down):
                    yield from weight(p + f"experts.{e}.{n}", shapes[n], expert=True)
        if family.shared == "gated":
            yield from dense(p + "shared_expert.", a.shared_width)
            yield p + "shared_expert_gate.weight", (1, H), "matrix"
        elif family.shared == "plain":
            yield from dense(p + "shared_experts.", a.shared_experts * F)
        elif family.shared == "linear" and a.shared_width:
            yield p + "shared_experts.input_linear.weight", (2 * a.shared_width, H), "matrix"
            yield p + "shared_experts.output_linear.weight", (H, a.shared_width), "matrix"

    def block(p, full, leading=False):
        for n in ("input_layernorm", "post_attention_layernorm"):
            yield p + n + ".weight", (H,), norm
            if family.norm_biases:
                yield p + n + ".bias", (H,), "bias"
        kinds = {"grouped": attention, "linear": attention if full else delta_net, "latent": latent_attention,
                 "short": attention if full else convolution}
        yield from kinds[family.attention](p)
        yield from (experts(p) if family.experts and not leading else dense(p + "mlp.", a.width))

    for i in range(a.layers):
        full = family.attention not in ("linear", "short", "windowed") or (i + 1) % a.interval == 0
        if family.attention == "windowed":
            yield from windowed_block(f"{root}layers.{i}.", full)
            continue
        yield from block(f"{root}layers.{i}.", full, i < a.dense_layers)
    yield root + "norm.weight", (H,), norm
    if family.norm_biases:
        yield root + "norm.bias", (H,), "bias"
        yield head + "lm_head.bias", (a.vocab,), "bias"
    if not a.tied:
        yield head + "lm_head.weight", (a.vocab, H), "matrix"
    if a.mtp and family.next_token == "mtp":
        yield "mtp.fc.weight", (H, 2 * H), "matrix"
        for n in ("pre_fc_norm_embedding", "pre_fc_norm_hidden", "norm"):
            yield f"mtp.{n}.weight", (H,), norm
        yield from block("mtp.layers.0.", True)
    if a.mtp and family.next_token == "layer":
        p = f"{root}layers.{a.layers}."
        yield p + "embed_tokens.weight", (a.vocab, H), "embedding"
        yield p + "enorm.weight", (H,), norm
        yield p + "hnorm.weight", (H,), norm
        yield p + "eh_proj.weight", (H, 2 * H), "matrix"
        yield from block(p, True)
        yield p + "shared_head.norm.weight", (H,), norm
        yield p + "shared_head.head.weight", (a.vocab, H), "matrix"
    if a.tower is not None:
        yield from towers.tensors(tower_settings(a))
    elif a.nested:
        yield from family.wrapped_more


def draw(rng, shape, kind):
    n = int(np.prod(shape))
    if kind == "matrix":
        x = rng.standard_normal(n, dtype=np.float32) * np.float32(1.0 / np.sqrt(shape[-1]))
    elif kind == "transposed_matrix":
        x = rng.standard_normal(n, dtype=np.float32) * np.float32(1.0 / np.sqrt(shape[-2]))
    elif kind == "selection_bias":
        x = rng.standard_normal(n, dtype=np.float32) * np.float32(0.1)
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


SIZES = {"bf16": 2, "f16": 2, "f32": 4, "fp8": 1, "i8": 1, "u8": 1, "i32": 4}
NAMES = {"bf16": "BF16", "f16": "F16", "f32": "F32", "fp8": "F8_E4M3", "i8": "I8", "u8": "U8", "i32": "I32"}


def dtype_of(kind, a):
    """The type in which a tensor is stored."""
    if kind[0] == "part":
        return FORMS[a.quantize].parts[kind[1]].dtype or a.dtype
    return "f32" if kind == "selection_bias" else a.dtype


def shard_plan(items, a):
    shards, current, used = [], [], 0
    for item in items:
        size = int(np.prod(item[1])) * SIZES[dtype_of(item[2], a)]
        if current and used + size > a.shard_bytes:
            shards.append(current)
            current, used = [], 0
        current.append(item)
        used += size
    shards.append(current)
    return shards


def header_bytes(shard, a):
    header, offset = {"__metadata__": {"format": "pt"}}, 0
    for name, shape, kind in shard:
        stored = dtype_of(kind, a)
        size = int(np.prod(shape)) * SIZES[stored]
        header[name] = {"dtype": NAMES[stored], "shape": list(shape), "data_offsets": [offset, offset + size]}
        offset += size
    text = json.dumps(header, separators=(",", ":")).encode()
    text += b" " * (-len(text) % 8)
    return len(text).to_bytes(8, "little") + text, offset


def fast_rows(rng, count, scale):
    """Sums of four random bytes: close enough to a normal distribution and far faster to draw."""
    bytes_ = np.frombuffer(rng.bytes(4 * count), np.uint8).reshape(count, 4)
    total = bytes_.sum(axis=1, dtype=np.uint16).astype(np.float32)
    return (total - np.float32(510)) * np.float32(scale / 147.8)


def add_tokens(folder, tokens):
    """Adds special tokens after those that the tokenizer has."""
    if not tokens:
        return
    path = os.path.join(folder, "tokenizer.json")
    with open(path) as f:
        document = json.load(f)
    first = 1 + max(token["id"] for token in document["added_tokens"])
    for token_id, text in enumerate(tokens, first):
        document["added_tokens"].append({"id": token_id, "content": text, "single_word": False, "lstrip": False,
                                         "rstrip": False, "normalized": False, "special": True})
    with open(path, "w") as f:
        json.dump(document, f, ensure_ascii=False)


def write(a, folder):
    os.makedirs(folder, exist_ok=True)
    with open(os.path.join(folder, "config.json"), "w") as f:
        json.dump(make_config(a), f, indent=2)
    if a.tower is not None:
        with open(os.path.join(folder, "preprocessor_config.json"), "w") as f:
            json.dump(towers.PREPROCESSOR, f, indent=2)
    own = FAMILIES[a.family].tokenizer
    source = os.path.join(ROOT, own) if a.tokenizer and own else a.tokenizer
    for name in TOKENIZER_FILES:
        path = os.path.join(source, name) if source else None
        if path and os.path.exists(path):
            shutil.copy(path, os.path.join(folder, name))
    if a.tokenizer:
        add_tokens(folder, FAMILIES[a.family].tokens)
    rng = np.random.Generator(np.random.SFC64(a.seed))
    shards = shard_plan(list(tensors(a)), a)
    weight_map, total = {}, 0
    # Values come from a pool drawn once when speed matters: quantizers do not care about repetitions far apart.
    pool = to_bf16(fast_rows(rng, 1 << 24, 1.0)) if a.fast else None
    for number, shard in enumerate(shards, 1):
        name = ("model.safetensors" if len(shards) == 1
                else f"model-{number:05d}-of-{len(shards):05d}.safetensors")
        header, size = header_bytes(shard, a)
        total += size
        with open(os.path.join(folder, name), "wb") as f:
            f.write(header)
            for tensor, shape, kind in shard:
                weight_map[tensor] = name
                if pool is not None and kind in ("matrix", "embedding"):
                    write_fast(f, rng, pool, shape)
                elif kind[0] == "part":
                    if kind[1] == 0:
                        parts = FORMS[a.quantize].encode(draw(rng, kind[2], "matrix"), a.dtype)
                    f.write(parts[kind[1]].tobytes())
                else:
                    f.write(encode(draw(rng, shape, kind), dtype_of(kind, a)).tobytes())
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


# Options that families may have other defaults for.
DEFAULTS = dict(layers=2, hidden=256, heads=4, kv_heads=2, head_dim=64, width=512, experts=8, used_experts=2,
                expert_width=256, shared_width=256, shared_experts=1, dense_layers=0, groups=1, used_groups=1, q_lora=0,
                kv_lora=0, nope_dim=0, rope_dim=0, value_dim=0, vocab=4096, rope="default", shard_bytes=16 << 20,
                fast=False)
PRESETS = {
    "speed4g": dict(family="qwen3_moe", hidden=2048, heads=32, kv_heads=4, head_dim=128, experts=32, used_experts=8,
                    expert_width=768, vocab=151936, layers=8, shard_bytes=1 << 30, fast=True, dtype="bf16"),
    "layers4g": dict(family="qwen3_moe", hidden=1024, heads=16, kv_heads=4, head_dim=64, experts=128, used_experts=8,
                     expert_width=256, vocab=65536, layers=18, shard_bytes=1 << 30, fast=True, dtype="bf16"),
    "experts4g": dict(family="qwen3_moe", hidden=1024, heads=16, kv_heads=4, head_dim=64, experts=256, used_experts=8,
                      expert_width=256, vocab=65536, layers=9, shard_bytes=1 << 30, fast=True, dtype="bf16"),
}


def parser():
    p = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    p.add_argument("out")
    p.add_argument("--family", choices=tuple(FAMILIES), default="qwen3_moe")
    p.add_argument("--preset", choices=tuple(PRESETS), help="a Qwen3-MoE of about 4 GB in bf16: few large layers and experts, many small ones, "
                   "or 256 small experts in each layer")
    p.add_argument("--tokenizer", help="folder whose tokenizer files are copied")
    p.add_argument("--seed", type=int, default=1)
    p.add_argument("--dtype", choices=("bf16", "f16", "f32"), default="bf16")
    p.add_argument("--quantize", choices=tuple(FORMS), help="store matrices in a quantized form; fp8 is that of "
                   "DeepSeek's releases, int4 that of Kimi K2 Thinking, mxfp4 (with --layout fused) that of gpt-oss")
    p.add_argument("--layout", choices=("auto", "per-expert", "fused", "transposed", "linear", "stacked"), default="auto")
    p.add_argument("--tied", action="store_true")
    p.add_argument("--mtp", action="store_true", help="add a next-token block")
    p.add_argument("--nested", action="store_true", help="a multimodal wrapper with text_config and vision tensors")
    p.add_argument("--tower", nargs="?", const="", metavar="SETTINGS", help="a multimodal wrapper with a whole vision "
                   "tower (Qwen); settings in place of the family's as depth=3,deepstack_visual_indexes=0/2")
    p.add_argument("--no-qk-norm", dest="qk_norm", action="store_false", help="without norms of queries and keys")
    p.add_argument("--no-scoring-key", action="store_true", help="leave scoring_func out, as some releases do")
    p.add_argument("--rope", choices=("default", "llama3", "yarn", "linear"))
    p.add_argument("--layers", type=int)
    p.add_argument("--hidden", type=int)
    p.add_argument("--heads", type=int)
    p.add_argument("--kv-heads", type=int)
    p.add_argument("--head-dim", type=int)
    p.add_argument("--width", type=int, help="inner width of dense networks (experts of mixtral)")
    p.add_argument("--dense-layers", type=int, help="how many layers come before those with experts")
    p.add_argument("--experts", type=int)
    p.add_argument("--used-experts", type=int)
    p.add_argument("--expert-width", type=int, help="96 or 1408 force other types at quantization")
    p.add_argument("--shared-width", type=int)
    p.add_argument("--shared-experts", type=int)
    p.add_argument("--groups", type=int, help="of experts")
    p.add_argument("--used-groups", type=int)
    p.add_argument("--q-lora", type=int, help="0 for queries without a latent vector")
    p.add_argument("--kv-lora", type=int)
    p.add_argument("--nope-dim", type=int)
    p.add_argument("--rope-dim", type=int)
    p.add_argument("--value-dim", type=int)
    p.add_argument("--interval", type=int, default=2, help="every how many layers attention is full")
    p.add_argument("--linear-key-heads", type=int, default=2)
    p.add_argument("--linear-value-heads", type=int, default=6)
    p.add_argument("--linear-dim", type=int, default=128)
    p.add_argument("--vocab", type=int)
    p.add_argument("--shard-bytes", type=int)
    return p


def main():
    p = parser()
    a = p.parse_args()
    preset = PRESETS.get(a.preset, {})
    family = FAMILIES[preset.get("family", a.family)]
    p.set_defaults(**{**DEFAULTS, **family.defaults, **preset})
    a = p.parse_args()
    if a.layout == "auto":
        a.layout = family.layout
    a.nested = a.nested or family.always_wrapped or a.tower is not None
    write(a, a.out)


if __name__ == "__main__":
    main()
