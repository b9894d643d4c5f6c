#!/usr/bin/env python3
"""Compares the speed of Pouch's quantizers with ggml's, on one core, both measured in turn on this machine.

Pouch's side is `pouch-bench quantize --json`; ggml's is `ggml_quantize_chunk` of the installed `xllamacpp` package or
of a library given with --library, on rows of the same kind. Printed are medians, in million weights per second of
processor time, and the ratio of the medians. Needs numpy.
"""

import argparse
import importlib.util
import json
import pathlib
import statistics
import subprocess
import sys
import time

import numpy as np

here = pathlib.Path(__file__).resolve().parent
spec = importlib.util.spec_from_file_location("conformance", here / "conformance-quantize.py")
conformance = importlib.util.module_from_spec(spec)
spec.loader.exec_module(conformance)


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--bench", default=str(here.parent / ".build" / "release" / "pouch-bench"))
    parser.add_argument("--library", help="a shared object with ggml_quantize_chunk (default: that of xllamacpp)")
    parser.add_argument("--types", default=",".join(conformance.TYPES))
    parser.add_argument("--levels", default="avx2,portable")
    parser.add_argument("--repetitions", type=int, default=5)
    options = parser.parse_args()
    path = options.library or conformance.find_library()
    if path is None:
        print("no reference: install xllamacpp or give --library", file=sys.stderr)
        return 2
    reference = conformance.Reference(path)
    rng = np.random.default_rng(1)
    rows = conformance.bfloat(rng.standard_normal((32, 2048)) * 0.02)
    importance = (rng.random(2048) + 0.01).astype(np.float32)
    levels = options.levels.split(",")
    print(f"ggml {reference.version}; medians in M weights/s of one core")
    print("type     path     " + "".join(f"{level:>18}" for level in levels) + f"{'ggml':>10}{'ratio':>8}")
    for name in options.types.split(","):
        command = [options.bench, "quantize", "--json", "--types", name, "--level", options.levels]
        report = json.loads(subprocess.run(command, check=True, capture_output=True).stdout)
        for weights in (None, importance):
            seconds = []
            for _ in range(options.repetitions):
                start = time.process_time()
                reference.quantize(name, rows, weights)
                seconds.append(time.process_time() - start)
            peer = rows.size / statistics.median(seconds) / 1e6
            found = [m for m in report["measurements"] if m["weighted"] == (weights is not None)]
            cells = "".join(
                f"{m['millionWeightsPerSecond']:9.1f} ({m['bestMillionWeightsPerSecond']:6.1f})" for m in found
            )
            label = "plain" if weights is None else "weighted"
            print(f"{name:9}{label:9}{cells}{peer:10.1f}{found[0]['millionWeightsPerSecond'] / peer:8.1f}")
    return 0


if __name__ == "__main__":
    sys.exit(main())
