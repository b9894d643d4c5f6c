#!/usr/bin/env python3
"""Makes the tiny checkpoints and golden logits of Tests/ReferenceRuntimeTests/Golden.

For every golden of the table of families: a random model of a few ten thousand parameters, stored in bf16 as
transformers saves it or as make-random-checkpoint.py writes it, and its logits for 64 tokens, computed in f32 from
exactly those weights by transformers (of the first DeepSeek mixture, by reference_logits.py).
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
import subprocess
import sys
from pathlib import Path

import torch
import transformers
from safetensors.torch import load_file, save_file

import families
from reference_logits import checkpoint_logits, used_experts, watch_routers

ROOT = Path(__file__).resolve().parent.parent
GOLDEN = ROOT / "Tests/ReferenceRuntimeTests/Golden"
SAMPLE = ROOT / "samples/Pelican-10M-A5M"
TOKEN_COUNT = 64
SMALLEST_MARGIN = 2e-4
SAMPLE_STRIDE = 16

# Endings of biases on the choice of experts, which stay in f32.
CHOICE_BIASES = ("correction_bias", "expert_bias")

COMMON = dict(
    vocab_size=256,
    hidden_size=48,
    max_position_embeddings=512,
    bos_token_id=None,
    eos_token_id=None,
    pad_token_id=None,
)
TINY_VISION = {
    "qwen3_vl": dict(depth=1, hidden_size=16, intermediate_size=16, num_heads=1, patch_size=2, temporal_patch_size=1,
                     spatial_merge_size=1, num_position_embeddings=4, deepstack_visual_indexes=[0]),
    "mistral3": dict(model_type="pixtral", hidden_size=16, intermediate_size=16, num_hidden_layers=1,
                     num_attention_heads=1, head_dim=16, patch_size=2, image_size=4),
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
            elif name.endswith("router.scale"):
                # What it multiplies is over the root of the width.
                value = math.sqrt(len(parameter)) * (1 + 0.3 * normal(parameter))
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
    for name, buffer in sorted(model.named_buffers()):
        if name.endswith(CHOICE_BIASES):
            buffer.copy_(0.1 * normal(buffer))
        elif name.endswith("layer_scalar"):
            buffer.copy_((1 + 0.3 * normal(buffer)).to(torch.bfloat16))


def smallest_margin(model, tokens):
    """The least gap between the last chosen and the first rejected expert over all tokens and layers."""
    margins = []
    text = model.config.get_text_config()
    handles = watch_routers(model, used_experts(text), margins)
    with torch.no_grad():
        model(tokens)
    for handle in handles:
        handle.remove()
    return min(margins, default=math.inf)


def write_floats(path, tensor):
    path.write_bytes(tensor.detach().to(torch.float32).contiguous().numpy().astype("<f4").tobytes())


def write_tokens(path, tokens):
    path.write_bytes(struct.pack(f"<{len(tokens)}i", *tokens))


def built_model(family, settings):
    """A model class of transformers and a configuration for it, in the family's wrapper where it always has one."""
    settings = {**COMMON, **settings}
    text = getattr(transformers, family.transformers + "Config")
    if not family.always_wrapped:
        return getattr(transformers, family.transformers.removesuffix("Text") + "ForCausalLM"), text(**settings)
    kind = family.wrapper_model_type or family.name
    vision = dict(TINY_VISION[kind.removesuffix("_moe")])
    if kind.startswith("qwen"):
        vision["out_hidden_size"] = settings["hidden_size"]
    whole = getattr(transformers, family.wrapper.removesuffix("ForConditionalGeneration") + "Config")
    config = whole(text_config=dict(settings, model_type=text.model_type), vision_config=vision,
                   tie_word_embeddings=settings["tie_word_embeddings"])
    return getattr(transformers, family.wrapper), config


