"""Llama, Mistral and Mixtral."""
from families.entry import Case, Family


def llama(c, a):
    c["intermediate_size"] = a.width


def mixtral(c, a):
    llama(c, a)
    c["num_local_experts"] = a.experts
    c["num_experts_per_tok"] = a.used_experts


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
    ),
    Family(
        "mistral", "MistralForCausalLM", "llama", config=llama, transformers="Mistral",
        cases=(
            Case("mistral", uses="files"),
            Case("mistral-linear", "--rope linear", "metadata"),
            Case("mistral-yarn", "--layers 2 --rope yarn", "loader"),
        ),
    ),
    Family(
        "mixtral", "MixtralForCausalLM", "llama", config=mixtral, experts=True, expert_names=("w1", "w3", "w2"),
        moe_root="block_sparse_moe.", transformers="Mixtral",
        cases=(
            Case("mixtral", "--shard-bytes 3000000"),
            Case("mixtral", uses="files memory"),
            Case("mixtral", "--layers 2", "loader"),
        ),
    ),
)
