"""What an entry of the table of families holds."""
from dataclasses import dataclass, field
from typing import Callable

# The mixes that cases of conformance-convert.py try when they do not try all.
MAIN_MIXES = ("Q4_K_M", "Q6_K", "Q3_K_M", "IQ4_XS")

# Settings of goldens that have nothing to do with sizes.
SMALL_GOLDEN = dict(
    hidden_size=32, vocab_size=128, num_hidden_layers=2, num_attention_heads=2, num_key_value_heads=1,
    intermediate_size=32, rms_norm_eps=1e-6, tie_word_embeddings=True,
)
# The same for mixtures, and the options of make-random-checkpoint.py for one as small.
SMALL_MIXTURE = dict(
    vocab_size=64, hidden_size=32, num_hidden_layers=2, num_attention_heads=2, num_key_value_heads=2,
    intermediate_size=32, moe_intermediate_size=16, n_routed_experts=6, n_shared_experts=1, num_experts_per_tok=2,
    first_k_dense_replace=1, norm_topk_prob=True, routed_scaling_factor=2.5, tie_word_embeddings=False,
)
SMALL_OPTIONS = ("--vocab 64 --hidden 32 --layers 2 --heads 2 --kv-heads 2 --head-dim 16 --width 32 --expert-width 16 "
                 "--experts 6 --used-experts 2 ")


@dataclass(frozen=True)
class Case:
    """A random checkpoint, and the scripts that use it.

    uses names them: convert (conformance-convert.py, -load.py and -validate.py), metadata (conformance-metadata.py and
    its goldens), tower (the same with --mmproj), loader (conformance-loader.py, which makes everything smaller), files and memory (check-estimate.py).
    """

    name: str
    options: str = ""  # of make-random-checkpoint.py, beside --family
    uses: str = "convert metadata"
    converter: str = ""  # options of llama.cpp's converter and of pouch-convert
    mixes: tuple = ()  # all when empty
    # For conformance-logits.py: what llama.cpp computes otherwise, or gets from its converter alone, in a few words.
    llama_differs: str = ""
    converter_differs: str = ""
    converter_fails: bool = False  # llama.cpp's converter writes no file that loads
    llama_parameters: dict = None  # of its context, where it does not read what the file says

    @property
    def plain_type(self):
        """The --outtype whose file has the checkpoint's values unquantized: auto would keep MXFP4."""
        return "bf16" if "mxfp4" in self.options.split() else "auto"

    def arguments(self, family):
        return ["--family", family.name, *self.options.split()]


@dataclass(frozen=True)
class Golden:
    """A tiny model with recorded logits; see make-golden-logits.py.

    Either transformers builds and saves it from the settings of its configuration's class, or make-random-checkpoint.py
    makes it, for what transformers does not write: blocks of E4M3, next-token blocks, released layouts.
    """

    settings: dict = None
    edit: Callable = None  # changes the written config.json: transformers drops or completes what a user's may lack
    options: str = ""


@dataclass(frozen=True)
class Family:
    """A model family: what its checkpoints look like, what is made of it for checks, and who judges it."""

    name: str  # model_type of config.json
    model_class: str  # architectures of config.json
    gguf: str  # general.architecture
    cases: tuple
    # Adds the family's own keys to those that all have: (keys, options of make-random-checkpoint.py).
    config: Callable = lambda c, a: None
    defaults: dict = field(default_factory=dict)  # options that differ from the general ones

    # Tensors. Attention is "grouped", "latent", "windowed" (heads of two widths), or with grouped attention in some layers
    # "linear" or "short".
    attention: str = "grouped"
    query_bias: bool = False  # of q, k and v
    all_biases: bool = False  # of the output projection, the router and the experts, too
    norm_biases: bool = False  # of norms, the output projection and the output head
    sinks: bool = False  # a score of each head without a value
    joins_qkv: bool = False  # in one matrix
    joint_width: bool = False  # an expert is as wide as intermediate_size says
    names: dict = field(default_factory=dict)  # own names of modules within a layer, or outside, by the usual ones
    head_norm: str = ""  # of q and k: "head", "full" (all heads together) or none
    norm_offset: bool = False  # norms are stored minus one
    experts: bool = False
    turned_experts: bool = False  # transformers has them transposed, gate and up by turns
    expert_names: tuple = ("gate_proj", "up_proj", "down_proj")
    moe_root: str = "mlp."
    layout: str = "per-expert"  # of the experts, as released
    shared: str = ""  # "gated" by a vector of its own, "plain", "linear" (gate and up in one matrix) or none
    selection_bias: object = False  # a bias for the selection of experts, in f32 in any checkpoint; "row" is a matrix
    # In a wrapper: prefixes of the text model and of its head, other tensors. Always wrapped when not optional.
    wrapper: str = ""  # its class
    wrapper_model_type: str = ""
    wrapped_root: str = "model.language_model."
    wrapped_head: str = ""
    wrapped_more: tuple = (("model.visual.patch_embed.proj.weight", (8, 3, 2, 4, 4), "matrix"),
                           ("model.visual.merger.norm.weight", (8,), "norm"))
    always_wrapped: bool = False
    text_model_type: str = ""
    vision: dict = None
    next_token: str = ""  # "mtp" (tensors of their own) or "layer" (layer L of the trunk) or none
    scaling: dict = field(default_factory=dict)  # what rope_scaling holds for a type, where it differs
    tokens: tuple = ()  # added to the tokenizer
    tokenizer: str = ""  # a folder of the repository with a tokenizer of the family's kind, instead of the sample's

    # Keys that Pouch writes and llama.cpp's converter does not, each with its reason in CHANGELOG.md.
    more_keys: tuple = ()

    # The judge of logits: the class of transformers without its ending, or "" for what reference_logits.py has.
    transformers: str = ""
    more_classes: dict = field(default_factory=dict)  # those of other model_types of the family
    goldens: dict = field(default_factory=dict)
