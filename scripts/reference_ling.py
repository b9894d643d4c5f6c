"""Ling 2.0 (bailing_moe), of which only remote code exists: its last hidden state in f32. Needs torch."""
import math

import torch


def ling_hidden(config, weights, tokens, margins, selection_margin):
    """Norms of query and key heads, a rotary embedding of a share of each head, DeepSeek-V3's router with groups.

    Returns the normalized hidden states of all positions; margins receives how clear the choices of experts were.
    """
    heads, key_heads, width = config["num_attention_heads"], config["num_key_value_heads"], config["head_dim"]
    turned = int(width * config["partial_rotary_factor"])
    positions = torch.arange(len(tokens), dtype=torch.float32)
    frequencies = config["rope_theta"] ** (-torch.arange(turned // 2, dtype=torch.float32) * 2 / turned)
    angles = positions[:, None] * frequencies

    def norm(x, name):
        return weights[name] * (x * torch.rsqrt(x.pow(2).mean(-1, keepdim=True) + config["rms_norm_eps"]))

    def rotate(x):  # [heads, positions, width]
        first, second, rest = x[..., :turned // 2], x[..., turned // 2:turned], x[..., turned:]
        cosine, sine = angles.cos(), angles.sin()
        return torch.cat([first * cosine - second * sine, second * cosine + first * sine, rest], -1)

    def attention(x, prefix):
        joint = (x @ weights[prefix + "query_key_value.weight"].T).view(len(tokens), -1, width).transpose(0, 1)
        q, k, v = joint.split([heads, key_heads, key_heads])
        q = rotate(norm(q, prefix + "query_layernorm.weight"))
        k = rotate(norm(k, prefix + "key_layernorm.weight")).repeat_interleave(heads // key_heads, 0)
        scores = q @ k.transpose(1, 2) / math.sqrt(width)
        scores = scores.masked_fill(torch.ones(scores.shape[1:]).triu(1).bool(), -math.inf)
        mixed = scores.softmax(-1) @ v.repeat_interleave(heads // key_heads, 0)
        return mixed.transpose(0, 1).reshape(len(tokens), -1) @ weights[prefix + "dense.weight"].T

    def gated(x, prefix):
        gate, up = (x @ weights[f"{prefix}{n}_proj.weight"].T for n in ("gate", "up"))
        return (torch.nn.functional.silu(gate) * up) @ weights[f"{prefix}down_proj.weight"].T

    def mixture(x, prefix):
        used, groups, used_groups = config["num_experts_per_tok"], config["n_group"], config["topk_group"]
        probabilities = (x @ weights[prefix + "gate.weight"].T).sigmoid()
        choice = probabilities + weights[prefix + "gate.expert_bias"]
        margins.append(selection_margin(choice, used, groups, used_groups))
        grouped = choice.view(len(choice), groups, -1)
        best = grouped.topk(2, -1).values.sum(-1).topk(used_groups, -1).indices
        kept = torch.zeros(len(choice), groups, dtype=torch.bool).scatter(1, best, True)
        chosen = grouped.masked_fill(~kept[..., None], -math.inf).flatten(1).topk(used, -1).indices
        share = probabilities.gather(1, chosen)
        share = share / (share.sum(-1, keepdim=True) + 1e-20) * config["routed_scaling_factor"]
        out = gated(x, prefix + "shared_experts.")
        for expert in range(config["num_experts"]):
            out = out + (share * (chosen == expert)).sum(-1, keepdim=True) * gated(x, f"{prefix}experts.{expert}.")
        return out

    hidden = weights["model.word_embeddings.weight"][tokens]
    for layer in range(config["num_hidden_layers"]):
        prefix = f"model.layers.{layer}."
        hidden = hidden + attention(norm(hidden, prefix + "input_layernorm.weight"), prefix + "attention.")
        network = gated if layer < config["first_k_dense_replace"] else mixture
        hidden = hidden + network(norm(hidden, prefix + "post_attention_layernorm.weight"), prefix + "mlp.")
    return norm(hidden, "model.norm.weight")
