#!/usr/bin/env python3
"""Compares conversions of checkpoints with quantized weights with llama.cpp's converter.

  conformance-codes.py BIN_DIR --out DIR --converter LLAMA_CPP --python PYTHON [--llama-quantize PATH]
                       [--forms FORM ...]

For a random checkpoint in each form of families/quantized.py:

- files of f32, f16 and the checkpoint's own type are those of the converter, byte for byte, and with --llama-quantize
  Q4_K_M made in one pass is what the tool makes of the converter's file;
- NVFP4, which the converter keeps, has the values of its blocks times their scale, within one rounding;
- MXFP4 blocks are those that the converter makes for gpt-oss (this part runs in PYTHON, with torch);
- the checkpoint and the f32 file have the same values everywhere, as pouch-validate finds.

Exits with 1 on any difference.
"""
import argparse
import os
import subprocess
import sys

import gguf
import numpy as np

from families.peer import converter_command
from families.quantized import FORMS

HERE = os.path.dirname(os.path.abspath(__file__))
SAMPLE = os.path.join(HERE, "..", "samples", "Pelican-10M-A5M")
SIZES = "--family qwen3_moe --layers 2 --experts 4 --expert-width 256".split()
# The converter multiplies codes by scales of groups first, all of it by the tensor's scale at run time.
NVFP4_TOLERANCE = 2.0 ** -22

# Blocks of both halves of gate_up_proj and of down_proj, as the converter's own code makes them.
REPACK = """
import sys
sys.path[:0] = [sys.argv[1], sys.argv[1] + "/gguf-py"]
import numpy as np
from conversion.gpt_oss import GptOssModel
from safetensors.torch import load_file
class Writer:
    def add_tensor(self, name, data, raw_dtype=None):
        self.data = data
class Model:
    gguf_writer = Writer()
    def transform_nibble_layout(self, tensor):
        return GptOssModel.transform_nibble_layout(self, tensor)
tensors = load_file(sys.argv[2] + "/model.safetensors")
blocks = {}
for name in [n for n in tensors if n.endswith("_blocks")]:
    GptOssModel.repack_mxfp4(Model(), name, tensors[name], tensors[name.replace("_blocks", "_scales")])
    layer, data = name.split(".")[2], Model.gguf_writer.data
    half = data.shape[1] // 2
    parts = {"down": data} if "down" in name else {"gate": data[:, :half], "up": data[:, half:]}
    for role, part in parts.items():
        blocks[f"blk.{layer}.ffn_{role}_exps.weight"] = part
np.savez(sys.argv[3], **blocks)
"""


def run(command):
    done = subprocess.run(command, capture_output=True, text=True, timeout=1200)
    return done.returncode, done.stderr[-2000:]


def must(command):
    status, text = run(command)
    if status != 0:
        sys.exit(f"command failed: {' '.join(command[:6])} …\n{text}")


def tensors(path):
    return {t.name: t for t in gguf.GGUFReader(path).tensors}


def nvfp4_difference(ours, theirs):
    """The largest relative difference of a value."""
    worst, theirs = 0.0, tensors(theirs)
    for name, tensor in tensors(ours).items():
        other = theirs[name]
        if other.tensor_type != gguf.GGMLQuantizationType.NVFP4:
            if not np.array_equal(other.data, tensor.data):
                return np.inf
            continue
        values = gguf.quants.dequantize(other.data, other.tensor_type).reshape(tensor.data.shape)
        scale = theirs.get(name.replace(".weight", ".scale"))
        if scale is not None:
            values = values * scale.data.reshape(-1, *[1] * (values.ndim - 1))
        error = np.abs(values - tensor.data)
        worst = max(worst, float((error / np.maximum(np.abs(values), 1e-30)).max()))
    return worst


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("bin")
    parser.add_argument("--forms", nargs="*")
    parser.add_argument("--out", required=True)
    parser.add_argument("--converter", required=True)
    parser.add_argument("--python", default=sys.executable)
    parser.add_argument("--llama-quantize")
    options = parser.parse_args()
    os.makedirs(options.out, exist_ok=True)
    failures = 0

    def report(text, is_fine):
        nonlocal failures
        failures += not is_fine
        print(text, "" if is_fine else "DIFFERENT", flush=True)

    def place(name):
        return os.path.join(options.out, name)

    def convert(folder, kind, out):
        must([os.path.join(options.bin, "pouch-convert"), folder, "--force", "--quiet", "--no-provenance",
              "--outtype", kind, "--outfile", out])

    def same(a, b):
        with open(a, "rb") as x, open(b, "rb") as y:
            return x.read() == y.read()

    for name in options.forms or FORMS:
        form, folder = FORMS[name], place(name)
        if not os.path.isdir(folder):
            must([sys.executable, os.path.join(HERE, "make-random-checkpoint.py"), *SIZES, "--quantize", name,
                  *(["--layout", "fused"] if form.fused else []), "--tokenizer", SAMPLE, folder])
        for kind in ("f32", "auto", "f16"):
            ours, theirs = place(f"{name}-{kind}.gguf"), place(f"{name}-{kind}-theirs.gguf")
            convert(folder, kind, ours)
            status, text = run(converter_command(options.python, options.converter, folder, theirs, "--outtype", kind))
            if status != 0:
                report(f"{name} {kind}: the converter fails ({text.strip().splitlines()[-1][:80]})", bool(form.note))
            elif "nvfp4" in name:
                if kind == "f32":
                    difference = nvfp4_difference(ours, theirs)
                    report(f"{name} {kind}: relative difference {difference:.3g}", difference < NVFP4_TOLERANCE)
            else:
                report(f"{name} {kind}: bytes", same(ours, theirs))
                if options.llama_quantize and kind == "auto":
                    convert(folder, "Q4_K_M", ours)
                    must([options.llama_quantize, theirs, place("theirs.gguf"), "Q4_K_M", "2"])
                    report(f"{name} Q4_K_M: bytes", same(ours, place("theirs.gguf")))
        if form.fused:
            ours, blocks = place(f"{name}-blocks.gguf"), place(f"{name}.npz")
            convert(folder, "MXFP4_MOE", ours)
            must([options.python, "-c", REPACK, options.converter, folder, blocks])
            found = tensors(ours)
            for tensor, data in np.load(blocks).items():
                report(f"{name} {tensor}: blocks", np.array_equal(found[tensor].data.reshape(-1), data.reshape(-1)))
        status, _ = run([os.path.join(options.bin, "pouch-validate"), place(f"{name}-f32.gguf"), "--against", folder])
        report(f"{name}: pouch-validate", status == 0)
    print(f"{failures} differences")
    return 1 if failures else 0


if __name__ == "__main__":
    sys.exit(main())