def make_family(name):
    golden, family = families.goldens()[name]
    folder = GOLDEN / name
    shutil.rmtree(folder, ignore_errors=True)
    make = make_from_options if golden.options else make_with_transformers
    seed, margin, tokens, logits = make(folder, golden, family)
    write_tokens(folder / "tokens.i32", tokens)
    write_floats(folder / "logits.f32", logits)
    size = sum(f.stat().st_size for f in folder.iterdir())
    print(f"{name}: seed {seed}, margin {margin:.2g}, |logits| {logits.norm():.4f}, {size} bytes")


def random_tokens(vocabulary):
    return torch.randint(0, vocabulary, (1, TOKEN_COUNT), generator=torch.Generator().manual_seed(7))


def make_from_options(folder, golden, family):
    """A checkpoint of make-random-checkpoint.py, and its logits computed from the files."""
    for seed in range(1, 100):
        shutil.rmtree(folder, ignore_errors=True)
        command = [sys.executable, ROOT / "scripts/make-random-checkpoint.py", "--family", family.name,
                   *golden.options.split(), "--seed", str(seed), folder]
        subprocess.run(command, check=True, stderr=subprocess.DEVNULL)
        document = json.loads((folder / "config.json").read_text())
        text = document.get("text_config", document)
        text.update(pad_token_id=None, eos_token_id=None)
        (folder / "config.json").write_text(json.dumps(document, indent=2) + "\n")
        tokens = random_tokens(text["vocab_size"])[0].tolist()
        margins = []
        logits = checkpoint_logits(folder, tokens, margins)
        # Seeds with a near tie in routing are passed over: rounding may flip it.
        if min(margins) > SMALLEST_MARGIN:
            break
    return seed, min(margins), tokens, logits


def make_with_transformers(folder, golden, family):
    """A model as transformers builds and saves it, and its logits."""
    model_class, config = built_model(family, golden.settings)
    config._attn_implementation = "eager"
    tokens = random_tokens(config.get_text_config().vocab_size)
    for seed in range(100):
        model = model_class(config).to(torch.float32).eval()
        randomize(model, seed)
        margin = smallest_margin(model, tokens)
        if margin > SMALLEST_MARGIN:
            break
    with torch.no_grad():
        logits = model(tokens, use_cache=False).logits[0].float()
    biases = {name: buffer.clone() for name, buffer in model.named_buffers() if name.endswith(CHOICE_BIASES)}
    folder.mkdir(parents=True)
    model.to(torch.bfloat16).save_pretrained(folder)
    (folder / "generation_config.json").unlink(missing_ok=True)
    keep_precise(folder / "model.safetensors", biases)
    if golden.edit:
        document = json.loads((folder / "config.json").read_text())
        golden.edit(document)
        (folder / "config.json").write_text(json.dumps(document, indent=2) + "\n")
    if golden.edit and not biases:
        again = model_class.from_pretrained(folder, dtype=torch.float32, attn_implementation="eager").eval()
        with torch.no_grad():
            logits = again(tokens, use_cache=False).logits[0].float()
    # What is on disk gives these logits.
    told = checkpoint_logits(folder, tokens[0].tolist())
    assert (told - logits).norm() < 1e-5 * logits.norm(), (told - logits).norm() / logits.norm()
    return seed, margin, tokens[0].tolist(), logits


def keep_precise(path, biases):
    """Puts the selection biases back in f32, as released: they were rounded with the rest."""
    if biases:
        tensors = load_file(path)
        # transformers may save modules under the names that releases have.
        stored = {bias: [n for n in tensors if n.split(".")[2:3] == bias.split(".")[2:3]
                         and n.split(".")[-1] == bias.split(".")[-1]] for bias in biases}
        assert all(len(names) == 1 for names in stored.values()), stored
        biases = {stored[name][0]: value for name, value in biases.items()}
        save_file({**tensors, **biases}, path, metadata={"format": "pt"})


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
    for name in arguments.families or [*families.goldens(), "pelican"]:
        make_sample() if name == "pelican" else make_family(name)


if __name__ == "__main__":
    main()
