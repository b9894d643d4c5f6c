#!/usr/bin/env python3
"""Writes the headers of Qwen3.6-35B-A3B without its data: config.json, index and shards of header only.

Shapes and names are those of the published checkpoint, so that planning can be timed and checked without the 72 GB.
--full-size makes each shard as large as its header says (sparse, reads as zeros); --per-expert stores the experts of
the next-token block one by one, as Qwen3.5-35B-A3B does; --all-per-expert all of them (31,000 tensors).
"""
import argparse
import json
import os

CONFIG = {
    "architectures": ["Qwen3_5MoeForConditionalGeneration"], "model_type": "qwen3_5_moe",
    "tie_word_embeddings": False, "image_token_id": 248056, "video_token_id": 248057,
    "vision_start_token_id": 248053, "vision_end_token_id": 248054,
    "vision_config": {"depth": 27, "hidden_size": 1152, "model_type": "qwen3_5_moe"},
    "text_config": {
        "model_type": "qwen3_5_moe_text", "num_hidden_layers": 40, "hidden_size": 2048, "num_attention_heads": 16,
        "num_key_value_heads": 2, "head_dim": 256, "attention_bias": False, "attn_output_gate": True,
        "full_attention_interval": 4, "max_position_embeddings": 262144, "rms_norm_eps": 1e-06,
        "layer_types": (["linear_attention"] * 3 + ["full_attention"]) * 10, "vocab_size": 248320,
        "partial_rotary_factor": 0.25,
        "rope_parameters": {"rope_type": "default", "rope_theta": 10000000, "partial_rotary_factor": 0.25,
                            "mrope_section": [11, 11, 10], "mrope_interleaved": True},
        "linear_num_key_heads": 16, "linear_num_value_heads": 32, "linear_key_head_dim": 128,
        "linear_value_head_dim": 128, "linear_conv_kernel_dim": 4, "mamba_ssm_dtype": "float32",
        "num_experts": 256, "num_experts_per_tok": 8, "moe_intermediate_size": 512,
        "shared_expert_intermediate_size": 512, "router_aux_loss_coef": 0.001, "mtp_num_hidden_layers": 1,
        "mtp_use_dedicated_embeddings": False, "bos_token_id": 248044, "eos_token_id": 248044,
        "hidden_act": "silu",
    },
}


def mlp(prefix, width):
    yield prefix + "gate_proj.weight", (width, 2048)
    yield prefix + "up_proj.weight", (width, 2048)
    yield prefix + "down_proj.weight", (2048, width)


def layer(prefix, full, per_expert):
    yield prefix + "input_layernorm.weight", (2048,)
    yield prefix + "post_attention_layernorm.weight", (2048,)
    yield prefix + "mlp.gate.weight", (256, 2048)
    if per_expert:
        for e in range(256):
            yield from mlp(f"{prefix}mlp.experts.{e}.", 512)
    else:
        yield prefix + "mlp.experts.gate_up_proj", (256, 1024, 2048)
        yield prefix + "mlp.experts.down_proj", (256, 2048, 512)
    yield from mlp(prefix + "mlp.shared_expert.", 512)
    yield prefix + "mlp.shared_expert_gate.weight", (1, 2048)
    if full:
        yield prefix + "self_attn.q_proj.weight", (8192, 2048)
        yield prefix + "self_attn.k_proj.weight", (512, 2048)
        yield prefix + "self_attn.v_proj.weight", (512, 2048)
        yield prefix + "self_attn.o_proj.weight", (2048, 4096)
        yield prefix + "self_attn.q_norm.weight", (256,)
        yield prefix + "self_attn.k_norm.weight", (256,)
    else:
        p = prefix + "linear_attn."
        yield p + "in_proj_qkv.weight", (8192, 2048)
        yield p + "in_proj_z.weight", (4096, 2048)
        yield p + "in_proj_b.weight", (32, 2048)
        yield p + "in_proj_a.weight", (32, 2048)
        yield p + "conv1d.weight", (8192, 1, 4)
        yield p + "A_log", (32,)
        yield p + "dt_bias", (32,)
        yield p + "norm.weight", (128,)
        yield p + "out_proj.weight", (2048, 4096)


