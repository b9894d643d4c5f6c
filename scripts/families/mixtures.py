"""MiniMax-M2, ERNIE 4.5, HunYuan-A13B, Ling 2.0, Granite, K-EXAONE, LFM2, gpt-oss and Phi: each with names of its own."""
from families.entry import MAIN_MIXES, Case, Family, Golden

MIXES = MAIN_MIXES + ("MXFP4_MOE",)
ROTARY = dict(rope_type="default", rope_theta=1e4)
YARN = dict(rope_type="yarn", factor=32.0, beta_fast=32.0, beta_slow=1.0, truncate=False, rope_theta=150000.0)
SMALL = dict(vocab_size=64, hidden_size=32, num_hidden_layers=2, num_attention_heads=2, num_key_value_heads=1,
             tie_word_embeddings=False)


def minimax_m2(c, a):
    c.update(head_dim=a.head_dim, rotary_dim=a.head_dim // 2, rope_theta=5e6, num_local_experts=a.experts,
             num_experts_per_tok=a.used_experts, intermediate_size=a.width, scoring_func="sigmoid")
    if a.no_scoring_key:
        del c["scoring_func"]


def ernie4_5_moe(c, a):
    c.update(rope_theta=500000.0, rms_norm_eps=1e-5, intermediate_size=a.width, moe_intermediate_size=a.expert_width,
             moe_num_experts=a.experts, moe_k=a.used_experts, moe_num_shared_experts=a.shared_experts,
             moe_layer_start_index=a.dense_layers, moe_layer_end_index=a.layers - 1, moe_layer_interval=1,
             use_bias=False)


def hunyuan_v1_moe(c, a):
    layers = [1] * a.layers
    c.update(head_dim=a.head_dim, rope_theta=10000.0, rms_norm_eps=1e-5, intermediate_size=a.width,
             moe_intermediate_size=[a.width for _ in layers], num_experts=a.experts,
             moe_topk=[a.used_experts for _ in layers], num_shared_expert=layers, attention_bias=False,
             max_position_embeddings=32768, rope_scaling=dict(type="dynamic", alpha=1000.0, factor=1.0))


def bailing_moe(c, a):
    c.update(head_dim=a.head_dim, partial_rotary_factor=0.5, rope_theta=600000.0, intermediate_size=a.width,
             moe_intermediate_size=a.expert_width, num_experts=a.experts, num_experts_per_tok=a.used_experts,
             num_shared_experts=a.shared_experts, n_group=a.groups, topk_group=a.used_groups,
             first_k_dense_replace=a.dense_layers, routed_scaling_factor=2.5, norm_topk_prob=True,
             score_function="sigmoid", use_bias=False, use_qkv_bias=False, use_qk_norm=True,
             num_nextn_predict_layers=0)


def granitemoe(c, a):
    c.update(rope_theta=10000.0, intermediate_size=a.width, num_local_experts=a.experts,
             num_experts_per_tok=a.used_experts, embedding_multiplier=12.0, attention_multiplier=0.015625,
             residual_multiplier=0.22, logits_scaling=6.0, attention_bias=False)
    if a.shared_width:
        c.update(architectures=["GraniteMoeSharedForCausalLM"], model_type="granitemoeshared",
                 shared_intermediate_size=a.shared_width)


def exaone_moe(c, a):
    kinds = ["full_attention" if i % 4 == 3 else "sliding_attention" for i in range(a.layers)]
    c.update(head_dim=a.head_dim, rope_theta=1e6, rms_norm_eps=1e-5, intermediate_size=a.width,
             moe_intermediate_size=a.expert_width, num_experts=a.experts, num_experts_per_tok=a.used_experts,
             num_shared_experts=a.shared_experts, n_group=1, topk_group=1, first_k_dense_replace=a.dense_layers,
             routed_scaling_factor=2.5, norm_topk_prob=True, scoring_func="sigmoid", sliding_window=16,
             sliding_window_pattern="LLLG", layer_types=kinds, num_nextn_predict_layers=1 if a.mtp else 0)
    c.pop("pad_token_id")


