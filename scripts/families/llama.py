"""Llama, Mistral and Mixtral."""
from families.entry import SMALL_GOLDEN as SMALL, Case, Family, Golden


def llama(c, a):
    c["intermediate_size"] = a.width


def mixtral(c, a):
    llama(c, a)
    c["num_local_experts"] = a.experts
    c["num_experts_per_tok"] = a.used_experts


def without_window(config):
    config.update(layer_types=["full_attention"] * 2)


def with_window(config):
    config.update(sliding_window=7, use_sliding_window=True)


FAMILIES = (
    Family(
        "llama", "LlamaForCausalLM", "llama", config=llama, transformers="Llama",
        cases=(
            Case("llama", "--rope llama3", "convert"),
            Case("llama", uses="metadata files memory"),
            Case("llama-llama3-f32", "--rope llama3 --dtype f32 --kv-heads 4", "metadata"),
            Case("llama-sentencepiece", "--layers 1 --vocab 520", "metadata"),
            Case("llama-byte-fallback", "--layers 1 --vocab 268", "metadata"),
            Case("llama-template", "--layers 1 --tied", "metadata"),
            Case("llama", "--layers 2 --rope llama3", "loader"),
        ),
        goldens={
            # Frequency factors of Llama 3.1, with wavelengths on both sides of both limits.
            "llama": Golden(dict(
                num_hidden_layers=2, num_attention_heads=4, num_key_value_heads=2, intermediate_size=96,
                rms_norm_eps=1e-5, tie_word_embeddings=False,
                rope_parameters=dict(
                    rope_type="llama3", rope_theta=10000.0, factor=8.0, low_freq_factor=1.0, high_freq_factor=4.0,
                    original_max_position_embeddings=64,
                ),
            )),
            "llama-proportional": Golden(dict(
                SMALL, head_dim=16,
                rope_parameters=dict(
                    rope_type="proportional", rope_theta=10000.0, partial_rotary_factor=0.5, factor=2.0,
                ),
            ), edit=with_window),
        },
    ),
    Family(
        "mistral", "MistralForCausalLM", "llama", config=llama, transformers="Mistral",
        cases=(
            Case("mistral", uses="files"),
            Case("mistral-linear", "--rope linear", "metadata"),
            Case("mistral-yarn", "--layers 2 --rope yarn", "loader"),
        ),
        goldens={
            # What config.json says and no GGUF carries, here and in qwen.py: windows in all layers or some of them,
            # other rotary embeddings. One window is below, one above the 16 positions of a block of keys.
            "mistral-window": Golden(dict(SMALL, sliding_window=21), edit=without_window),
        },
    ),
    Family(
        "mixtral", "MixtralForCausalLM", "llama", config=mixtral, experts=True, expert_names=("w1", "w3", "w2"),
        moe_root="block_sparse_moe.", joint_width=True, transformers="Mixtral",
        cases=(
            Case("mixtral", "--shard-bytes 3000000"),
            Case("mixtral", uses="files memory"),
            Case("mixtral", "--layers 2", "loader"),
        ),
        goldens={
            "mixtral": Golden(dict(
                num_hidden_layers=2, num_attention_heads=4, num_key_value_heads=2, intermediate_size=48,
                num_local_experts=4, num_experts_per_tok=2, rms_norm_eps=1e-5, sliding_window=None,
                rope_parameters=dict(rope_type="default", rope_theta=1e6),
                tie_word_embeddings=False,
            )),
        },
    ),
)