def vision():
    p = "model.visual."
    yield p + "patch_embed.proj.weight", (1152, 3, 2, 16, 16)
    yield p + "patch_embed.proj.bias", (1152,)
    yield p + "pos_embed.weight", (2304, 1152)
    linears = (("attn.qkv", 3456, 1152), ("attn.proj", 1152, 1152), ("mlp.linear_fc1", 4304, 1152),
               ("mlp.linear_fc2", 1152, 4304))
    for b in range(27):
        for n in ("norm1", "norm2"):
            yield f"{p}blocks.{b}.{n}.weight", (1152,)
            yield f"{p}blocks.{b}.{n}.bias", (1152,)
        for n, out, inner in linears:
            yield f"{p}blocks.{b}.{n}.weight", (out, inner)
            yield f"{p}blocks.{b}.{n}.bias", (out,)
    yield p + "merger.norm.weight", (1152,)
    yield p + "merger.norm.bias", (1152,)
    for n, out, inner in (("linear_fc1", 4608, 4608), ("linear_fc2", 2048, 4608)):
        yield f"{p}merger.{n}.weight", (out, inner)
        yield f"{p}merger.{n}.bias", (out,)


def tensors(a):
    root = "model.language_model."
    yield root + "embed_tokens.weight", (248320, 2048)
    for i in range(40):
        yield from layer(f"{root}layers.{i}.", (i + 1) % 4 == 0, a.all_per_expert)
    yield root + "norm.weight", (2048,)
    yield "lm_head.weight", (248320, 2048)
    if not a.no_mtp:
        yield "mtp.fc.weight", (2048, 4096)
        for n in ("norm", "pre_fc_norm_embedding", "pre_fc_norm_hidden"):
            yield f"mtp.{n}.weight", (2048,)
        yield from layer("mtp.layers.0.", True, a.per_expert or a.all_per_expert)
    if not a.no_vision:
        yield from vision()


def count(shape):
    n = 1
    for s in shape:
        n *= s
    return n


def main():
    p = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    p.add_argument("out")
    p.add_argument("--per-expert", action="store_true")
    p.add_argument("--all-per-expert", action="store_true")
    p.add_argument("--no-mtp", action="store_true")
    p.add_argument("--no-vision", action="store_true")
    p.add_argument("--full-size", action="store_true")
    p.add_argument("--tokenizer", help="folder whose tokenizer files are copied (ids beyond it become padding)")
    a = p.parse_args()
    os.makedirs(a.out, exist_ok=True)
    with open(os.path.join(a.out, "config.json"), "w") as f:
        json.dump(CONFIG, f, indent=2)
    if a.tokenizer:
        import shutil
        for name in ("tokenizer.json", "tokenizer_config.json", "chat_template.jinja", "generation_config.json"):
            path = os.path.join(a.tokenizer, name)
            if os.path.exists(path):
                shutil.copy(path, a.out)
    shards, current, used = [], [], 0
    for name, shape in tensors(a):
        size = 2 * count(shape)
        if current and used + size > 2_900_000_000:
            shards.append(current)
            current, used = [], 0
        current.append((name, shape))
        used += size
    shards.append(current)
    weight_map, total = {}, 0
    for number, shard in enumerate(shards, 1):
        file = f"model-{number:05d}-of-{len(shards):05d}.safetensors"
        header, offset = {"__metadata__": {"format": "pt"}}, 0
        for name, shape in shard:
            size = 2 * count(shape)
            header[name] = {"dtype": "BF16", "shape": list(shape), "data_offsets": [offset, offset + size]}
            offset += size
            weight_map[name] = file
        total += offset
        text = json.dumps(header, separators=(",", ":")).encode()
        text += b" " * (-len(text) % 8)
        with open(os.path.join(a.out, file), "wb") as f:
            f.write(len(text).to_bytes(8, "little") + text)
            if a.full_size:
                f.truncate(8 + len(text) + offset)
    with open(os.path.join(a.out, "model.safetensors.index.json"), "w") as f:
        json.dump({"metadata": {"total_size": total}, "weight_map": weight_map}, f)
    print(f"{len(weight_map)} tensors, {total} bytes, {len(shards)} shards")


if __name__ == "__main__":
    main()
