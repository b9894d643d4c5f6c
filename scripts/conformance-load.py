#!/usr/bin/env python3
"""Converts a checkpoint of every family to Q4_K_M and has llama.cpp (the xllamacpp wheel) load and run each, whole and
without its second layer.

  conformance-load.py BIN_DIR --out DIR

Uses the checkpoints that conformance-convert.py left in DIR, or makes them. Exits with 1 when a file does not load
or when llama.cpp does not answer with the number of tokens asked for.
"""
import argparse
import os
import subprocess
import sys

import families

HERE = os.path.dirname(os.path.abspath(__file__))
SAMPLE = os.path.join(HERE, "..", "samples", "Pelican-10M-A5M")
TOKEN_COUNT = 5

RUN = """
import os, sys
import xllamacpp
params = xllamacpp.CommonParams()
params.model.path = sys.argv[1]
params.n_ctx = 256
params.n_parallel = 1
params.cpuparams.n_threads = 2
params.warmup = False
params.verbosity = 0
server = xllamacpp.Server(params)
answer = server.handle_completions(
    {"prompt": "draw a circle", "n_predict": int(sys.argv[2]), "temperature": 0.0, "ignore_eos": True})
print("generated", answer["usage"]["completion_tokens"] if "usage" in answer else answer["tokens_predicted"], flush=True)
os._exit(0)
"""


def runs(model):
    """Whether llama.cpp makes as many tokens as asked for, and what it said if not."""
    try:
        done = subprocess.run(
            [sys.executable, "-c", RUN, model, str(TOKEN_COUNT)], capture_output=True, text=True, timeout=120)
    except subprocess.TimeoutExpired:
        return False, "no answer in 120 s"
    good = f"generated {TOKEN_COUNT}" in done.stdout
    return good, "" if good else (done.stdout + done.stderr)[-1500:]


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("bin")
    parser.add_argument("--out", required=True)
    options = parser.parse_args()
    os.makedirs(options.out, exist_ok=True)
    failures = 0
    cases = {"sample": None, **families.checkpoint_arguments("convert")}
    for name, arguments in cases.items():
        # The first layers of Qwen3-VL take features of pictures, and stay; kinds of layers that take turns do so still.
        last = {"qwen3_vl": "3", "exaone_moe": "4", "gpt_oss": "2"}
        layer = next((number for start, number in last.items() if name.startswith(start)), "1")
        folder = SAMPLE if arguments is None else os.path.join(options.out, name)
        if not os.path.isdir(folder):
            subprocess.run(
                [sys.executable, os.path.join(HERE, "make-random-checkpoint.py"), *arguments, "--tokenizer", SAMPLE,
                 folder], check=True, stdout=subprocess.DEVNULL)
        model = os.path.join(options.out, "load.gguf")
        subprocess.run(
            [os.path.join(options.bin, "pouch-convert"), folder, "--outtype", "q4_k_m", "--outfile", model, "--force",
             "--quiet"], check=True)
        pruned = os.path.join(options.out, "load-pruned.gguf")
        subprocess.run(
            [os.path.join(options.bin, "pouch-quantize"), "--prune-layers", layer, "--force", "--quiet", model, pruned,
             "COPY"], check=True)
        for title, path in ((name, model), (f"{name} without layer {layer}", pruned)):
            good, detail = runs(path)
            print(f"{title}: {'loads and runs' if good else 'FAILED ' + detail}", flush=True)
            failures += not good
    print(f"{2 * len(cases) - failures} passed, {failures} failed")
    return 1 if failures else 0


if __name__ == "__main__":
    sys.exit(main())
