#!/usr/bin/env python3
"""Makes the tiny checkpoints and golden logits of Tests/ReferenceRuntimeTests/Golden.

For every family: a random model of a few ten thousand parameters, stored in bf16 as transformers
saves it, and its logits for 64 tokens, computed by transformers in f32 from exactly those weights.
For the sample checkpoint: logits of 64 positions for every 16th vocabulary entry, and the norm of
each full row.

Needs torch, transformers 5 and safetensors. Run from the repository's root:

    python3 scripts/make-golden-logits.py [FAMILY ...]
    python3 scripts/make-golden-logits.py --gguf FILE.gguf --like FOLDER --out FILE.f32

The second form computes the sample's golden logits from the dequantized weights of a GGUF file
(needs the gguf package); it is how pelican/logits-Q4_K_M.f32 was made, from llama-quantize's file, whose
tensor types are listed beside it in types-Q4_K_M.txt.

Files, all little-endian: tokens.i32 (64), logits.f32 (64 rows of the vocabulary; for the sample 64
rows of one norm and 256 logits).
"""

import argparse
import json
import math
import shutil
import struct
from pathlib import Path

import torch
import transformers

ROOT = Path(__file__).resolve().parent.parent
GOLDEN = ROOT / "Tests/ReferenceRuntimeTests/Golden"
SAMPLE = ROOT / "samples/Pelican-10M-A5M"
TOKEN_COUNT = 64
SAMPLE_STRIDE = 16

COMMON = dict(
    vocab_size=256,
    hidden_size=48,
    max_position_embeddings=512,
    bos_token_id=None,
    eos_token_id=None,
    pad_token_id=None,
)
HYBRID = dict(
    num_hidden_layers=4,
    num_attention_heads=4,
    num_key_value_heads=2,
    head_dim=32,
    linear_conv_kernel_dim=4,
    linear_key_head_dim=16,
    linear_value_head_dim=16,
    linear_num_key_heads=2,
    rms_norm_eps=1e-6,
    tie_word_embeddings=False,
)
IMROPE = dict(
    rope_parameters=dict(
        rope_type="default",
        rope_theta=10000.0,
        partial_rotary_factor=0.25,
        mrope_section=[2, 1, 1],
        mrope_interleaved=True,
    )
)

# For what has nothing to do with sizes.
SMALL = dict(
    hidden_size=32, vocab_size=128, num_hidden_layers=2, num_attention_heads=2, num_key_value_heads=1,
    intermediate_size=32, rms_norm_eps=1e-6, tie_word_embeddings=True,
)

