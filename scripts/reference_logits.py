"""Logits of a checkpoint in f32: computed by transformers, or here for families that it does not have. Needs torch."""
import json
import math
import os
import re

import torch
import transformers
from safetensors.torch import load_file

from families import FAMILIES
from reference_ling import ling_hidden


def text_configuration(document):
    """config.json's text part, and the family it belongs to."""
    text = {**document, **document.get("text_config", {})}
    for key in ("text_config", "vision_config", "architectures", "quantization_config", "dtype"):
        text.pop(key, None)
    kind = document.get("text_config", document)["model_type"]
    family = next(f for f in FAMILIES.values() if kind in (f.name, f.text_model_type, *f.more_classes)
                  and f.experts == text.get("enable_moe_block", f.experts))
    return text, family


FLOAT4 = torch.tensor([0, 0.5, 1, 1.5, 2, 3, 4, 6, -0.0, -0.5, -1, -1.5, -2, -3, -4, -6])


def dequantized(tensors, block=128):
    """Replaces codes with their scales by their values."""
    ends = ("_scale_inv", ".weight_scale", ".weight_shape", "_scales", ".weight_scale_2", ".weight_global_scale",
            ".input_scale", ".input_global_scale", ".activation_scale")
    out = {}
    for name, value in tensors.items():
        if name.endswith(ends):
            continue
        plain = name.removesuffix("_packed").removesuffix("_blocks")
        scale = next((tensors[plain + e] for e in ("_scale_inv", "_scale", "_scales") if plain + e in tensors), None)
        if scale is None:
            out[plain] = value.to(torch.float32)
            continue
        if value.dtype == torch.int32:
            rows, columns = tensors[plain + "_shape"].tolist()
            bits = 32 * value.shape[1] // columns
            half = 1 << bits - 1
            shifts = torch.arange(0, 32, bits, dtype=torch.int32)
            value = ((value[..., None] >> shifts) & 2 * half - 1).flatten(1) - half
        elif value.dtype == torch.uint8:
            value = FLOAT4[torch.stack([value & 15, value >> 4], -1).flatten(-2).long()]
        value = value.to(torch.float32)
        if name.endswith("_blocks"):
            out[plain] = (value * torch.exp2(scale.to(torch.float32) - 127)[..., None]).flatten(-2)
            continue
        scale = scale.to(torch.float32)
        if plain + "_scale_2" in tensors:
            scale = scale * tensors[plain + "_scale_2"]
        if plain + "_global_scale" in tensors:
            scale = scale / tensors[plain + "_global_scale"]
        if scale.dim() == 2:
            rows, columns = value.shape
            high = block if scale.shape[0] < rows else 1
            # Groups of a row have its rows, blocks fewer.
            wide = block if high > 1 else columns // scale.shape[1]
            scale = scale.repeat_interleave(high, 0)[:rows].repeat_interleave(wide, 1)[:, :columns]
        out[plain] = value * scale
    return out


def read_tensors(folder, family):
    """The text model's tensors in f32, under plain names."""
    tensors = {}
    for name in sorted(os.listdir(folder)):
        if name.endswith(".safetensors"):
            tensors.update(load_file(os.path.join(folder, name)))
    out = {}
    for name, value in dequantized(tensors).items():
        name = name.replace(family.wrapped_root, "model.", 1)
        name = name.removeprefix(family.wrapped_head) if family.wrapped_head else name
        if name.startswith(("model.", "lm_head.")) and not name.startswith("model.visual."):
            # transformers calls every mixture so, whatever the checkpoint does.
            root = family.moe_root
            out[name.replace("." + root, ".mlp.") if root else name] = value
    return out