def lfm2_moe(c, a):
    kinds = ["full_attention" if (i + 1) % a.interval == 0 else "conv" for i in range(a.layers)]
    c.update(norm_eps=1e-5, intermediate_size=a.width, moe_intermediate_size=a.expert_width, num_experts=a.experts,
             num_experts_per_tok=a.used_experts, num_dense_layers=a.dense_layers, conv_L_cache=3, conv_bias=False,
             use_expert_bias=True, norm_topk_prob=True, routed_scaling_factor=1.0, layer_types=kinds)
    c.pop("rms_norm_eps")


def gpt_oss(c, a):
    kinds = ["full_attention" if i % 2 else "sliding_attention" for i in range(a.layers)]
    c.update(head_dim=a.head_dim, rms_norm_eps=1e-5, intermediate_size=a.width, num_local_experts=a.experts,
             num_experts_per_tok=a.used_experts, attention_bias=True, sliding_window=128, swiglu_limit=7.0,
             layer_types=kinds, max_position_embeddings=32768,
             rope_parameters=dict(YARN, original_max_position_embeddings=1024))
    c.pop("rope_theta")


def longrope(pairs, original, magnitude, **more):
    return dict(short_factor=[1 + 0.125 * i for i in range(pairs)], long_factor=[1.5 + i for i in range(pairs)],
                short_mscale=magnitude, long_mscale=magnitude, original_max_position_embeddings=original, **more)