FAMILIES = {
    "qwen2": (
        "Qwen2",
        dict(
            num_hidden_layers=2, num_attention_heads=4, num_key_value_heads=2, intermediate_size=96,
            rms_norm_eps=1e-6, rope_parameters=dict(rope_type="default", rope_theta=1e6),
            tie_word_embeddings=False,
        ),
    ),
    # A head dimension that is not hidden / heads, tied embeddings, yarn.
    "qwen3": (
        "Qwen3",
        dict(
            num_hidden_layers=3, num_attention_heads=4, num_key_value_heads=2, head_dim=32,
            intermediate_size=96, rms_norm_eps=1e-6, tie_word_embeddings=True,
            rope_parameters=dict(
                rope_type="yarn", rope_theta=10000.0, factor=4.0, original_max_position_embeddings=128
            ),
        ),
    ),
    # Frequency factors of Llama 3.1, with wavelengths on both sides of both limits.
    "llama": (
        "Llama",
        dict(
            num_hidden_layers=2, num_attention_heads=4, num_key_value_heads=2, intermediate_size=96,
            rms_norm_eps=1e-5, tie_word_embeddings=False,
            rope_parameters=dict(
                rope_type="llama3", rope_theta=10000.0, factor=8.0, low_freq_factor=1.0,
                high_freq_factor=4.0, original_max_position_embeddings=64,
            ),
        ),
    ),
    "mixtral": (
        "Mixtral",
        dict(
            num_hidden_layers=2, num_attention_heads=4, num_key_value_heads=2, intermediate_size=48,
            num_local_experts=4, num_experts_per_tok=2, rms_norm_eps=1e-5, sliding_window=None,
            rope_parameters=dict(rope_type="default", rope_theta=1e6), tie_word_embeddings=False,
        ),
    ),
    "qwen2_moe": (
        "Qwen2Moe",
        dict(
            num_hidden_layers=2, num_attention_heads=4, num_key_value_heads=4, intermediate_size=96,
            moe_intermediate_size=32, shared_expert_intermediate_size=48, num_experts=6,
            num_experts_per_tok=2, norm_topk_prob=False, decoder_sparse_step=1, mlp_only_layers=[],
            rms_norm_eps=1e-6, rope_parameters=dict(rope_type="default", rope_theta=1e6),
            tie_word_embeddings=False, use_sliding_window=False,
        ),
    ),
    "qwen3_moe": (
        "Qwen3Moe",
        dict(
            num_hidden_layers=3, num_attention_heads=4, num_key_value_heads=2, head_dim=32,
            intermediate_size=96, moe_intermediate_size=32, num_experts=8, num_experts_per_tok=3,
            norm_topk_prob=True, decoder_sparse_step=1, mlp_only_layers=[], rms_norm_eps=1e-6,
            rope_parameters=dict(rope_type="default", rope_theta=1e6), tie_word_embeddings=False,
        ),
    ),
    "qwen3_next": (
        "Qwen3Next",
        dict(
            HYBRID, linear_num_value_heads=4, intermediate_size=96, moe_intermediate_size=24,
            shared_expert_intermediate_size=32, num_experts=4, num_experts_per_tok=2,
            norm_topk_prob=True, decoder_sparse_step=1, mlp_only_layers=[], partial_rotary_factor=0.25,
            rope_parameters=dict(rope_type="default", rope_theta=1e7, partial_rotary_factor=0.25),
        ),
    ),
    # Three value heads per key head with two key heads, so that the head reorder is not its own inverse.
    "qwen3_5_moe": (
        "Qwen3_5Moe",
        dict(
            HYBRID, **IMROPE, linear_num_value_heads=6, moe_intermediate_size=24,
            shared_expert_intermediate_size=32, num_experts=4, num_experts_per_tok=2,
        ),
    ),
    "qwen3_5": ("Qwen3_5", dict(HYBRID, **IMROPE, linear_num_value_heads=6, intermediate_size=96)),
    # What config.json says and no GGUF carries: windows in all layers or some of them, other rotary embeddings. One
    # window is below, one above the 16 positions of a block of keys.
    "mistral-window": ("Mistral", dict(SMALL, sliding_window=21)),
    "qwen3-layer-types": (
        "Qwen3",
        dict(
            SMALL, num_hidden_layers=3, head_dim=16, use_sliding_window=True, sliding_window=9,
            layer_types=["sliding_attention", "full_attention", "sliding_attention"],
        ),
    ),
    "qwen2_moe-window": (
        "Qwen2Moe",
        dict(
            SMALL, num_hidden_layers=3, moe_intermediate_size=16, shared_expert_intermediate_size=16, num_experts=3,
            num_experts_per_tok=2, use_sliding_window=True, sliding_window=12, max_window_layers=2,
        ),
    ),
    "qwen3_moe-longrope": (
        "Qwen3Moe",
        dict(
            SMALL, head_dim=16, moe_intermediate_size=16, num_experts=3, num_experts_per_tok=2, norm_topk_prob=True,
            use_sliding_window=True, sliding_window=30,
            rope_parameters=dict(
                rope_type="longrope", rope_theta=10000.0, short_factor=[1.0, 1.1, 1.3, 1.7, 2.0, 2.5, 3.0, 4.0],
                long_factor=[2.0] * 8, original_max_position_embeddings=64,
            ),
        ),
    ),
    "llama-proportional": (
        "Llama",
        dict(
            SMALL, head_dim=16,
            rope_parameters=dict(rope_type="proportional", rope_theta=10000.0, partial_rotary_factor=0.5, factor=2.0),
        ),
    ),
    "qwen2-dynamic": (
        "Qwen2",
        dict(SMALL, max_position_embeddings=64, rope_parameters=dict(rope_type="dynamic", rope_theta=1e4, factor=4.0)),
    ),
    "qwen3-llama3": (
        "Qwen3",
        dict(
            SMALL, head_dim=16,
            rope_parameters=dict(
                rope_type="llama3", rope_theta=10000.0, factor=8.0, low_freq_factor=1.0, high_freq_factor=4.0,
                original_max_position_embeddings=64,
            ),
        ),
    ),
    "qwen3-yarn": (
        "Qwen3",
        dict(
            SMALL, head_dim=16,
            rope_parameters=dict(
                rope_type="yarn", rope_theta=10000.0, factor=4.0, original_max_position_embeddings=128, beta_fast=16.0,
                beta_slow=2.0, mscale=0.8, mscale_all_dim=0.5, truncate=False,
            ),
        ),
    ),
}
# Written as it is for these: transformers drops or completes what a user's file may lack.
CONFIG_EDITS = {
    "mistral-window": lambda c: c.update(layer_types=["full_attention"] * 2),
    "llama-proportional": lambda c: c.update(sliding_window=7, use_sliding_window=True),
}


