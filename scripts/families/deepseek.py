"""DeepSeek and what is built on the same attention: Kimi K2 and Mistral Small 4 (GLM-4.7-Flash is in glm.py)."""
from families.entry import MAIN_MIXES, SMALL_MIXTURE, SMALL_OPTIONS, Case, Family, Golden

# Realistic heads: rows of the transposed key matrices are not multiples of 256 in any release either.
LATENT = dict(layers=3, q_lora=256, kv_lora=256, nope_dim=128, rope_dim=64, value_dim=128, experts=16, used_experts=4,
              dense_layers=1, rope="yarn")
SMALL_LATENT = dict(q_lora_rank=16, kv_lora_rank=32, qk_nope_head_dim=16, qk_rope_head_dim=8, v_head_dim=24)
SMALL_LATENT_OPTIONS = SMALL_OPTIONS + "--q-lora 16 --kv-lora 32 --nope-dim 16 --rope-dim 8 --value-dim 24 "


def small_yarn(mscale, factor=40.0, theta=1e4, **more):
    return dict(rope_parameters=dict(rope_type="yarn", rope_theta=theta, factor=factor, mscale=mscale,
                                     mscale_all_dim=mscale, original_max_position_embeddings=64, **more))


def dense_and_experts(c, a):
    """Keys of all DeepSeek mixtures."""
    c.update(intermediate_size=a.width, moe_intermediate_size=a.expert_width, n_routed_experts=a.experts,
             n_shared_experts=a.shared_experts, num_experts_per_tok=a.used_experts,
             first_k_dense_replace=a.dense_layers, moe_layer_freq=1, attention_bias=False)


def latent_attention(c, a):
    # All heads have keys and values of their own, and releases say so.
    c.update(num_key_value_heads=a.heads, q_lora_rank=a.q_lora or None, kv_lora_rank=a.kv_lora,
             qk_nope_head_dim=a.nope_dim, qk_rope_head_dim=a.rope_dim, v_head_dim=a.value_dim)


def deepseek(c, a):
    c.update(rope_theta=10000.0, scoring_func="softmax", norm_topk_prob=False)
    dense_and_experts(c, a)


def deepseek_v2(c, a):
    c.update(rope_theta=10000.0, max_position_embeddings=2560, scoring_func="softmax", norm_topk_prob=False,
             routed_scaling_factor=1.0 if a.groups == 1 else 16.0, n_group=a.groups, topk_group=a.used_groups,
             topk_method="greedy" if a.groups == 1 else "group_limited_greedy")
    dense_and_experts(c, a)
    latent_attention(c, a)


def deepseek_v3(c, a):
    c.update(rope_theta=10000.0, max_position_embeddings=2560, norm_topk_prob=True, routed_scaling_factor=2.5,
             n_group=a.groups, topk_group=a.used_groups, topk_method="noaux_tc",
             num_nextn_predict_layers=int(a.mtp))
    if not a.no_scoring_key:
        c["scoring_func"] = "sigmoid"
    dense_and_experts(c, a)
    latent_attention(c, a)


def named_kimi(config):
    config.update(model_type="kimi_k2")


def kimi_k2(c, a):
    deepseek_v3(c, a)
    c.update(rope_theta=50000.0, max_position_embeddings=2048, routed_scaling_factor=2.827)


def mistral4(c, a):
    dense_and_experts(c, a)
    latent_attention(c, a)
    del c["rope_theta"]
    c.update(max_position_embeddings=2048, norm_topk_prob=True, routed_scaling_factor=1.0, n_group=1, topk_group=1,
             rope_interleave=True)
    c["rope_parameters"] = {
        "rope_type": "yarn", "type": "yarn", "rope_theta": 10000.0, "factor": 64.0, "beta_fast": 32.0, "beta_slow": 1.0,
        "original_max_position_embeddings": 32, "mscale": 1.0, "mscale_all_dim": 1.0, "llama_4_scaling_beta": 0.1}