def phimoe(c, a):
    # llama.cpp's converter computes the magnitude from the contexts, whatever the configuration says: here it is the same.
    c.update(rms_norm_eps=1e-5, rope_theta=10000.0, intermediate_size=a.width, num_local_experts=a.experts,
             num_experts_per_tok=2, attention_bias=True, lm_head_bias=True, router_jitter_noise=0.01,
             max_position_embeddings=32768, sliding_window=32768, original_max_position_embeddings=4096,
             rope_scaling=longrope(a.head_dim // 2, 4096, 1.25 ** 0.5, type="longrope"))


FAMILIES = (
    Family(
        "minimax_m2", "MiniMaxM2ForCausalLM", "minimax-m2", config=minimax_m2, head_norm="full", experts=True,
        expert_names=("w1", "w3", "w2"), joint_width=True, selection_bias=True,
        names={"mlp": "block_sparse_moe",
               "mlp.gate.e_score_correction_bias": "block_sparse_moe.e_score_correction_bias"},
        defaults=dict(experts=12, used_experts=3, width=256), transformers="MiniMaxM2",
        cases=(
            Case("minimax_m2", uses="convert metadata files memory", mixes=MIXES),
            Case("minimax_m2-fp8", "--quantize fp8", "convert", mixes=("Q4_K_M",)),
            Case("minimax_m2", "--layers 2", "loader"),
        ),
        goldens={"minimax_m2": Golden(dict(
            SMALL, head_dim=16, intermediate_size=16, num_local_experts=6, num_experts_per_tok=2, rotary_dim=8,
            rope_parameters=ROTARY, rms_norm_eps=1e-6))},
    ),
    Family(
        "ernie4_5_moe", "Ernie4_5_MoeForCausalLM", "ernie4_5-moe", config=ernie4_5_moe, experts=True, shared="plain",
        selection_bias="row", names={"mlp.gate.e_score_correction_bias": "mlp.moe_statics.e_score_correction_bias"},
        # The converter takes the width of shared experts to be that of the layer by the number of key heads.
        defaults=dict(layers=3, experts=12, used_experts=3, shared_experts=2, dense_layers=1, width=1024, kv_heads=2),
        transformers="Ernie4_5_Moe",
        cases=(
            Case("ernie4_5_moe", "--tied", uses="convert metadata files memory", mixes=MIXES),
            Case("ernie4_5_moe", "--layers 2", "loader"),
        ),
        goldens={"ernie4_5_moe": Golden(dict(
            SMALL, intermediate_size=32, moe_intermediate_size=16, moe_num_experts=6, moe_k=2,
            moe_num_shared_experts=2, moe_layer_start_index=1, moe_layer_end_index=1, rope_parameters=ROTARY,
            rms_norm_eps=1e-5))},
    ),
    Family(
        "hunyuan_v1_moe", "HunYuanMoEV1ForCausalLM", "hunyuan-moe", config=hunyuan_v1_moe, head_norm="head",
        experts=True, joint_width=True, shared="plain",
        names={"self_attn.q_norm": "self_attn.query_layernorm", "self_attn.k_norm": "self_attn.key_layernorm",
               "mlp.gate": "mlp.gate.wg", "mlp.shared_experts": "mlp.shared_mlp"},
        defaults=dict(experts=12, used_experts=3, head_dim=128, heads=2, kv_heads=1, hidden=256, width=256,
                      shared_experts=1),
        transformers="HunYuanMoEV1",
        cases=(
            Case("hunyuan_v1_moe", "--tied", uses="convert metadata files memory", mixes=MIXES),
            Case("hunyuan_v1_moe", "--layers 2", "loader"),
        ),
        goldens={"hunyuan_v1_moe": Golden(dict(
            SMALL, head_dim=16, intermediate_size=16, num_experts=6, moe_topk=2,
            rope_parameters=dict(rope_type="dynamic", alpha=1000.0, factor=1.0, rope_theta=1e4), rms_norm_eps=1e-5))},
    ),
    # transformers has no class for it: reference_logits.py is the judge.
    Family(
        "bailing_moe", "BailingMoeV2ForCausalLM", "bailingmoe2", config=bailing_moe, head_norm="head", joins_qkv=True,
        experts=True, shared="plain", selection_bias=True,
        names={"model.embed_tokens": "model.word_embeddings", "self_attn.qkv_proj": "attention.query_key_value",
               "self_attn.o_proj": "attention.dense", "self_attn.q_norm": "attention.query_layernorm",
               "self_attn.k_norm": "attention.key_layernorm",
               "mlp.gate.e_score_correction_bias": "mlp.gate.expert_bias"},
        defaults=dict(layers=3, experts=16, used_experts=3, shared_experts=1, dense_layers=1, groups=4, used_groups=2),
        cases=(
            Case("bailing_moe", uses="convert metadata files memory", mixes=MIXES),
            Case("bailing_moe", "--layers 2 --groups 1 --used-groups 1", "loader"),
        ),
        goldens={"bailing_moe": Golden(options="--vocab 64 --hidden 32 --layers 3 --heads 2 --kv-heads 1 --head-dim 16 "
                                               "--width 32 --expert-width 16 --experts 8 --used-experts 2")},
    ),
    Family(
        "granitemoe", "GraniteMoeForCausalLM", "granitemoe", config=granitemoe, experts=True, joint_width=True,
        layout="linear", shared="linear",
        names={"mlp": "block_sparse_moe", "mlp.gate": "block_sparse_moe.router.layer",
               "mlp.shared_experts": "shared_mlp"},
        defaults=dict(experts=12, used_experts=3, width=256, shared_width=0), transformers="GraniteMoe",
        more_classes={"granitemoeshared": "GraniteMoeShared"},
        cases=(
            Case("granitemoe", "--tied", uses="convert metadata files memory", mixes=MIXES),
            Case("granitemoe-shared", "--tied --shared-width 512", "convert metadata", mixes=("Q4_K_M",)),
            Case("granitemoe", "--layers 2 --shared-width 64", "loader"),
        ),
        goldens={"granitemoe": Golden(dict(
            SMALL, intermediate_size=16, num_local_experts=6, num_experts_per_tok=2, embedding_multiplier=12.0,
            attention_multiplier=0.125, residual_multiplier=0.22, logits_scaling=6.0, rope_parameters=ROTARY))},
    ),
    Family(
        "exaone_moe", "ExaoneMoEForCausalLM", "exaone-moe", config=exaone_moe, head_norm="head", experts=True,
        shared="plain", selection_bias=True,
        names={"mlp.gate.e_score_correction_bias": "mlp.e_score_correction_bias"},
        defaults=dict(layers=5, experts=12, used_experts=3, shared_experts=1, dense_layers=1),
        transformers="ExaoneMoe",
        cases=(
            Case("exaone_moe", uses="convert metadata files memory", mixes=MIXES),
            Case("exaone_moe", "--layers 4", "loader"),
        ),
        goldens={"exaone_moe": Golden(dict(
            SMALL, num_hidden_layers=4, head_dim=16, intermediate_size=32, moe_intermediate_size=16, num_experts=6,
            num_experts_per_tok=2, num_shared_experts=1, n_group=1, topk_group=1, first_k_dense_replace=1,
            sliding_window=21, sliding_window_pattern=4, routed_scaling_factor=2.5, norm_topk_prob=True,
            rope_parameters=ROTARY))},
    ),
    Family(
        "lfm2_moe", "Lfm2MoeForCausalLM", "lfm2moe", config=lfm2_moe, attention="short", head_norm="head",
        experts=True, expert_names=("w1", "w3", "w2"), selection_bias=True,
        names={"model.norm": "model.embedding_norm", "input_layernorm": "operator_norm",
               "post_attention_layernorm": "ffn_norm", "self_attn.o_proj": "self_attn.out_proj",
               "self_attn.q_norm": "self_attn.q_layernorm", "self_attn.k_norm": "self_attn.k_layernorm",
               "mlp": "feed_forward", "mlp.gate_proj": "feed_forward.w1", "mlp.up_proj": "feed_forward.w3",
               "mlp.down_proj": "feed_forward.w2", "mlp.gate.e_score_correction_bias": "feed_forward.expert_bias"},
        defaults=dict(layers=4, experts=12, used_experts=3, dense_layers=1), transformers="Lfm2Moe",
        cases=(
            Case("lfm2_moe", "--tied", uses="convert metadata files memory", mixes=MIXES),
            Case("lfm2_moe", "--tied --layers 4", "loader"),
        ),
        goldens={"lfm2_moe": Golden(dict(
            SMALL, num_hidden_layers=4, intermediate_size=32, moe_intermediate_size=16, num_experts=6,
            num_experts_per_tok=2, num_dense_layers=1, conv_L_cache=3, tie_word_embeddings=True,
            layer_types=["conv", "full_attention", "conv", "full_attention"],
            rope_parameters=dict(rope_type="default", rope_theta=1e6)))},
    ),
    Family(
        "gpt_oss", "GptOssForCausalLM", "gpt-oss", config=gpt_oss, query_bias=True, all_biases=True, sinks=True,
        experts=True, joint_width=True, layout="transposed", turned_experts=True, names={"mlp.gate": "mlp.router"},
        defaults=dict(layers=3, experts=12, used_experts=3, width=320), transformers="GptOss",
        cases=(
            Case("gpt_oss", uses="convert metadata files memory", mixes=MIXES,
                 llama_differs="yarn's limits, which it rounds"),
            # Kept as MXFP4 its blocks are those of the checkpoint, not those that ggml would make of the values.
            Case("gpt_oss-mxfp4", "--quantize mxfp4 --layout fused", "convert", mixes=("Q4_K_M",),
                 llama_differs="yarn's limits, which it rounds"),
            Case("gpt_oss", "--layers 2", "loader"),
        ),
        goldens={"gpt_oss": Golden(dict(
            SMALL, head_dim=16, intermediate_size=24, num_local_experts=6, num_experts_per_tok=2, sliding_window=21,
            rms_norm_eps=1e-5, rope_parameters=dict(YARN, original_max_position_embeddings=64)))},
    ),
    Family(
        "phimoe", "PhiMoEForCausalLM", "phimoe", config=phimoe, query_bias=True, norm_biases=True, experts=True,
        expert_names=("w1", "w3", "w2"), joint_width=True, names={"mlp": "block_sparse_moe"},
        defaults=dict(experts=12, used_experts=2, width=256), transformers="Phimoe",
        cases=(
            Case("phimoe", uses="convert metadata files memory", mixes=MIXES,
                 llama_differs="norms that keep the mean, a softmax router"),
            Case("phimoe", "--layers 2", "loader"),
        ),
        goldens={"phimoe": Golden(dict(
            SMALL, intermediate_size=16, num_local_experts=6, num_experts_per_tok=2, rms_norm_eps=1e-5,
            attention_bias=True, lm_head_bias=True,
            rope_parameters=longrope(8, 128, 1.243163121016122, rope_type="longrope", rope_theta=1e4)))},
    ),
)
