"""llama.cpp's converter on the checkpoints of make-random-checkpoint.py."""

# The converter knows vocabularies by hash, and not the sample's: the name of the splitting rule is given. transformers
# has no class for kimi_k2, and its AutoTokenizer cannot do with less.
CONVERTER = """
import importlib, runpy, sys
sources = sys.argv[1]
sys.path.insert(0, sys.argv[1])
sys.path.insert(1, sys.argv[1] + "/gguf-py")
import transformers
from conversion.base import TextModel
name = sys.argv[2]
TextModel.get_vocab_base_pre = lambda self, tokenizer: name
load = transformers.AutoTokenizer.from_pretrained
def load_or_read(folder, **more):
    try:
        return load(folder, **more)
    except AttributeError:
        return transformers.PreTrainedTokenizerFast(tokenizer_file=str(folder) + "/tokenizer.json")
transformers.AutoTokenizer.from_pretrained = load_or_read
# Classes that want files of their tokenizers which the random checkpoints do not have.
for module, kind, method in (("ernie", "Ernie4_5Model", "_set_vocab_sentencepiece"),
                             ("hunyuan", "HunYuanMoEModel", "set_vocab"), ("phi", "Phi3MiniModel", "set_vocab")):
    family = getattr(importlib.import_module("conversion." + module), kind)
    setattr(family, method, lambda self: self._set_vocab_gpt2())
sys.argv = ["convert_hf_to_gguf.py"] + sys.argv[3:]
runpy.run_path(sources + "/convert_hf_to_gguf.py", run_name="__main__")
"""


def converter_command(python, sources, folder, output, *options):
    """The command that has llama.cpp's converter write a checkpoint as a GGUF."""
    return [python, "-c", CONVERTER, sources, "qwen2", folder, "--outfile", output, *options]
