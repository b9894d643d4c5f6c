#!/usr/bin/env python3
"""Compares Pouch's quantizers with those of ggml, byte by byte.

The reference is `ggml_quantize_chunk` of the shared object inside the installed `xllamacpp` package, or of any
library given with --library (for example libggml-base.so of a llama.cpp build). Pouch's side is
`pouch-bench quantize-raw`, run once for each kernel level.

From 0.26 on ggml's weighted search for scale and minimum limits quotients before they are rounded, and Pouch follows
it. Rows made to leave the range in which older releases agree are left out with those, and the script says so.

Needs numpy. Exit status: 0 all equal, 1 differences, 2 the comparison could not be made.
"""

import argparse
import ctypes
import importlib.util
import os
import pathlib
import subprocess
import sys
import tempfile

import numpy as np

# name: (ggml type, values per block, bytes per block)
TYPES = {
    "q4_0": (2, 32, 18), "q4_1": (3, 32, 20), "q5_0": (6, 32, 22), "q5_1": (7, 32, 24), "q8_0": (8, 32, 34),
    "q2_K": (10, 256, 84), "q3_K": (11, 256, 110), "q4_K": (12, 256, 144), "q5_K": (13, 256, 176),
    "q6_K": (14, 256, 210), "iq4_nl": (20, 32, 18), "iq4_xs": (23, 256, 136), "mxfp4": (39, 32, 17),
}  # fmt: skip


def find_library():
    spec = importlib.util.find_spec("xllamacpp")
    if spec is None or not spec.submodule_search_locations:
        return None
    for folder in spec.submodule_search_locations:
        for file in sorted(pathlib.Path(folder).glob("*.so")):
            return str(file)
    return None


