"""Counts instructions on AArch64 under emulation: of the matrix products per 256 weights and token, and of the quantizers
per weight.

Counts say what work a kernel is, not how long it takes: that needs the real processor.
usage: scripts/count-arm-instructions.py [CPU ...]   emulated CPUs, default cortex-a76 (byte dot products) and max
(matrix instructions); needs the objects of scripts/check-arm in .build-arm
"""

import glob
import pathlib
import subprocess
import sys

ROOT = pathlib.Path(__file__).resolve().parent.parent
OUT = ROOT / ".build-arm"
HERE = ROOT / "scripts" / "arm" / "count"
TYPES = {
    "Q4_K": 12, "Q5_K": 13, "Q6_K": 14, "Q8_0": 8, "Q4_0": 2, "Q4_1": 3, "Q5_0": 6, "Q5_1": 7, "IQ4_NL": 20,
    "MXFP4": 39, "IQ4_XS": 23, "Q3_K": 11, "Q2_K": 10,
}
ROWS, COLUMNS = 64, 2048
# In the order of CQK_* in CQuantKernels.h.
FORMATS = [
    "Q4_0", "Q4_1", "Q5_0", "Q5_1", "Q8_0", "Q2_K", "Q3_K", "Q4_K", "Q5_K", "Q6_K", "IQ4_NL", "IQ4_XS", "MXFP4",
]
QUANTIZED = 16 * 2048


def build():
    objects = [o for o in glob.glob(str(OUT / "arm" / "*.o")) if "harness" not in o]
    if not objects:
        sys.exit(f"{OUT}/arm: no objects; run scripts/check-arm first")
    subprocess.run(
        ["clang", "-shared", "-fPIC", "-O2", "-Wall", "-Wextra", str(HERE / "plugin.c"), "-o", str(OUT / "count.so")],
        check=True)
    for program in ("products", "quantizers"):
        subprocess.run(
            ["clang", "--target=aarch64-linux-gnu", "-static", "-fuse-ld=lld", "-O2", "-I",
             str(ROOT / "Sources/CQuantKernels/include"), str(HERE / f"{program}.c"), *objects, "-lm", "-o",
             str(OUT / f"{program}-arm")], check=True)


def executed(cpu, program, *arguments):
    command = ["qemu-aarch64", "-cpu", cpu, "-plugin", str(OUT / "count.so"), "-d", "plugin", str(OUT / program)]
    result = subprocess.run(command + [str(a) for a in arguments], capture_output=True, text=True, check=True)
    return int(result.stderr.split()[-1])


def per_256(cpu, kind, tokens, mode):
    # The program's start drops out of the difference.
    count = executed(cpu, "products-arm", kind, tokens, mode, 3) - executed(cpu, "products-arm", kind, tokens, mode, 1)
    return count / 2 / (ROWS * COLUMNS / 256) / tokens


def per_weight(cpu, number, kind):
    count = executed(cpu, "quantizers-arm", number, kind, 2) - executed(cpu, "quantizers-arm", number, kind, 1)
    return count / QUANTIZED


def main():
    build()
    print("quantizers: instructions per weight\n| type | plain | with importance |")
    for number, name in enumerate(FORMATS):
        print(f"| {name} | " + " | ".join(f"{per_weight('max', number, k):.1f}" for k in ("plain", "weighted")) + " |")
    cases = [(n, "integer") for n in (1, 2, 4, 8, 16, 64, 512)] + [(n, "float") for n in (1, 64)]
    for cpu in sys.argv[1:] or ["cortex-a76", "max"]:
        print(f"{cpu}: instructions per 256 weights and token")
        print("| type | " + " | ".join(f"{m} {n}" for n, m in cases) + " |")
        for name, kind in TYPES.items():
            print(f"| {name} | " + " | ".join(f"{per_256(cpu, kind, n, m):.1f}" for n, m in cases) + " |", flush=True)


main()