def stack_experts(tensors, names, are_turned=False):
    """Experts as transformers keeps them: [experts, gate and up rows, hidden] and [experts, hidden, width], or turned."""
    out, experts = {}, {}
    for name, value in tensors.items():
        found = re.fullmatch(r"(.*)\.experts\.(\d+)\.(\w+)\.weight", name)
        if found:
            experts.setdefault(found[1], {})[int(found[2]), found[3]] = value
        else:
            out[name] = value
    gate, up, down = names
    for prefix, parts in experts.items():
        count = 1 + max(e for e, _ in parts)
        rows = [torch.cat([parts[e, gate], parts[e, up]]) for e in range(count)]
        out[prefix + ".experts.gate_up_proj"] = torch.stack(rows)
        out[prefix + ".experts.down_proj"] = torch.stack([parts[e, down] for e in range(count)])
    for name in [n for n in out if n.endswith(".experts.down_proj")]:
        hidden = out["model.embed_tokens.weight"].shape[1]
        both = name.replace("down_proj", "gate_up_proj")
        if (out[both].shape[2] != hidden or out[name].shape[1] != hidden) != are_turned:
            out[name] = out[name].transpose(1, 2).contiguous()
            out[both] = out[both].transpose(1, 2).contiguous()
    return out


def selection_margin(scores, count, groups=1, used_groups=1, best_of_group=2):
    """The least gap between the last chosen and the first rejected expert (or group of experts), for rows of scores."""
    margin = math.inf
    if groups > 1 and used_groups < groups:
        grouped = scores.view(len(scores), groups, -1)
        ranks = grouped.topk(best_of_group, -1).values.sum(-1).sort(-1, descending=True)
        margin = (ranks.values[:, used_groups - 1] - ranks.values[:, used_groups]).min().item()
        kept = torch.zeros(len(scores), groups, dtype=torch.bool).scatter(1, ranks.indices[:, :used_groups], True)
        scores = grouped.masked_fill(~kept[..., None], -math.inf).flatten(1)
    ordered = scores.sort(-1, descending=True).values
    return min(margin, (ordered[:, count - 1] - ordered[:, count]).min().item())


def used_experts(config):
    """The experts that a token visits, by the names that configurations have for it."""
    names = ("num_experts_per_tok", "moe_k", "moe_topk", "top_k_experts")
    return next((getattr(config, n) for n in names if getattr(config, n, None)), 0)


def watch_routers(model, count, margins):
    """Has every router append the margin of its selections, and returns the handles."""

    def of_softmax(module, inputs, output):
        hidden = inputs[0].reshape(-1, inputs[0].shape[-1])
        scores = hidden @ module.weight.T + (getattr(module, "bias", None) is not None and module.bias)
        margins.append(selection_margin(torch.softmax(scores, -1), count))

    def of_groups(module, inputs, output):
        hidden = inputs[0].reshape(-1, inputs[0].shape[-1])
        scores = hidden @ module.weight.T
        bias = getattr(module, "e_score_correction_bias", None)
        scores = scores.softmax(-1) if bias is None else scores.sigmoid() + bias
        method = getattr(module, "topk_method", "")
        margins.append(selection_margin(scores, count, 1 if method == "greedy" else module.num_group,
                                        module.topk_group, 1 if method else 2))

    def of_output(module, inputs, output):
        margins.append(selection_margin(output[0], count))

    kinds = {"Gemma4TextRouter": of_output, "TopKRouter": of_softmax, "TopkRouter": of_groups}
    return [module.register_forward_hook(hook) for _, module in model.named_modules() for ending, hook in kinds.items()
            if type(module).__name__.endswith(ending)]


def checkpoint_logits(folder, tokens, margins=None):
    """The logits of all positions; margins, when given, receives how clear the choices of experts were."""
    margins = [] if margins is None else margins
    with open(os.path.join(folder, "config.json")) as f:
        text, family = text_configuration(json.load(f))
    tensors = read_tensors(folder, family)
    layers = text["num_hidden_layers"]
    own_layers = {n: t for n, t in tensors.items()
                  if not n.startswith("model.layers.") or int(n.split(".")[2]) < layers}
    embedding = own_layers.get("model.embed_tokens.weight", own_layers.get("model.word_embeddings.weight"))
    head = own_layers.pop("lm_head.weight", embedding)
    with torch.no_grad():
        if family.name == "bailing_moe":
            return ling_hidden(text, own_layers, tokens, margins, selection_margin) @ head.T
        if not family.transformers:
            return deepseek_hidden(text, own_layers, tokens, margins) @ head.T
        judge = family.more_classes.get(text["model_type"], family.transformers)
        text["model_type"] = getattr(transformers, judge + "Config").model_type
        config = getattr(transformers, judge + "Config").from_dict(text)
        config._attn_implementation = "eager"
        config._experts_implementation = "eager"
        if family.names:
            # transformers knows which names releases have for its modules.
            model = getattr(transformers, judge.removesuffix("Text") + "ForCausalLM").from_pretrained(
                folder, config=config, dtype=torch.float32).eval()
            watch_routers(model, used_experts(config), margins)
            return model(input_ids=torch.tensor([tokens]), use_cache=False).logits[0]
        model = getattr(transformers, judge + "Model")(config).to(torch.float32).eval()
        state = {n.removeprefix("model."): t for n, t in stack_experts(own_layers, family.expert_names, family.turned_experts).items()}
        model.load_state_dict(state, strict=True)
        if family.experts:
            watch_routers(model, text.get("num_experts_per_tok") or text["top_k_experts"], margins)
        logits = model(input_ids=torch.tensor([tokens]), use_cache=False).last_hidden_state[0] @ head.T
        cap = text.get("final_logit_softcapping")
        return cap * torch.tanh(logits / cap) if cap else logits