def yarn(factor, mscale, **more):
    return {"yarn": {"type": "yarn", "factor": factor, "original_max_position_embeddings": 64, "beta_fast": 32,
                     "beta_slow": 1, "mscale": mscale, "mscale_all_dim": mscale, **more}}


KIMI_BETAS = dict(yarn_beta_fast=1, yarn_beta_slow=1)
MISTRAL_VISION = dict(model_type="pixtral", hidden_size=32, intermediate_size=48, num_hidden_layers=1,
                      num_attention_heads=2, head_dim=16, patch_size=4, image_size=16, num_channels=3,
                      hidden_act="silu", rope_theta=10000.0)

FAMILIES = (
    Family(
        "deepseek", "DeepseekForCausalLM", "deepseek", config=deepseek, experts=True, shared="plain",
        defaults=dict(layers=3, experts=12, used_experts=3, shared_experts=2, dense_layers=1),
        cases=(
            Case("deepseek", uses="convert metadata files memory", mixes=MAIN_MIXES),
            Case("deepseek-odd", "--expert-width 1408 --width 608 --kv-heads 4", "convert", mixes=MAIN_MIXES[:1]),
            Case("deepseek", "--layers 2", "loader"),
        ),
        goldens={"deepseek": Golden(options=SMALL_OPTIONS + "--kv-heads 1")},
    ),
    # Without q_lora llama.cpp asks for 26 or 27 layers, the depths of V2-Lite and its kin; nearly all are dense here.
    Family(
        "deepseek_v2", "DeepseekV2ForCausalLM", "deepseek2", config=deepseek_v2, attention="latent", experts=True,
        shared="plain", defaults=dict(LATENT, shared_experts=2), scaling=yarn(40, 0.707), transformers="DeepseekV2",
        cases=(
            Case("deepseek_v2", uses="convert metadata files memory", mixes=MAIN_MIXES),
            Case("deepseek_v2-lite", "--q-lora 0 --layers 27 --dense-layers 25 --width 256 --experts 8 "
                 "--used-experts 2", mixes=MAIN_MIXES[:2]),
            Case("deepseek_v2-groups", "--groups 4 --used-groups 2", mixes=MAIN_MIXES[:1],
                 llama_differs="it ranks groups by the sum of the two best instead of the best"),
            Case("deepseek_v2", "--layers 2 --experts 4 --used-experts 2", "loader"),
        ),
        goldens={
            "deepseek_v2-lite": Golden(dict(
                SMALL_MIXTURE, **{**SMALL_LATENT, "q_lora_rank": None}, **small_yarn(0.707, beta_fast=32, beta_slow=1),
                n_shared_experts=2, topk_method="greedy", norm_topk_prob=False, routed_scaling_factor=1.0,
            )),
            "deepseek_v2": Golden(dict(
                SMALL_MIXTURE, **SMALL_LATENT, **small_yarn(0.707, beta_fast=32, beta_slow=1), n_routed_experts=8,
                topk_method="group_limited_greedy", n_group=4, topk_group=2, norm_topk_prob=False,
                routed_scaling_factor=16.0,
            )),
        },
    ),
    Family(
        "deepseek_v3", "DeepseekV3ForCausalLM", "deepseek2", config=deepseek_v3, attention="latent", experts=True,
        shared="plain", selection_bias=True, next_token="layer", scaling=yarn(40, 1.0), transformers="DeepseekV3",
        defaults=dict(LATENT, groups=4, used_groups=2),
        cases=(
            Case("deepseek_v3", "--mtp", uses="convert metadata files memory", mixes=MAIN_MIXES),
            Case("deepseek_v3-fp8", "--quantize fp8 --hidden 320 --width 608 --expert-width 320 --mtp",
                 mixes=MAIN_MIXES[:1]),
            Case("deepseek_v3", "--layers 2 --groups 2 --used-groups 1 --used-experts 2", "loader"),
        ),
        goldens={
            "deepseek_v3": Golden(dict(
                SMALL_MIXTURE, **SMALL_LATENT, **small_yarn(1.0, beta_fast=32, beta_slow=1), n_routed_experts=8,
                n_group=4, topk_group=2,
            )),
            # One group, no YaRN, a next-token block to be left out; blocks of 128x128 with partial ones at both edges.
            "deepseek_v3-mtp": Golden(options=SMALL_LATENT_OPTIONS + "--mtp --groups 1 --used-groups 1 --rope default"),
            "deepseek_v3-fp8": Golden(options=SMALL_LATENT_OPTIONS + "--quantize fp8 --hidden 136 --vocab 48 --experts 4 "
                                      "--groups 2 --used-groups 1"),
        },
    ),
    Family(
        "kimi_k2", "DeepseekV3ForCausalLM", "deepseek2", config=kimi_k2, attention="latent", experts=True,
        shared="plain", selection_bias=True, next_token="layer", scaling=yarn(32.0, 1.0, beta_fast=1.0, beta_slow=1.0),
        transformers="DeepseekV3", defaults=LATENT,
        # llama.cpp does not read the file's betas.
        cases=(
            Case("kimi_k2", mixes=MAIN_MIXES[:1], llama_parameters=KIMI_BETAS),
            Case("kimi_k2-int4", "--quantize int4", mixes=MAIN_MIXES[:1], llama_parameters=KIMI_BETAS),
        ),
        goldens={
            "kimi_k2": Golden(dict(
                SMALL_MIXTURE, **SMALL_LATENT, **small_yarn(1.0, 32.0, 5e4, beta_fast=1.0, beta_slow=1.0), n_group=1,
                topk_group=1, scoring_func="sigmoid", topk_method="noaux_tc",
            ), edit=named_kimi),
            # Experts in four bits, rows of one and of two groups.
            "kimi_k2-int4": Golden(
                options=SMALL_LATENT_OPTIONS + "--quantize int4 --hidden 64 --expert-width 32 --experts 4"),
        },
    ),
    Family(
        "mistral4", "Mistral4ForCausalLM", "mistral4", config=mistral4, attention="latent", experts=True,
        shared="plain", layout="fused", defaults=dict(LATENT, layers=2, nope_dim=64, dense_layers=0),
        wrapper="Mistral3ForConditionalGeneration", wrapper_model_type="mistral3", always_wrapped=True,
        text_model_type="mistral4", wrapped_root="language_model.model.", wrapped_head="language_model.",
        vision=MISTRAL_VISION,
        wrapped_more=(("vision_tower.patch_conv.weight", (32, 3, 4, 4), "matrix"),
                      ("vision_tower.ln_pre.weight", (32,), "norm"),
                      ("multi_modal_projector.norm.weight", (32,), "norm")),
        more_keys=("mistral4.attention.temperature_scale", "mistral4.attention.temperature_length"),
        transformers="Mistral4",
        cases=(
            Case("mistral4", uses="convert metadata files memory", mixes=MAIN_MIXES,
                 converter_differs="its converter leaves out that queries grow with the position"),
            Case("mistral4", "--layers 2 --experts 4 --used-experts 2", "loader"),
        ),
        # Queries grow after 16 and after 32 positions.
        goldens={
            "mistral4": Golden(dict(
                SMALL_MIXTURE, **SMALL_LATENT, n_group=1, topk_group=1, first_k_dense_replace=0,
                routed_scaling_factor=1.0,
                rope_parameters=dict(
                    rope_type="yarn", rope_theta=10000.0, factor=8.0, original_max_position_embeddings=16,
                    beta_fast=32.0, beta_slow=1.0, mscale=1.0, mscale_all_dim=1.0, llama_4_scaling_beta=0.1,
                    max_position_embeddings=512,
                ),
            )),
        },
    ),
)
