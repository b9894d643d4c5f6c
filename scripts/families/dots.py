"""dots.llm1."""
from families.deepseek import dense_and_experts
from families.entry import MAIN_MIXES, SMALL_MIXTURE, Case, Family, Golden


def dots1(c, a):
    c.update(head_dim=a.head_dim, rope_theta=1e7, norm_topk_prob=True,
             routed_scaling_factor=2.5, n_group=1, topk_group=1, scoring_func="sigmoid")
    dense_and_experts(c, a)


FAMILIES = (
    Family(
        "dots1", "Dots1ForCausalLM", "dots1", config=dots1, head_norm="head", experts=True, shared="plain",
        selection_bias=True, transformers="Dots1",
        defaults=dict(layers=3, heads=4, kv_heads=4, experts=12, used_experts=3, shared_experts=2, dense_layers=1),
        cases=(
            Case("dots1", uses="convert metadata files", mixes=MAIN_MIXES),
            Case("dots1", "--layers 2 --kv-heads 4", "loader"),
        ),
        goldens={
            "dots1": Golden(dict(
                SMALL_MIXTURE, head_dim=16, n_group=1, topk_group=1,
                rope_parameters=dict(rope_type="default", rope_theta=1e7),
            )),
        },
    ),
)