def deepseek_hidden(config, weights, tokens, margins):
    """The first DeepSeek mixture (only remote code has it): Llama's attention, a softmax router over all experts whose
    weights are not normalized unless told, and shared experts beside them. Returns the normalized last hidden state."""
    heads, key_heads = config["num_attention_heads"], config["num_key_value_heads"]
    width = config["hidden_size"] // heads
    half = width // 2
    positions = torch.arange(len(tokens), dtype=torch.float32)
    frequencies = config["rope_theta"] ** (-torch.arange(half, dtype=torch.float32) * 2 / width)
    angles = positions[:, None] * frequencies  # [positions, half]

    def norm(x, weight):
        return weight * (x * torch.rsqrt(x.pow(2).mean(-1, keepdim=True) + config["rms_norm_eps"]))

    def rotate(x):  # [heads, positions, width]
        first, second = x[..., :half], x[..., half:]
        cosine, sine = angles.cos(), angles.sin()
        return torch.cat([first * cosine - second * sine, second * cosine + first * sine], -1)

    def gated(x, prefix):
        gate, up = (x @ weights[f"{prefix}.{n}_proj.weight"].T for n in ("gate", "up"))
        return (torch.nn.functional.silu(gate) * up) @ weights[f"{prefix}.down_proj.weight"].T

    def attention(x, prefix):
        q, k, v = (
            (x @ weights[f"{prefix}.{n}_proj.weight"].T).view(len(tokens), -1, width).transpose(0, 1) for n in "qkv")
        q, k = rotate(q), rotate(k).repeat_interleave(heads // key_heads, 0)
        scores = q @ k.transpose(1, 2) / math.sqrt(width)
        scores = scores.masked_fill(torch.ones(scores.shape[1:]).triu(1).bool(), -math.inf)
        mixed = scores.softmax(-1) @ v.repeat_interleave(heads // key_heads, 0)
        return mixed.transpose(0, 1).reshape(len(tokens), -1) @ weights[f"{prefix}.o_proj.weight"].T

    def mixture(x, prefix):
        probabilities = (x @ weights[f"{prefix}.gate.weight"].T).softmax(-1)
        margins.append(selection_margin(probabilities, config["num_experts_per_tok"]))
        best, chosen = probabilities.topk(config["num_experts_per_tok"], -1)
        if config["norm_topk_prob"]:
            best = best / (best.sum(-1, keepdim=True) + 1e-20)
        out = gated(x, f"{prefix}.shared_experts")
        for expert in range(config["n_routed_experts"]):
            share = (best * (chosen == expert)).sum(-1, keepdim=True)
            out = out + share * gated(x, f"{prefix}.experts.{expert}")
        return out

    hidden = weights["model.embed_tokens.weight"][tokens]
    for layer in range(config["num_hidden_layers"]):
        prefix = f"model.layers.{layer}"
        normalized = norm(hidden, weights[f"{prefix}.input_layernorm.weight"])
        hidden = hidden + attention(normalized, f"{prefix}.self_attn")
        normalized = norm(hidden, weights[f"{prefix}.post_attention_layernorm.weight"])
        dense = layer < config["first_k_dense_replace"] or layer % config.get("moe_layer_freq", 1)
        hidden = hidden + (gated if dense else mixture)(normalized, f"{prefix}.mlp")
    return norm(hidden, weights["model.norm.weight"])
