"""Qwen: qwen2, qwen3, their mixtures, the hybrids with linear attention, and the text parts of Qwen3-VL."""
from families.entry import MAIN_MIXES, SMALL_GOLDEN as SMALL, SMALL_OPTIONS, Case, Family, Golden
from families.towers import vision

HYBRID_DEFAULTS = dict(layers=4)
# A language model that takes no room beside its vision tower.
BESIDE_TOWER = SMALL_OPTIONS.replace("--layers 2", "--layers 1 --interval 1 --linear-dim 16 --linear-value-heads 2")
HYBRID = dict(
    num_hidden_layers=4, num_attention_heads=4, num_key_value_heads=2, head_dim=32, linear_conv_kernel_dim=4,
    linear_key_head_dim=16, linear_value_head_dim=16, linear_num_key_heads=2, rms_norm_eps=1e-6,
    tie_word_embeddings=False,
)
IMROPE = dict(rope_parameters=dict(
    rope_type="default", rope_theta=10000.0, partial_rotary_factor=0.25, mrope_section=[2, 1, 1],
    mrope_interleaved=True,
))


def dense(c, a):
    c["intermediate_size"] = a.width


def dense_with_heads(c, a):
    c["head_dim"] = a.head_dim
    dense(c, a)


def experts(c, a, normalized=True):
    c["num_experts"] = a.experts
    c["num_experts_per_tok"] = a.used_experts
    c["moe_intermediate_size"] = a.expert_width
    c["norm_topk_prob"] = normalized


def qwen2_moe(c, a):
    dense(c, a)
    experts(c, a, normalized=False)
    c["shared_expert_intermediate_size"] = a.shared_width


def qwen3_moe(c, a):
    dense_with_heads(c, a)
    experts(c, a)


