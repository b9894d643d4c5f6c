#!/usr/bin/env python3
"""Checks that good files raise no alarm in pouch-validate.

  conformance-validate.py BIN_DIR --out DIR [--llama-quantize PATH] [--llama-split PATH] [--types ...] [--cases ...]

For random checkpoints of every family (the cases of conformance-convert.py) and for the sample, pouch-convert makes a
file of each type, plain and with a generated importance matrix. Each must be sound without a warning, its mix
recognised, and exact against the checkpoint. With --llama-quantize and --llama-split the same holds for files that
llama.cpp's own tools make from the 16-bit file, and for the sets of shards that they make of those.
Exits with 1 on any alarm. Needs numpy, gguf and xllamacpp, as conformance-convert.py does.
"""
import argparse
import importlib.util
import json
import os
import subprocess
import sys

import gguf

import families

HERE = os.path.dirname(os.path.abspath(__file__))
SPEC = importlib.util.spec_from_file_location("conformance_convert", os.path.join(HERE, "conformance-convert.py"))
CONVERT = importlib.util.module_from_spec(SPEC)
SPEC.loader.exec_module(CONVERT)


class Alarms:
    def __init__(self, validate):
        self.validate = validate
        self.files = 0
        self.alarms = []

    def check(self, label, path, kind, source, imatrix=None, verdict="exact"):
        command = [self.validate, path, "--json", "--strict", "--against", source]
        if imatrix:
            command += ["--imatrix", imatrix]
        done = subprocess.run(command, capture_output=True, text=True, timeout=600)
        self.files += 1
        problems = []
        report = {}
        try:
            report = json.loads(done.stdout)
        except ValueError:
            problems.append("no report")
        if done.returncode != 0:
            problems.append(f"exit code {done.returncode}: {done.stderr.strip()[-600:]}")
        for finding in report.get("findings", []):
            if finding["severity"] != "note":
                problems.append(f"{finding['kind']} {finding['subject']}: {finding['found']}")
        recognised = report.get("mix", {}).get("recognised")
        if recognised != kind:
            problems.append(f"recognised as {recognised}")
        found = (report.get("against") or {}).get("verdict")
        if found != verdict:
            problems.append(f"verdict {found}, not {verdict}")
        for problem in problems[:4]:
            self.alarms.append(f"{label}: {problem}")
            print("ALARM", label, problem, flush=True)


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("bin")
    parser.add_argument("--out", required=True)
    parser.add_argument("--llama-quantize")
    parser.add_argument("--llama-split")
    parser.add_argument("--cases", nargs="*")
    parser.add_argument("--types", nargs="*", default=CONVERT.TYPES + ["Q4_0", "F16"])
    options = parser.parse_args()
    os.makedirs(options.out, exist_ok=True)
    alarms = Alarms(os.path.join(options.bin, "pouch-validate"))
    cases = {"sample": None, **families.checkpoint_arguments("convert")}
    for name in options.cases or cases:
        folder = CONVERT.SAMPLE if cases[name] is None else os.path.join(options.out, name)
        if not os.path.isdir(folder):
            CONVERT.run([sys.executable, os.path.join(HERE, "make-random-checkpoint.py"), *cases[name],
                         "--tokenizer", CONVERT.SAMPLE, folder])
        before = len(alarms.alarms)
        convert = [os.path.join(options.bin, "pouch-convert"), folder, "--force", "--quiet"]
        plain = os.path.join(options.out, name + "-plain.gguf")
        outtype = "auto" if cases[name] is None else families.cases("convert")[name][0].plain_type
        CONVERT.run(convert + ["--outtype", outtype, "--outfile", plain])
        alarms.check(f"{name} {outtype}", plain, "F16" if "f16" in name else "BF16", folder)
        imatrix = os.path.join(options.out, name + "-imatrix.gguf")
        CONVERT.make_imatrix(imatrix, {t.name: t for t in gguf.GGUFReader(plain).tensors})
        for kind in options.types:
            for use in (None, imatrix):
                label = f"{name} {kind}{' imatrix' if use else ''}"
                extra = ["--imatrix", use] if use else []
                ours = os.path.join(options.out, "ours.gguf")
                CONVERT.run(convert + ["--outtype", kind, "--outfile", ours] + extra)
                alarms.check(label, ours, kind, folder, use)
                if use and kind.startswith("Q4_K"):
                    alarms.check(label + ", checked without it", ours, kind, folder, None,
                                 "same recipe, other rounding")
                if options.llama_quantize and kind not in ("F16", "BF16", "F32"):
                    theirs = os.path.join(options.out, "theirs.gguf")
                    CONVERT.run([options.llama_quantize] + extra + [plain, theirs, kind, "2"])
                    alarms.check(label + " of llama-quantize", theirs, kind, folder, use)
                    alarms.check(label + " of llama-quantize, against its source", theirs, kind, plain, use)
                    if options.llama_split and not use:
                        for old in os.listdir(options.out):
                            if old.startswith("shard-"):
                                os.remove(os.path.join(options.out, old))
                        CONVERT.run([options.llama_split, "--split-max-tensors", "9", theirs,
                                     os.path.join(options.out, "shard")])
                        first = sorted(f for f in os.listdir(options.out) if f.startswith("shard-"))[0]
                        alarms.check(label + " of llama-gguf-split", os.path.join(options.out, first), kind, folder)
        print(f"{name}: {'no alarm' if len(alarms.alarms) == before else 'ALARMS'}", flush=True)
    print(f"{alarms.files} good files validated, {len(alarms.alarms)} alarms")
    return 1 if alarms.alarms else 0


if __name__ == "__main__":
    sys.exit(main())