def randomize(model, seed):
    """Gives every parameter values that make a mistake visible; freshly made norms are all 0 or 1."""
    generator = torch.Generator().manual_seed(seed)
    normal = lambda like: torch.randn(like.shape, generator=generator)
    for name, parameter in sorted(model.named_parameters()):
        if parameter.ndim == 1:
            if name.endswith("A_log"):
                value = torch.rand(parameter.shape, generator=generator) * 2 - 1
            elif name.endswith("dt_bias"):
                value = 0.5 * normal(parameter)
            elif "norm" in name:
                # Norms of the (1 + w) kind start at 0, the others at 1.
                value = parameter.detach().mean() + 0.3 * normal(parameter)
            else:
                value = 0.3 * normal(parameter)
        elif "embed_tokens" in name:
            value = normal(parameter)
        elif "conv1d" in name:
            value = 0.5 * normal(parameter)
        else:
            value = normal(parameter) / math.sqrt(parameter.shape[-1])
        parameter.data = value.to(torch.bfloat16).to(torch.float32)


def smallest_margin(model, tokens):
    """The least gap between the last chosen and the first rejected expert over all tokens and layers."""
    margins = []

    def hook(module, inputs, output):
        hidden = inputs[0].reshape(-1, inputs[0].shape[-1])
        logits = torch.softmax(hidden @ module.weight.T, -1).sort(-1, descending=True).values
        k = model.config.num_experts_per_tok
        margins.append((logits[:, k - 1] - logits[:, k]).min().item())

    handles = [
        module.register_forward_hook(hook)
        for name, module in model.named_modules()
        if type(module).__name__.endswith("TopKRouter")
    ]
    with torch.no_grad():
        model(tokens)
    for handle in handles:
        handle.remove()
    return min(margins, default=math.inf)


def write_floats(path, tensor):
    path.write_bytes(tensor.detach().to(torch.float32).contiguous().numpy().astype("<f4").tobytes())


def write_tokens(path, tokens):
    path.write_bytes(struct.pack(f"<{len(tokens)}i", *tokens))


