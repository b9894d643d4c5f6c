"""OLMoE."""
from families.entry import MAIN_MIXES, Case, Family, Golden


def olmoe(c, a):
    c.update(rope_theta=10000.0, rms_norm_eps=1e-5, intermediate_size=a.expert_width, num_experts=a.experts,
             num_experts_per_tok=a.used_experts, norm_topk_prob=False, clip_qkv=None, attention_bias=False)


FAMILIES = (
    # As many key and value heads as query heads: llama.cpp's loader knows no other.
    Family(
        "olmoe", "OlmoeForCausalLM", "olmoe", config=olmoe, defaults=dict(kv_heads=4, experts=12, used_experts=3),
        head_norm="full", experts=True, transformers="Olmoe",
        cases=(
            Case("olmoe", uses="convert metadata files memory", mixes=MAIN_MIXES),
            Case("olmoe", "--layers 2 --kv-heads 4", "loader"),
        ),
        goldens={
            "olmoe": Golden(dict(
                vocab_size=64, hidden_size=32, num_hidden_layers=2, num_attention_heads=2, num_key_value_heads=2,
                intermediate_size=16, num_experts=6, num_experts_per_tok=2, norm_topk_prob=False,
                rope_parameters=dict(rope_type="default", rope_theta=10000.0), tie_word_embeddings=False,
            )),
        },
    ),
)
