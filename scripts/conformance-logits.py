#!/usr/bin/env python3
"""Compares the logits of llama.cpp with those of transformers for random checkpoints of every family.

  conformance-logits.py --converter LLAMA_CPP --library LIBLLAMA_SO --out DIR [--cases ...] [--bin BIN_DIR]

Each checkpoint is converted to an F32 file by llama.cpp's converter (with --bin by pouch-convert) and run by llama.cpp
with a cache in f32 and without flash attention; reference_logits.py computes the same from the checkpoint. The table
says how far they are apart over all positions. Exits with 1 when a family that should agree is off by more than 1e-5,
or one that the table of families says llama.cpp computes otherwise is not. Needs torch, transformers and gguf; the
library must be built from the sources that LLAMA_CPP holds, whose header it follows.
"""
import argparse
import ctypes
import os
import subprocess
import sys

import numpy as np

import families
from families.peer import converter_command

HERE = os.path.dirname(os.path.abspath(__file__))
SAMPLE = os.path.join(HERE, "..", "samples", "Pelican-10M-A5M")
TOKENS = [(7 + i * 2654435761) % 1000 for i in range(48)]
# Relative; what differs is farther off than rounding.
LIMIT = 1e-5
SAME = 4e-6


class ContextParameters(ctypes.Structure):
    """The first part of llama_context_params; what follows is never touched."""

    _fields_ = (
        [(n, ctypes.c_uint32) for n in ("n_ctx", "n_batch", "n_ubatch", "n_seq_max", "n_rs_seq", "n_outputs_max",
                                        "n_outputs_max_per_seq")]
        + [(n, ctypes.c_int32) for n in ("n_threads", "n_threads_batch", "ctx_type", "rope_scaling_type",
                                         "pooling_type", "attention_type", "flash_attn_type")]
        + [(n, ctypes.c_float) for n in ("rope_freq_base", "rope_freq_scale", "yarn_ext_factor", "yarn_attn_factor",
                                         "yarn_beta_fast", "yarn_beta_slow")]
        + [("yarn_orig_ctx", ctypes.c_uint32), ("defrag_thold", ctypes.c_float), ("cb_eval", ctypes.c_void_p),
           ("cb_eval_user_data", ctypes.c_void_p), ("type_k", ctypes.c_int32), ("type_v", ctypes.c_int32),
           ("rest", ctypes.c_uint64 * 64)])


class Opaque(ctypes.Structure):
    _fields_ = [("bytes", ctypes.c_uint64 * 128)]


class Batch(ctypes.Structure):
    _fields_ = [("count", ctypes.c_int32)] + [(f"p{i}", ctypes.c_void_p) for i in range(6)]


class Llama:
    def __init__(self, path):
        pointer = ctypes.c_void_p
        self.lib = lib = ctypes.CDLL(path)
        for name, result, arguments in (
                ("llama_model_default_params", Opaque, []), ("llama_context_default_params", ContextParameters, []),
                ("llama_model_load_from_file", pointer, [ctypes.c_char_p, Opaque]),
                ("llama_init_from_model", pointer, [pointer, ContextParameters]),
                ("llama_model_get_vocab", pointer, [pointer]), ("llama_vocab_n_tokens", ctypes.c_int32, [pointer]),
                ("llama_batch_get_one", Batch, [pointer, ctypes.c_int32]),
                ("llama_decode", ctypes.c_int32, [pointer, Batch]),
                ("llama_get_logits_ith", pointer, [pointer, ctypes.c_int32]), ("llama_free", None, [pointer]),
                ("llama_model_free", None, [pointer]), ("llama_backend_init", None, []),
                ("llama_log_set", None, [pointer, pointer])):
            function = getattr(lib, name)
            function.restype, function.argtypes = result, arguments
        self.quiet = ctypes.CFUNCTYPE(None, ctypes.c_int, ctypes.c_char_p, pointer)(lambda *_: None)
        lib.llama_log_set(ctypes.cast(self.quiet, pointer), None)
        lib.llama_backend_init()

    def logits(self, path, settings):
        """All positions, one token after the other; None when the file does not load."""
        lib = self.lib
        model = lib.llama_model_load_from_file(path.encode(), lib.llama_model_default_params())
        if not model:
            return None
        parameters = lib.llama_context_default_params()
        parameters.n_ctx = parameters.n_batch = 256
        parameters.flash_attn_type = 0
        parameters.type_k = parameters.type_v = 0
        for name, value in (settings or {}).items():
            setattr(parameters, name, value)
        context = lib.llama_init_from_model(model, parameters)
        size = lib.llama_vocab_n_tokens(lib.llama_model_get_vocab(model))
        rows = []
        for token in TOKENS:
            one = (ctypes.c_int32 * 1)(token)
            if lib.llama_decode(context, lib.llama_batch_get_one(one, 1)) != 0:
                return None
            row = ctypes.cast(lib.llama_get_logits_ith(context, -1), ctypes.POINTER(ctypes.c_float))
            rows.append(np.ctypeslib.as_array(row, (size,)).copy())
        lib.llama_free(context)
        lib.llama_model_free(model)
        return np.stack(rows)


def converted(options, case, folder):
    """The F32 file of a checkpoint."""
    output = folder + "-f32.gguf"
    if options.bin:
        command = [os.path.join(options.bin, "pouch-convert"), folder, "--force", "--quiet", "--outfile", output]
    else:
        command = converter_command(sys.executable, os.path.abspath(options.converter), folder, output,
                                    *case.converter.split())
    done = subprocess.run(command + ["--outtype", "f32"], capture_output=True, text=True)
    if done.returncode != 0:
        print(done.stdout[-1000:], done.stderr[-3000:])
        return None
    return output


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--converter", required=True)
    parser.add_argument("--library", required=True)
    parser.add_argument("--out", required=True)
    parser.add_argument("--bin", help="convert with pouch-convert")
    parser.add_argument("--cases", nargs="*")
    options = parser.parse_args()
    os.makedirs(options.out, exist_ok=True)
    from reference_logits import checkpoint_logits

    llama = Llama(options.library)
    failures = 0
    print("| case | relative | largest | best token the same | logits' deviation | said to differ |\n|---|---|---|---|---|---|")
    for name, (case, family) in families.cases("convert").items():
        if options.cases and name not in options.cases or case.converter_fails and not options.bin:
            continue
        differs = case.llama_differs or ("" if options.bin else case.converter_differs)
        folder = os.path.abspath(os.path.join(options.out, name))
        if not os.path.isdir(folder):
            subprocess.run([sys.executable, os.path.join(HERE, "make-random-checkpoint.py"), *case.arguments(family),
                            "--tokenizer", SAMPLE, folder], check=True, stderr=subprocess.DEVNULL)
        path = converted(options, case, folder)
        theirs = llama.logits(path, case.llama_parameters) if path else None
        if theirs is None:
            print(f"| {name} | {'not loaded' if path else 'not converted'} | | | | {differs} |", flush=True)
            failures += 1
            continue
        ours = checkpoint_logits(folder, TOKENS).numpy()
        error = np.linalg.norm(ours - theirs) / np.linalg.norm(ours)
        same = int((ours.argmax(-1) == theirs.argmax(-1)).sum())
        print(f"| {name} | {error:.1e} | {np.abs(ours - theirs).max():.1e} | {same} of {len(TOKENS)} | {ours.std():.2f} "
              f"| {differs} |", flush=True)
        failures += (error < SAME) if differs else (error > LIMIT)
        os.remove(path)
    return 1 if failures else 0


if __name__ == "__main__":
    sys.exit(main())