def make_family(name):
    prefix, settings = FAMILIES[name]
    text = "Text" if prefix.startswith("Qwen3_5") else ""
    config = getattr(transformers, f"{prefix}{text}Config")(**{**COMMON, **settings})
    config._attn_implementation = "eager"
    model_class = getattr(transformers, f"{prefix}ForCausalLM")
    tokens = torch.randint(0, config.vocab_size, (1, TOKEN_COUNT), generator=torch.Generator().manual_seed(7))
    for seed in range(100):
        model = model_class(config).to(torch.float32).eval()
        randomize(model, seed)
        # Seeds with a near tie in routing are passed over: rounding may flip it.
        margin = smallest_margin(model, tokens)
        if margin > 2e-4:
            break
    with torch.no_grad():
        logits = model(tokens, use_cache=False).logits[0].float()
    folder = GOLDEN / name
    shutil.rmtree(folder, ignore_errors=True)
    folder.mkdir(parents=True)
    model.to(torch.bfloat16).save_pretrained(folder)
    for extra in ("generation_config.json",):
        (folder / extra).unlink(missing_ok=True)
    if name in CONFIG_EDITS:
        document = json.loads((folder / "config.json").read_text())
        CONFIG_EDITS[name](document)
        (folder / "config.json").write_text(json.dumps(document, indent=2) + "\n")
        again = model_class.from_pretrained(folder, dtype=torch.float32, attn_implementation="eager").eval()
        with torch.no_grad():
            logits = again(tokens, use_cache=False).logits[0].float()
    write_tokens(folder / "tokens.i32", tokens[0].tolist())
    write_floats(folder / "logits.f32", logits)
    size = sum(f.stat().st_size for f in folder.iterdir())
    print(f"{name}: seed {seed}, margin {margin:.2g}, |logits| {logits.norm():.4f}, {size} bytes")


def sample_model(weights=None):
    config = transformers.AutoConfig.from_pretrained(SAMPLE)
    config._attn_implementation = "eager"
    model = transformers.Qwen3_5MoeForCausalLM.from_pretrained(SAMPLE, config=config, dtype=torch.float32).eval()
    if weights is not None:
        state = model.state_dict()
        missing = set(state) - set(weights)
        assert not missing, sorted(missing)[:5]
        model.load_state_dict({key: weights[key].reshape(state[key].shape) for key in state})
    return model


def sample_tokens():
    tokenizer = transformers.PreTrainedTokenizerFast(tokenizer_file=str(SAMPLE / "tokenizer.json"))
    text = (
        "<|im_start|>user\na pelican riding a green bicycle<|im_end|>\n<|im_start|>assistant\n"
        '<svg viewBox="0 0 100 100"><rect width="100" height="100" fill="#bfe3f7"/>'
        '<circle cx="30" cy="70" r="14" fill="none" stroke="#2f9e44"/>'
    )
    return tokenizer.encode(text, add_special_tokens=False)[:TOKEN_COUNT]


def write_sample_logits(path, model, tokens):
    with torch.no_grad():
        logits = model(torch.tensor([tokens]), use_cache=False).logits[0].float()
    rows = torch.cat([logits.norm(dim=-1, keepdim=True), logits[:, ::SAMPLE_STRIDE]], dim=1)
    write_floats(path, rows)
    print(f"{path.name}: {len(tokens)} tokens, |logits| {logits.norm():.4f}")


def make_sample():
    folder = GOLDEN / "pelican"
    folder.mkdir(parents=True, exist_ok=True)
    tokens = sample_tokens()
    assert len(tokens) == TOKEN_COUNT, len(tokens)
    write_tokens(folder / "tokens.i32", tokens)
    write_sample_logits(folder / "logits.f32", sample_model(), tokens)


