"""Gemma 4: windows in five of six layers, whose heads are other ones; with and without experts beside the dense network."""
from families.entry import MAIN_MIXES, Case, Family, Golden

TABLE = "it takes GELU from a table of 16-bit numbers"
MIXES = MAIN_MIXES + ("MXFP4_MOE",)
ROTARY = dict(full_attention=dict(rope_type="proportional", partial_rotary_factor=0.25, rope_theta=1e6),
              sliding_attention=dict(rope_type="default", rope_theta=1e4))
SMALL = dict(vocab_size=64, hidden_size=32, num_hidden_layers=3, num_attention_heads=2, num_key_value_heads=2,
             intermediate_size=32, head_dim=16, global_head_dim=32, num_global_key_value_heads=1, attention_k_eq_v=True,
             layer_types=["sliding_attention", "full_attention", "full_attention"], sliding_window=21,
             hidden_size_per_layer_input=0, final_logit_softcapping=30.0, tie_word_embeddings=True,
             rope_parameters=ROTARY, rms_norm_eps=1e-6)


def gemma4(c, a):
    kinds = ["full_attention" if (i + 1) % a.interval == 0 else "sliding_attention" for i in range(a.layers)]
    c.update(head_dim=a.head_dim, global_head_dim=2 * a.head_dim, num_global_key_value_heads=1, attention_k_eq_v=True,
             intermediate_size=a.width, hidden_activation="gelu_pytorch_tanh", sliding_window=128, layer_types=kinds,
             rope_parameters=ROTARY, final_logit_softcapping=30.0, hidden_size_per_layer_input=0,
             num_kv_shared_layers=0, use_double_wide_mlp=False, enable_moe_block=False)
    c.update(bos_token_id=2, eos_token_id=1, pad_token_id=0)
    del c["rope_theta"], c["hidden_act"]


def gemma4_moe(c, a):
    gemma4(c, a)
    c.update(enable_moe_block=True, num_experts=a.experts, top_k_experts=a.used_experts,
             moe_intermediate_size=a.expert_width)


def family(name, **more):
    return Family(name, "Gemma4ForCausalLM", "gemma4", attention="windowed", head_norm="head",
                  text_model_type="gemma4_text", transformers="Gemma4Text",
                  tokenizer="Tests/TextTokenizersTests/Encoding/Golden/gemma", **more)


FAMILIES = (
    family(
        "gemma4", config=gemma4, defaults=dict(layers=4, vocab=1027),
        cases=(
            Case("gemma4", "--tied", uses="convert metadata files memory", mixes=MIXES,
                 llama_differs=TABLE),
            Case("gemma4", "--tied --layers 2", "loader"),
        ),
        goldens={"gemma4": Golden(SMALL)},
    ),
    family(
        "gemma4_moe", config=gemma4_moe, experts=True, moe_root="", layout="fused", names={"gate": "router.proj"},
        defaults=dict(layers=4, vocab=1027, experts=12, used_experts=3),
        cases=(
            Case("gemma4_moe", "--tied", uses="convert metadata files memory", mixes=MIXES,
                 llama_differs=TABLE),
            Case("gemma4_moe", "--tied --layers 2", "loader"),
        ),
        goldens={"gemma4_moe": Golden(dict(
            SMALL, enable_moe_block=True, num_experts=6, top_k_experts=2, moe_intermediate_size=16))},
    ),
)