class Reference:
    def __init__(self, path):
        self.library = ctypes.CDLL(path)
        self.function = self.library.ggml_quantize_chunk
        self.function.restype = ctypes.c_size_t
        self.function.argtypes = [
            ctypes.c_int, ctypes.c_void_p, ctypes.c_void_p, ctypes.c_int64, ctypes.c_int64, ctypes.c_int64,
            ctypes.c_void_p,
        ]  # fmt: skip
        for number, _, _ in TYPES.values():
            self.library.ggml_quantize_init(number)
        try:
            self.library.ggml_version.restype = ctypes.c_char_p
            self.version = self.library.ggml_version().decode()
        except AttributeError:
            self.version = "unknown"

    def limits_quotients(self):
        """Whether the release is 0.26 or later; one that does not say so is taken for a later one."""
        try:
            return tuple(int(part) for part in self.version.split(".")[:2]) >= (0, 26)
        except ValueError:
            return True

    def quantize(self, name, rows, weights):
        number, block, size = TYPES[name]
        count, length = rows.shape
        out = np.zeros(rows.size // block * size, np.uint8)
        written = self.function(
            number, rows.ctypes.data, out.ctypes.data, 0, count, length,
            None if weights is None else weights.ctypes.data,
        )  # fmt: skip
        assert written == out.size
        return out


def bfloat(x):
    bits = np.ascontiguousarray(x, np.float32).view(np.uint32)
    return ((bits + 0x7FFF + ((bits >> 16) & 1)) & np.uint32(0xFFFF0000)).view(np.float32)


def powers(rng, low, high, shape):
    return np.exp2(rng.integers(low, high, shape).astype(np.float64)).astype(np.float32)


def value_sets(rng, shape):
    """Yields name, rows, and whether quotients may leave the range of exact rounding."""
    rows, columns = shape

    def normal(scale=1.0):
        return (rng.standard_normal(shape) * scale).astype(np.float32)

    yield "normal bf16", bfloat(normal(0.02)), False
    yield "normal f16", normal(0.02).astype(np.float16).astype(np.float32), False
    yield "normal f32", normal(), False
    yield "laplace", rng.laplace(size=shape).astype(np.float32), False
    for scale in (1e-42, 1e-40, 1e-38, 1e-30, 1e-20, 3e-16, 1e-15, 1e-10, 1e-5, 1e5, 1e10, 1e18, 1e20, 1e30, 3e37):
        yield f"scale {scale:g}", normal(scale), False
    yield "zero", np.zeros(shape, np.float32), False
    yield "minus zero", -np.zeros(shape, np.float32), False
    yield "constant", np.full(shape, 0.37, np.float32), False
    yield "constant < 0", np.full(shape, -0.37, np.float32), False
    yield "positive", np.abs(normal()), False
    yield "negative", -np.abs(normal()), False
    yield "sparse", np.where(rng.random(shape) < 0.9, 0, normal()).astype(np.float32), False
    yield "ternary", rng.integers(-1, 2, shape).astype(np.float32), False
    yield "ties", rng.integers(-8, 8, shape).astype(np.float32) * np.float32(0.5), False
    ties = rng.integers(-127, 128, shape).astype(np.float32) * np.float32(0.5)
    ties[:, ::32] = -127
    yield "ties of levels", ties, False
    yield "near 1", normal(1e-6) + np.float32(1), False
    yield "near -1", normal(1e-3) - np.float32(1), False
    yield "near negligible", np.where(rng.random(shape) < 0.5, normal(1e-14), normal(1e-16)).astype(np.float32), False
    yield "outliers", np.where(rng.random(shape) < 0.01, normal(1000), normal()).astype(np.float32), False
    yield "wide blocks", normal() * powers(rng, -120, 120, (rows, columns // 16)).repeat(16, 1), True
    yield "wide range", normal() * powers(rng, -40, 40, shape), True
    yield "powers < 0", -powers(rng, -30, 1, shape), True
    yield "outliers 1e7", np.where(rng.random(shape) < 0.01, normal(1e7), normal()).astype(np.float32), True
    extreme = normal()
    extreme[:, ::32] *= np.float32(1e12)
    yield "outliers 1e12", extreme, True
    yield "few subnormals", (rng.integers(-3, 4, shape) * 1.4e-45).astype(np.float32), False
    yield "range overflows", rng.uniform(-3.4e38, 3.4e38, shape).astype(np.float32), False
    lonely = np.minimum(normal(1e-3), 0).astype(np.float32)
    lonely[:, 5::32] = -1000
    yield "lonely minimum", lonely, True


def weight_sets(rng, columns):
    base = (rng.random(columns) ** 2).astype(np.float32)
    yield "none", None
    yield "random", base
    some = base.copy()
    some[::3] = 0
    yield "some zero", some
    yield "all zero", np.zeros(columns, np.float32)
    yield "ones", np.ones(columns, np.float32)
    outlier = base.copy()
    outlier[5::32] = 0
    yield "zero at outliers", outlier
    yield "tiny", (base * np.float32(1e-38)).astype(np.float32)
    yield "huge", (base * np.float32(1e30)).astype(np.float32)
    single = np.zeros(columns, np.float32)
    single[7::64] = 1
    yield "one in 64", single


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("bench", nargs="?", help="pouch-bench (default: .build/release or .build/debug)")
    parser.add_argument("--library", help="a shared object with ggml_quantize_chunk (default: that of xllamacpp)")
    parser.add_argument("--levels", default="portable,avx2,avx512,neon,wide-avx2", help="kernel levels to run")
    parser.add_argument("--types", default=",".join(TYPES), help="types to compare")
    parser.add_argument("--rows", type=int, default=13)
    parser.add_argument("--columns", type=int, default=768)
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--plain", action="store_true", help="compare the readable definition too (slow)")
    options = parser.parse_args()

    root = pathlib.Path(__file__).resolve().parent.parent
    candidates = [options.bench] if options.bench else [root / ".build" / kind / "pouch-bench" for kind in ("release", "debug")]
    bench = next((str(path) for path in candidates if os.access(path, os.X_OK)), None)
    if bench is None:
        print("pouch-bench is not built; run: swift build -c release --product pouch-bench", file=sys.stderr)
        return 2
    path = options.library or find_library()
    if path is None:
        print("no reference: install xllamacpp or give --library", file=sys.stderr)
        return 2
    reference = Reference(path)
    names = options.types.split(",")
    rng = np.random.default_rng(options.seed)
    shape = (options.rows, options.columns)
    with np.errstate(over="ignore", under="ignore"):
        values = list(value_sets(rng, shape))
    weights = list(weight_sets(rng, options.columns))
    left_out = [name for name, _, wild in values if wild] if not reference.limits_quotients() else []
    values = [(name, np.ascontiguousarray(rows)) for name, rows, _ in values if name not in left_out]

    with tempfile.TemporaryDirectory() as folder:
        folder = pathlib.Path(folder)
        expected, jobs = [], []
        for v, (value_name, rows) in enumerate(values):
            rows.tofile(folder / f"x{v}")
            for w, (weight_name, weight) in enumerate(weights):
                if weight is not None:
                    weight.tofile(folder / f"w{w}")
                for name in names:
                    out = folder / f"o{len(jobs)}"
                    job = [name, str(options.columns), str(folder / f"x{v}"), "-" if weight is None else str(folder / f"w{w}"), str(out)]
                    jobs.append("\t".join(job))
                    expected.append((name, value_name, weight_name, reference.quantize(name, rows, weight), out))
        (folder / "jobs").write_text("\n".join(jobs) + "\n")

        runs = []
        for level in options.levels.split(","):
            usable = subprocess.run([bench, "quantize", "--types", "q8_0", "--rows", "1", "--repetitions", "1", "--level", level], capture_output=True)
            if usable.returncode == 0:
                runs.append((level, []))
            else:
                print(f"level {level}: not available on this machine")
        if options.plain:
            runs.append(("definition", ["--plain"]))

        failures, table = 0, {}
        for run, flags in runs:
            environment = dict(os.environ, POUCH_KERNEL_LEVEL="portable" if flags else run)
            subprocess.run([bench, "quantize-raw", "--jobs", str(folder / "jobs"), *flags], check=True, env=environment)
            for name, value_name, weight_name, wanted, out in expected:
                found = np.fromfile(out, np.uint8)
                out.unlink()
                size = TYPES[name][2]
                equal, blocks, wrong = table.get((name, run), (0, 0, 0))
                same_size = found.size == wanted.size
                different = 0 if not same_size else int((found.reshape(-1, size) != wanted.reshape(-1, size)).any(1).sum())
                if not same_size or different:
                    failures += 1
                    print(f"DIFFERENT {name} level {run}, values {value_name}, weights {weight_name}: {different} of {wanted.size // size} blocks")
                table[name, run] = (equal + (different == 0 and same_size), blocks + wanted.size // size, wrong + different)

    print(f"reference: ggml {reference.version}; {len(values)} kinds of values x {len(weights)} kinds of weights, {options.rows} x {options.columns}")
    if left_out:
        print(f"left out, because ggml {reference.version} does not limit quotients before rounding: {', '.join(left_out)}")
    print("type     " + "".join(f"{run:>22}" for run, _ in runs))
    for name in names:
        cells = (table[name, run] for run, _ in runs)
        print(f"{name:9}" + "".join(f"{f'{blocks - wrong}/{blocks} blocks':>22}" for _, blocks, wrong in cells))
    print("all bytes equal" if failures == 0 else f"{failures} comparisons differ")
    return 0 if failures == 0 else 1


if __name__ == "__main__":
    sys.exit(main())