def weights_from_gguf(path):
    """The sample's GGUF tensors, dequantized, under the names and in the layout of transformers."""
    import gguf
    import numpy

    config = json.loads((SAMPLE / "config.json").read_text())
    nk, nv = config["linear_num_key_heads"], config["linear_num_value_heads"]
    dk, dv = config["linear_key_head_dim"], config["linear_value_head_dim"]
    repeat = nv // nk
    # GGUF value head j is checkpoint head (j mod nk) * repeat + j div nk; this is the way back.
    back = [0] * nv
    for j in range(nv):
        back[(j % nk) * repeat + j // nk] = j

    def heads(x, width, axis=0):
        parts = numpy.split(x, x.shape[axis] // width, axis=axis)
        return numpy.concatenate([parts[b] for b in back], axis=axis)

    def values_of_qkv(x):
        return numpy.concatenate([x[: 2 * nk * dk], heads(x[2 * nk * dk :], dv)])

    read = {
        t.name: gguf.quants.dequantize(t.data, t.tensor_type).astype(numpy.float32)
        for t in gguf.GGUFReader(path).tensors
    }
    out = {
        "model.embed_tokens.weight": read["token_embd.weight"],
        "model.norm.weight": read["output_norm.weight"] - 1,
        "lm_head.weight": read["output.weight"],
    }
    for layer, kind in enumerate(config["layer_types"]):
        get = lambda name: read[f"blk.{layer}.{name}"]
        put = lambda name, value: out.__setitem__(f"model.layers.{layer}.{name}", value)
        put("input_layernorm.weight", get("attn_norm.weight") - 1)
        put("post_attention_layernorm.weight", get("post_attention_norm.weight") - 1)
        put("mlp.gate.weight", get("ffn_gate_inp.weight"))
        put(
            "mlp.experts.gate_up_proj",
            numpy.concatenate([get("ffn_gate_exps.weight"), get("ffn_up_exps.weight")], axis=1),
        )
        put("mlp.experts.down_proj", get("ffn_down_exps.weight"))
        for part in ("gate", "up", "down"):
            put(f"mlp.shared_expert.{part}_proj.weight", get(f"ffn_{part}_shexp.weight"))
        put("mlp.shared_expert_gate.weight", get("ffn_gate_inp_shexp.weight"))
        if kind == "full_attention":
            for part, name in dict(q="q", k="k", v="v", o="output").items():
                put(f"self_attn.{part}_proj.weight", get(f"attn_{name}.weight"))
            for part in "qk":
                put(f"self_attn.{part}_norm.weight", get(f"attn_{part}_norm.weight") - 1)
        else:
            put("linear_attn.in_proj_qkv.weight", values_of_qkv(get("attn_qkv.weight")))
            put("linear_attn.in_proj_z.weight", heads(get("attn_gate.weight"), dv))
            put("linear_attn.in_proj_b.weight", heads(get("ssm_beta.weight"), 1))
            put("linear_attn.in_proj_a.weight", heads(get("ssm_alpha.weight"), 1))
            put("linear_attn.conv1d.weight", values_of_qkv(get("ssm_conv1d.weight")))
            put("linear_attn.A_log", numpy.log(-heads(get("ssm_a"), 1)))
            put("linear_attn.dt_bias", heads(get("ssm_dt.bias"), 1))
            put("linear_attn.norm.weight", get("ssm_norm.weight"))
            put("linear_attn.out_proj.weight", heads(get("ssm_out.weight"), dv, axis=1))
    return {key: torch.from_numpy(numpy.ascontiguousarray(value)) for key, value in out.items()}


def main():
    parser = argparse.ArgumentParser(description="Makes golden logits with transformers.")
    parser.add_argument("families", nargs="*", help="families to make; all and the sample when none is named")
    parser.add_argument("--gguf", help="a GGUF file of the sample to take (dequantized) weights from")
    parser.add_argument("--out", help="where its logits go")
    arguments = parser.parse_args()
    torch.manual_seed(0)
    torch.set_num_threads(1)
    if arguments.gguf:
        model = sample_model(weights_from_gguf(arguments.gguf))
        write_sample_logits(Path(arguments.out), model, sample_tokens())
        return
    for name in arguments.families or [*FAMILIES, "pelican"]:
        make_sample() if name == "pelican" else make_family(name)


if __name__ == "__main__":
    main()
