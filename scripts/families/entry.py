"""What an entry of the table of families holds."""
from dataclasses import dataclass, field
from typing import Callable

# The mixes that cases of conformance-convert.py try when they do not try all.
MAIN_MIXES = ("Q4_K_M", "Q6_K", "Q3_K_M", "IQ4_XS")


@dataclass(frozen=True)
class Case:
    """A random checkpoint, and the scripts that use it.

    uses names them: convert (conformance-convert.py, -load.py and -validate.py), metadata (conformance-metadata.py and
    its goldens), loader (conformance-loader.py, which makes everything smaller), files and memory (check-estimate.py).
    """

    name: str
    options: str = ""  # of make-random-checkpoint.py, beside --family
    uses: str = "convert metadata"
    converter: str = ""  # options of llama.cpp's converter and of pouch-convert
    mixes: tuple = ()  # all when empty

    def arguments(self, family):
        return ["--family", family.name, *self.options.split()]


@dataclass(frozen=True)
class Golden:
    """A tiny model with recorded logits; see make-golden-logits.py."""

    settings: dict  # of the configuration's class of transformers
    edit: Callable = None  # changes the written config.json: transformers drops or completes what a user's may lack
    fp8: bool = False  # matrices as codes with a scale for each block
    next_token_block: bool = False
    released_experts: bool = False  # input dimension first, as released and not as transformers saves them
    short: bool = False  # 24 tokens


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

    # Tensors. Attention is "grouped", "linear" (with grouped attention in some layers) or "latent".
    attention: str = "grouped"
    query_bias: bool = False  # of q, k and v
    head_norm: str = ""  # of q and k: "head", "full" (all heads together) or none
    norm_offset: bool = False  # norms are stored minus one
    experts: bool = False
    expert_names: tuple = ("gate_proj", "up_proj", "down_proj")
    moe_root: str = "mlp."
    layout: str = "per-expert"  # of the experts, as released
    shared: str = ""  # "gated" by a vector of its own, "plain" or none
    selection_bias: bool = False  # a bias for the selection of experts, in f32 in any checkpoint
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

    # Keys that Pouch writes and llama.cpp's converter does not, each with its reason in CHANGELOG.md.
    more_keys: tuple = ()

    # Judges of logits: the class of transformers without its ending, or "" for the reference in make-golden-logits.py.
    transformers: str = ""
    goldens: dict = field(default_factory=dict)
    # What llama.cpp computes otherwise, in a few words; empty when its logits agree.
    llama_differs: str = ""