def linear_attention(c, a, sections):
    del c["rope_theta"]
    c["rope_parameters"] = {"rope_type": "default", "rope_theta": 10000000.0, "partial_rotary_factor": 0.5}
    if sections:
        half = int(a.head_dim * 0.5) // 2
        c["rope_parameters"]["mrope_section"] = [(half + 2) // 3, (half + 1) // 3, half // 3]
        c["rope_parameters"]["mrope_interleaved"] = True
    c.update(full_attention_interval=a.interval, linear_conv_kernel_dim=4, linear_key_head_dim=a.linear_dim,
             linear_value_head_dim=a.linear_dim, linear_num_key_heads=a.linear_key_heads,
             linear_num_value_heads=a.linear_value_heads)
    c["layer_types"] = ["full_attention" if (i + 1) % a.interval == 0 else "linear_attention"
                        for i in range(a.layers)]
    if a.mtp and sections:
        c["mtp_num_hidden_layers"] = 1


def qwen3_next(c, a):
    dense_with_heads(c, a)
    experts(c, a)
    c["shared_expert_intermediate_size"] = a.shared_width
    linear_attention(c, a, sections=False)


def qwen3_5(c, a):
    dense_with_heads(c, a)
    linear_attention(c, a, sections=True)


def qwen3_5_moe(c, a):
    c["head_dim"] = a.head_dim
    experts(c, a)
    c["shared_expert_intermediate_size"] = a.shared_width
    linear_attention(c, a, sections=True)


def vision_text(c, a):
    del c["rope_theta"]
    third = a.head_dim // 2 // 3
    c["rope_scaling"] = {"rope_type": "default", "mrope_interleaved": True,
                         "mrope_section": [a.head_dim // 2 - 2 * third, third, third]}
    c["rope_theta"] = 5000000.0


def qwen3_vl(c, a):
    dense_with_heads(c, a)
    vision_text(c, a)


def qwen3_vl_moe(c, a):
    qwen3_moe(c, a)
    c.update(decoder_sparse_step=1, mlp_only_layers=[])
    vision_text(c, a)


VISION_TENSORS = (
    ("model.visual.patch_embed.proj.weight", (32, 3, 2, 4, 4), "matrix"),
    ("model.visual.blocks.0.norm1.weight", (32,), "norm"),
    ("model.visual.blocks.0.attn.qkv.weight", (96, 32), "matrix"),
    ("model.visual.deepstack_merger_list.0.norm.weight", (128,), "norm"),
)

FAMILIES = (
    Family(
        "qwen2", "Qwen2ForCausalLM", "qwen2", config=dense, query_bias=True, transformers="Qwen2",
        cases=(
            Case("qwen2", uses="convert metadata files memory"),
            Case("qwen2-tied-yarn", "--tied --rope yarn", "metadata"),
            Case("qwen2", "--layers 2", "loader"),
        ),
        goldens={
            "qwen2": Golden(dict(
                num_hidden_layers=2, num_attention_heads=4, num_key_value_heads=2, intermediate_size=96,
                rms_norm_eps=1e-6,
                rope_parameters=dict(rope_type="default", rope_theta=1e6),
                tie_word_embeddings=False,
            )),
            "qwen2-dynamic": Golden(dict(
                SMALL, max_position_embeddings=64,
                rope_parameters=dict(rope_type="dynamic", rope_theta=1e4, factor=4.0),
            )),
        },
    ),
    Family(
        "qwen3", "Qwen3ForCausalLM", "qwen3", config=dense_with_heads, head_norm="head", transformers="Qwen3",
        cases=(
            Case("qwen3-f16", "--dtype f16", "convert"),
            Case("qwen3", "--dtype f16", "metadata"),
            Case("qwen3", uses="files"),
            Case("qwen3", "--layers 2", "loader"),
        ),
        goldens={
            # A head dimension that is not hidden / heads, tied embeddings, yarn.
            "qwen3": Golden(dict(
                num_hidden_layers=3, num_attention_heads=4, num_key_value_heads=2, head_dim=32, intermediate_size=96,
                rms_norm_eps=1e-6, tie_word_embeddings=True,
                rope_parameters=dict(
                    rope_type="yarn", rope_theta=10000.0, factor=4.0, original_max_position_embeddings=128,
                ),
            )),
            "qwen3-layer-types": Golden(dict(
                SMALL, num_hidden_layers=3, head_dim=16, use_sliding_window=True, sliding_window=9,
                layer_types=["sliding_attention", "full_attention", "sliding_attention"],
            )),
            "qwen3-llama3": Golden(dict(
                SMALL, head_dim=16,
                rope_parameters=dict(
                    rope_type="llama3", rope_theta=10000.0, factor=8.0, low_freq_factor=1.0, high_freq_factor=4.0,
                    original_max_position_embeddings=64,
                ),
            )),
            "qwen3-yarn": Golden(dict(
                SMALL, head_dim=16,
                rope_parameters=dict(
                    rope_type="yarn", rope_theta=10000.0, factor=4.0, original_max_position_embeddings=128,
                    beta_fast=16.0, beta_slow=2.0, mscale=0.8, mscale_all_dim=0.5, truncate=False,
                ),
            )),
        },
    ),
    Family(
        "qwen2_moe", "Qwen2MoeForCausalLM", "qwen2moe", config=qwen2_moe, query_bias=True, experts=True, shared="gated",
        transformers="Qwen2Moe",
        cases=(
            Case("qwen2_moe-odd", "--expert-width 96 --shared-width 352"),
            Case("qwen2_moe", uses="metadata files memory"),
            Case("qwen2_moe", "--layers 2", "loader"),
        ),
        goldens={
            "qwen2_moe": Golden(dict(
                num_hidden_layers=2, num_attention_heads=4, num_key_value_heads=4, intermediate_size=96,
                moe_intermediate_size=32, shared_expert_intermediate_size=48, num_experts=6, num_experts_per_tok=2,
                norm_topk_prob=False, decoder_sparse_step=1, mlp_only_layers=[], rms_norm_eps=1e-6,
                rope_parameters=dict(rope_type="default", rope_theta=1e6),
                tie_word_embeddings=False, use_sliding_window=False,
            )),
            "qwen2_moe-window": Golden(dict(
                SMALL, num_hidden_layers=3, moe_intermediate_size=16, shared_expert_intermediate_size=16,
                num_experts=3, num_experts_per_tok=2, use_sliding_window=True, sliding_window=12, max_window_layers=2,
            )),
        },
    ),
    Family(
        "qwen3_moe", "Qwen3MoeForCausalLM", "qwen3moe", config=qwen3_moe, head_norm="head", experts=True,
        transformers="Qwen3Moe",
        cases=(
            Case("qwen3_moe", uses="convert metadata files"),
            Case("qwen3_moe-odd", "--expert-width 1408", "convert"),
            Case("qwen3_moe, experts of width 96", "--expert-width 96", "files"),
            Case("qwen3_moe-fused", "--layout fused --experts 12", "metadata"),
            Case("Drawing-5M-v1.5-card", "--layers 1", "metadata"),
            Case("qwen3_moe", "--layers 2", "loader"),
        ),
        goldens={
            "qwen3_moe": Golden(dict(
                num_hidden_layers=3, num_attention_heads=4, num_key_value_heads=2, head_dim=32, intermediate_size=96,
                moe_intermediate_size=32, num_experts=8, num_experts_per_tok=3, norm_topk_prob=True,
                decoder_sparse_step=1, mlp_only_layers=[], rms_norm_eps=1e-6,
                rope_parameters=dict(rope_type="default", rope_theta=1e6),
                tie_word_embeddings=False,
            )),
            "qwen3_moe-longrope": Golden(dict(
                SMALL, head_dim=16, moe_intermediate_size=16, num_experts=3, num_experts_per_tok=2,
                norm_topk_prob=True, use_sliding_window=True, sliding_window=30,
                rope_parameters=dict(
                    rope_type="longrope", rope_theta=10000.0, short_factor=[1.0, 1.1, 1.3, 1.7, 2.0, 2.5, 3.0, 4.0],
                    long_factor=[2.0] * 8, original_max_position_embeddings=64,
                ),
            )),
        },
    ),
    Family(
        "qwen3_next", "Qwen3NextForCausalLM", "qwen3next", config=qwen3_next, defaults=HYBRID_DEFAULTS,
        attention="linear", head_norm="head", norm_offset=True, experts=True, shared="gated", next_token="mtp",
        transformers="Qwen3Next",
        cases=(
            Case("qwen3_next", uses="convert metadata files memory", converter="--no-mtp"),
            Case("qwen3_next-mtp", "--mtp", "metadata"),
            Case("qwen3_next with next-token block", "--mtp", "files"),
            Case("qwen3_next", "--layers 2", "loader"),
        ),
        goldens={
            "qwen3_next": Golden(dict(
                HYBRID, linear_num_value_heads=4, intermediate_size=96, moe_intermediate_size=24,
                shared_expert_intermediate_size=32, num_experts=4, num_experts_per_tok=2, norm_topk_prob=True,
                decoder_sparse_step=1, mlp_only_layers=[], partial_rotary_factor=0.25,
                rope_parameters=dict(rope_type="default", rope_theta=1e7, partial_rotary_factor=0.25),
            )),
        },
    ),
    Family(
        "qwen3_5", "Qwen3_5ForCausalLM", "qwen35", config=qwen3_5, defaults=HYBRID_DEFAULTS, attention="linear",
        head_norm="head", norm_offset=True, wrapper="Qwen3_5ForConditionalGeneration", text_model_type="qwen3_5_text",
        next_token="mtp", transformers="Qwen3_5Text",
        cases=(
            Case("qwen3_5", uses="convert metadata files memory", converter="--no-mtp"),
            Case("qwen3_5-tied", "--tied", "convert", converter="--no-mtp"),
            Case("qwen3_5-tied-mtp", "--tied --mtp", "metadata"),
            Case("qwen3_5", "--layers 2 --tied", "loader"),
            Case("qwen3_5-tower", BESIDE_TOWER + "--tower out_hidden_size=32", "tower"),
        ),
        goldens={
            "qwen3_5": Golden(dict(HYBRID, **IMROPE, linear_num_value_heads=6, intermediate_size=96)),
        },
    ),
    Family(
        "qwen3_5_moe", "Qwen3_5MoeForCausalLM", "qwen35moe", config=qwen3_5_moe, defaults=HYBRID_DEFAULTS,
        attention="linear", head_norm="head", norm_offset=True, experts=True, layout="fused", shared="gated",
        wrapper="Qwen3_5MoeForConditionalGeneration", text_model_type="qwen3_5_moe_text", next_token="mtp",
        transformers="Qwen3_5MoeText",
        cases=(
            Case("qwen3_5_moe-fused-mtp", "--nested --mtp", "convert"),
            Case("qwen3_5_moe-per-expert", "--layout per-expert --mtp"),
            Case("qwen3_5_moe", uses="metadata files", converter="--no-mtp"),
            Case("qwen3_5_moe-nested-mtp", "--nested --mtp", "metadata"),
            Case("qwen3_5_moe with next-token block", "--mtp", "files"),
            Case("qwen3_5_moe-mtp", "--layers 2 --mtp", "loader"),
            Case("qwen3_5_moe-tower", BESIDE_TOWER + "--mtp --dtype f16 --tower hidden_size=24,intermediate_size=64,"
                 "patch_size=6,out_hidden_size=32", "tower"),
        ),
        goldens={
            # Three value heads per key head with two key heads, so that the head reorder is not its own inverse.
            "qwen3_5_moe": Golden(dict(
                HYBRID, **IMROPE, linear_num_value_heads=6, moe_intermediate_size=24,
                shared_expert_intermediate_size=32, num_experts=4, num_experts_per_tok=2,
            )),
        },
    ),
    # llama.cpp aborts unless the last layer is one that gets nothing from the vision tower.
    Family(
        "qwen3_vl", "Qwen3VLForCausalLM", "qwen3vl", config=qwen3_vl, defaults=dict(layers=4), head_norm="head",
        wrapper="Qwen3VLForConditionalGeneration", always_wrapped=True, text_model_type="qwen3_vl_text",
        vision=vision("qwen3_vl"), wrapped_more=VISION_TENSORS, transformers="Qwen3VLText",
        cases=(
            Case("qwen3_vl", uses="convert metadata files memory", mixes=MAIN_MIXES),
            Case("qwen3_vl", "--layers 3 --tied", "loader"),
            Case("qwen3_vl-tower", BESIDE_TOWER + "--shard-bytes 20000 --tower depth=3,hidden_size=16,"
                 "deepstack_visual_indexes=2/0,out_hidden_size=32", "tower"),
            Case("Drawing-5M-Instruct-v1.5-tower", BESIDE_TOWER + "--dtype f32 --tower depth=1,hidden_size=8,"
                 "intermediate_size=32,deepstack_visual_indexes=,image_size=20,out_hidden_size=32", "tower"),
        ),
        goldens={
            "qwen3_vl": Golden(dict(
                SMALL, vocab_size=64, head_dim=16,
                rope_parameters=dict(rope_type="default", rope_theta=5e5, mrope_section=[4, 2, 2]),
            )),
        },
    ),
    # Widths that differ from the hidden size and from half of it: with equal ones the layouts look alike.
    Family(
        "qwen3_vl_moe", "Qwen3VLMoeForCausalLM", "qwen3vlmoe", config=qwen3_vl_moe,
        defaults=dict(layers=4, expert_width=512), head_norm="head", experts=True, layout="transposed",
        wrapper="Qwen3VLMoeForConditionalGeneration", always_wrapped=True,
        text_model_type="qwen3_vl_moe_text", vision=vision("qwen3_vl_moe"),
        wrapped_more=VISION_TENSORS, transformers="Qwen3VLMoeText",
        cases=(
            Case("qwen3_vl_moe", uses="convert metadata files memory", mixes=MAIN_MIXES),
            Case("qwen3_vl_moe-resaved", "--layout fused", "convert", mixes=MAIN_MIXES[:1], converter_fails=True),
            Case("qwen3_vl_moe", "--layers 3 --expert-width 512", "loader"),
            Case("qwen3_vl_moe-tower", BESIDE_TOWER + "--tower hidden_size=16,spatial_merge_size=3,"
                 "deepstack_visual_indexes=1,num_position_embeddings=10,out_hidden_size=32", "tower"),
        ),
        # As transformers saves it, which is not the released layout, and as released.
        goldens={
            "qwen3_vl_moe": Golden(dict(
                SMALL, vocab_size=64, head_dim=16, moe_intermediate_size=24, num_experts=4, num_experts_per_tok=2,
                decoder_sparse_step=1, mlp_only_layers=[], tie_word_embeddings=False,
                rope_parameters=dict(rope_type="default", rope_theta=5e5, mrope_section=[4, 2, 2]),
            )),
            "qwen3_vl_moe-released": Golden(options=SMALL_OPTIONS + "--layers 3 --kv-heads 1 --expert-width 24 "
                                            "--experts 4"),
        },
    ),
)
