"""GLM-4.5 and later, and GLM-4.7-Flash."""
from families.deepseek import LATENT, SMALL_LATENT, SMALL_LATENT_OPTIONS, dense_and_experts, latent_attention
from families.entry import MAIN_MIXES, SMALL_MIXTURE, SMALL_OPTIONS, Case, Family, Golden

# llama.cpp's converter looks these up by name.
TOKENS = ("[gMASK]", "<sop>", "<|user|>", "<|observation|>")
# Four tokens more than the sample's tokenizer has, padded.
VOCABULARY = 4128


def next_token(c, a):
    # Said in any case: the configuration's class announces a block when the file is silent.
    c["num_nextn_predict_layers"] = int(a.mtp)


def glm4_moe(c, a):
    c.update(head_dim=a.head_dim, rms_norm_eps=1e-5, partial_rotary_factor=0.5, use_qk_norm=a.qk_norm, n_group=1,
             topk_group=1, norm_topk_prob=True, routed_scaling_factor=2.5)
    next_token(c, a)
    dense_and_experts(c, a)
    c["attention_bias"] = True
    del c["moe_layer_freq"]


def glm4_moe_lite(c, a):
    c.update(rms_norm_eps=1e-5, n_group=1, topk_group=1, topk_method="noaux_tc", norm_topk_prob=True,
             routed_scaling_factor=1.8)
    next_token(c, a)
    if not a.no_scoring_key:
        c["scoring_func"] = "sigmoid"
    dense_and_experts(c, a)
    latent_attention(c, a)
    del c["moe_layer_freq"]


FAMILIES = (
    Family(
        "glm4_moe", "Glm4MoeForCausalLM", "glm4moe", config=glm4_moe, query_bias=True, head_norm="head", experts=True,
        shared="plain", selection_bias=True, next_token="layer", tokens=TOKENS, transformers="Glm4Moe",
        defaults=dict(layers=3, experts=12, used_experts=3, dense_layers=1, vocab=VOCABULARY),
        cases=(
            Case("glm4_moe", uses="convert files memory", mixes=MAIN_MIXES),
            Case("glm4_moe-mtp", "--mtp --no-qk-norm", "convert", mixes=MAIN_MIXES[:2]),
            Case("glm4_moe", "--vocab 528", "metadata"),
            Case("glm4_moe-mtp", "--mtp --no-qk-norm --vocab 528", "metadata"),
            Case("glm4_moe-mtp", "--layers 2 --mtp --vocab 4100", "loader"),
        ),
        goldens={
            "glm4_moe": Golden(dict(
                SMALL_MIXTURE, num_key_value_heads=1, head_dim=16, attention_bias=True, use_qk_norm=False, n_group=1,
                topk_group=1, rms_norm_eps=1e-5,
                rope_parameters=dict(rope_type="default", rope_theta=1e6, partial_rotary_factor=0.5),
            )),
            "glm4_moe-mtp": Golden(options=SMALL_OPTIONS + "--kv-heads 1 --mtp"),
        },
    ),
    Family(
        "glm4_moe_lite", "Glm4MoeLiteForCausalLM", "deepseek2", config=glm4_moe_lite, attention="latent", experts=True,
        shared="plain", selection_bias=True, next_token="layer", tokens=TOKENS, transformers="Glm4MoeLite",
        defaults=dict(LATENT, nope_dim=192, value_dim=256, rope="default", vocab=VOCABULARY),
        cases=(
            Case("glm4_moe_lite-mtp", "--mtp", "convert files memory", mixes=MAIN_MIXES,
                 llama_differs="it normalizes latent vectors with the file's epsilon instead of 1e-6"),
            Case("glm4_moe_lite-unscored", "--no-scoring-key", "convert", mixes=MAIN_MIXES[:1],
                 llama_differs="it normalizes latent vectors with the file's epsilon instead of 1e-6",
                 converter_differs="its converter does not say that scores are sigmoids"),
            Case("glm4_moe_lite-mtp", "--mtp --vocab 528", "metadata"),
            Case("glm4_moe_lite-mtp", "--layers 2 --experts 4 --used-experts 2 --mtp --vocab 4100", "loader"),
        ),
        more_keys=("deepseek2.expert_gating_func",),
        # The first says which layers are dense by mlp_layer_types; none says how scores are made.
        goldens={
            "glm4_moe_lite": Golden(dict(
                {k: v for k, v in SMALL_MIXTURE.items() if k != "first_k_dense_replace"}, **SMALL_LATENT, n_group=1,
                topk_group=1, mlp_layer_types=["dense", "sparse"], rms_norm_eps=1e-5,
                rope_parameters=dict(rope_type="default", rope_theta=1e6),
            )),
            "glm4_moe_lite-mtp": Golden(options=SMALL_LATENT_OPTIONS + "--no-scoring-key --mtp"),
        },
    ),
)
