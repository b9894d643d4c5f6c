#!/usr/bin/env python3
"""Holds pouch-estimate against what really happens, and prints the tables of docs/memory.md.

1. Files: every family and the sample, five mixes and a recipe, written by
   pouch-convert with and without provenance; estimated from the folder, from its index without shards, from its
   config.json with a tokenizer (an interval with provenance, which lists shards), and from the file itself.
2. llama.cpp: the buffer sizes that it logs (the xllamacpp wheel), with one row of logits and with those of whole batches.
3. Pouch: the peak resident memory that pouch-generate reports.

Ends with 1 when a size of a file differs, weights or caches are off by more than 2 %, compute buffers by more than 10 %,
or Pouch's peak by more than 3 % and 20 MB. Needs numpy and xllamacpp.

  check-estimate.py --bin .build/release [--work DIR] [--only files,llama,pouch]
"""
import argparse
import json
import os
import re
import shutil
import subprocess
import sys
import tempfile

import families

ROOT = os.path.dirname(os.path.dirname(os.path.abspath(__file__)))
SAMPLE = os.path.join(ROOT, "samples", "Pelican-10M-A5M")
MIXES = ("bf16", "q8_0", "q4_k_m", "q5_k_s", "iq4_xs")
RECIPE = "hybrid-q4_k_m-plus"
MIB = 1 << 20
failures = []


def run(*command, **options):
    result = subprocess.run([str(c) for c in command], capture_output=True, text=True, **options)
    if result.returncode != 0:
        sys.exit(f"{' '.join(map(str, command))}\n{result.stdout}{result.stderr}")
    return result


def checkpoint(a, name, *arguments):
    folder = os.path.join(a.work, name.replace(",", "").replace(" ", "-"))
    if not os.path.isdir(folder):
        run(sys.executable, os.path.join(ROOT, "scripts", "make-random-checkpoint.py"), folder, "--tokenizer", SAMPLE,
            *arguments)
    return folder


def convert(a, folder, mix):
    output = f"{folder}-{mix}.gguf"
    if not os.path.exists(output):
        run(os.path.join(a.bin, "pouch-convert"), folder, "--outtype", mix, "--outfile", output, "-q")
    return output


def report(a, source, *flags):
    return json.loads(run(a.estimate, source, "--json", *flags).stdout)


def estimate(a, source, *flags):
    return report(a, source, *flags)["outputs"][0]


def check_files(a):
    print("| model | " + " | ".join(m.upper() for m in MIXES) + f" | {RECIPE} | provenance | sources |\n|---|"
          + "---|" * (len(MIXES) + 3))
    folders = [("sample", SAMPLE)]
    folders += [(name, checkpoint(a, name, *more)) for name, more in families.checkpoint_arguments("files").items()]
    for name, folder in folders:
        # The name of a folder is a source of metadata.
        headers = os.path.join(a.work, "outlines", os.path.basename(folder))
        shutil.rmtree(headers, ignore_errors=True)
        os.makedirs(headers)
        for file in os.listdir(folder):
            if not file.endswith(".safetensors"):
                shutil.copy(os.path.join(folder, file), headers)
        sources = [folder, os.path.join(headers, "config.json")]
        if os.path.exists(os.path.join(headers, "model.safetensors.index.json")):
            sources.append(headers)
        cells, added = [], set()
        choices = [("--type", mix) for mix in MIXES]
        # The recipe has rules for linear attention, which must catch something.
        if name.split()[0] in ("sample", "qwen3_next", "qwen3_5_moe"):
            choices.append(("--recipe", RECIPE))
        for flag, mix in choices:
            sizes = [check_file(a, name, folder, sources, flag, mix, *more) for more in (("--no-provenance",), ())]
            cells.append(f"{sizes[0]:,}")
            added.add(sizes[1] - sizes[0])
        cells += ["-"] * (len(MIXES) + 1 - len(cells))
        cells.append(f"{min(added):+,} to {max(added):+,}")
        print(f"| {name} | " + " | ".join(cells) + f" | {len(sources) + 1} equal |")


def check_file(a, name, folder, sources, flag, mix, *more):
    """Writes one file, holds every source's estimate against it, and returns its size."""
    output = os.path.join(a.work, "output.gguf")
    run(os.path.join(a.bin, "pouch-convert"), folder, flag.replace("--type", "--outtype"), mix, "--outfile", output,
        "-q", "--force", *more)
    size = os.path.getsize(output)
    for source in sources:
        bare = source.endswith("config.json")
        if bare and name.endswith("next-token block"):
            continue  # these configurations do not announce the block
        told = estimate(a, source, flag, mix, *more)
        ends, exact = told["fileBytesRange"], not bare or bool(more)
        if ends["isExact"] != exact or not ends["lowest"] <= size <= ends["highest"]:
            failures.append(f"{source} {mix} {more}: {ends} instead of {size}")
        if told["unknown"] != ([] if exact else ["shard names"]):
            failures.append(f"{source} {mix} {more}: unknown are {told['unknown']}")
    if estimate(a, output)["fileBytesRange"]["lowest"] != size:
        failures.append(f"{output}: not its own size")
    os.remove(output)
    return size


# Rows of all tokens are asked for as embeddings, for which these builders compute no logits.
HEADLESS = ("lfm2moe",)
LOG = """
import os, sys, xllamacpp
p = xllamacpp.CommonParams()
model, context, ubatch, parallel, keys, values, flash, rows, windows = sys.argv[1:10]
p.model.path = model
p.n_ctx, p.n_ubatch, p.n_parallel = int(context), int(ubatch), int(parallel)
p.n_batch = max(2048, int(ubatch))
p.verbosity, p.warmup, p.fit_params, p.kv_unified = 4, False, False, False
p.cache_type_k = xllamacpp.ggml_type["GGML_TYPE_" + keys.upper()]
p.cache_type_v = xllamacpp.ggml_type["GGML_TYPE_" + values.upper()]
if flash == "off":
    p.flash_attn_type = xllamacpp.llama_flash_attn_type.LLAMA_FLASH_ATTN_TYPE_DISABLED
if rows == "all":
    p.embedding = True
p.swa_full = windows == "full"
server = xllamacpp.Server(p)
sys.stdout.flush()
os._exit(0)
"""


def logged(text):
    sizes = {}
    for kind, pattern in (("weights", r"CPU_Mapped model buffer size"), ("repacked", r"CPU_REPACK model buffer size"),
                          ("cache", r"CPU KV buffer size"), ("state", r"CPU RS buffer size"),
                          ("output", r"output buffer size"), ("compute", r"CPU compute buffer size")):
        found = re.findall(pattern + r" =\s+([0-9.]+) MiB", text)
        sizes[kind] = sum(map(float, found)) * MIB
    return sizes


def row(name, pairs):
    """One row; a pair is (told, seen, limit in percent), sizes are logged with 0.01 MiB."""
    cells = []
    for kind, (told, seen, limit) in pairs.items():
        off = 0.0 if seen == told else 100 * (told - seen) / max(seen, 1)
        if abs(off) > limit and abs(told - seen) > 0.02 * MIB:
            failures.append(f"{name}: {kind} {told} instead of {seen:.0f}")
        cells.append(f"{told / MIB:.2f} / {seen / MIB:.2f} ({off:+.1f} %)")
    print(f"| {name} | " + " | ".join(cells) + " |")


def models(a):
    big = ("--hidden", "512", "--heads", "8", "--head-dim", "128", "--width", "1536", "--experts", "32",
           "--used-experts", "4", "--expert-width", "256", "--layers", "4")
    yield "dense (qwen3)", convert(a, checkpoint(a, "big-qwen3", "--family", "qwen3", *big), "q4_k_m")
    yield "GQA mixture (qwen3moe)", convert(a, checkpoint(a, "big-qwen3moe", "--family", "qwen3_moe", *big), "q4_k_m")
    hybrid = ("--linear-key-heads", "4", "--linear-value-heads", "8", "--interval", "4")
    folder = checkpoint(a, "big-qwen35moe", "--family", "qwen3_5_moe", *big, *hybrid)
    yield "hybrid (qwen35moe)", convert(a, folder, "q4_k_m")
    for name, more in families.checkpoint_arguments("memory").items():
        yield name, convert(a, checkpoint(a, name, *more), "q4_k_m")
    yield "sample (qwen35moe)", convert_sample(a)


def convert_sample(a):
    output = os.path.join(a.work, "sample.gguf")
    if not os.path.exists(output):
        run(os.path.join(a.bin, "pouch-convert"), SAMPLE, "--outtype", "q4_k_m", "--outfile", output, "-q")
    return output


def settings(name, has_windows):
    """Context, micro batch, sequences, cache types, flash attention, rows of logits, caches of layers with a window."""
    for setting in plain_settings(name):
        yield *setting, "short"
    if has_windows:
        # Two caches, the second of which is short or as long as the first.
        yield from ((4096, 128, 1, "f16", "f16", "on", "one", "short"), (8192, 512, 2, "f16", "f16", "on", "one", "short"),
                    (4096, 512, 1, "q8_0", "q8_0", "on", "one", "short"), (4096, 512, 1, "f16", "f16", "off", "one", "short"),
                    (16384, 512, 1, "f16", "f16", "on", "one", "full"), (4096, 512, 1, "f16", "f16", "off", "one", "full"))


def plain_settings(name):
    yield from ((4096, 512, 1, "f16", "f16", "on", "one"), (16384, 512, 1, "f16", "f16", "on", "one"),
                (4096, 512, 1, "f16", "f16", "on", "all"))
    if "(" not in name or name.startswith("sample"):
        return
    yield from ((4096, 128, 1, "f16", "f16", "on", "one"), (4096, 2048, 1, "f16", "f16", "on", "one"),
                (8192, 512, 2, "f16", "f16", "on", "one"), (4096, 512, 1, "q8_0", "q8_0", "on", "one"),
                (4096, 512, 1, "q8_0", "q4_0", "on", "one"), (4096, 512, 1, "f16", "f16", "off", "one"),
                (4000, 512, 1, "bf16", "bf16", "on", "one"), (4096, 512, 1, "f32", "f32", "on", "one"))


def check_llama(a):
    print("Told / logged, MiB.\n\n| model, -c -ub -np -ctk/-ctv -fa, logits | weights | repacked | KV cache | state "
          "| compute | output |\n|---|---|---|---|---|---|---|")
    for name, model in models(a):
        told = report(a, model, "--engine", "llama.cpp")
        has_windows = "windowForms" in told["outputs"][0]
        for setting in settings(name, has_windows):
            context, ubatch, parallel, keys, values, flash, rows, windows = setting
            if rows == "all" and told["architecture"] in HEADLESS:
                continue
            text = run(sys.executable, "-c", LOG, model, *setting)
            flags = ["-c", context, "-ub", ubatch, "-b", max(2048, ubatch), "-np", parallel, "-ctk", keys, "-ctv",
                     values, "-fa", flash] + (["--all-logits"] if rows == "all" else [])
            flags += ["--swa-full"] if windows == "full" else []
            compare(a, f"{name}, {context} {ubatch} {parallel} {keys}/{values} {flash}, {rows}"
                    + (f", {windows} windows" if has_windows else ""), model, flags, logged(text.stdout + text.stderr))


def compare(a, name, model, flags, seen):
    output = estimate(a, model, "--engine", "llama.cpp", "--repack", *flags)
    told = {}
    for part in output["memory"][0]["parts"]:
        told[part["kind"]] = told.get(part["kind"], 0) + part["bytes"]
    kinds = (("weights", "weights", 2), ("repacked", "repacked-weights", 2), ("cache", "kv-cache", 2),
             ("state", "recurrent-state", 2), ("compute", "compute-buffer", 10), ("output", "output-buffer", 2))
    row(name, {short: (told.get(long, 0), seen[short], limit) for short, long, limit in kinds})


def check_pouch(a):
    print("| model | context | batch | cache | told, MB | peak, MB | off |\n|---|---|---|---|---|---|---|")
    # A random router sends nearly all tokens to a few experts; weights that no token touches never become resident, so
    # the mixtures here use half of their experts for each token.
    large = ("--hidden", "1024", "--heads", "16", "--kv-heads", "4", "--head-dim", "128", "--experts", "16",
             "--used-experts", "8", "--expert-width", "1024", "--layers", "8", "--width", "4096")
    hybrid = ("--linear-key-heads", "8", "--linear-value-heads", "16", "--interval", "4", "--shared-width", "512")
    mixed = checkpoint(a, "large-qwen35moe", "--family", "qwen3_5_moe", *large, *hybrid)
    runs = [("sample", convert_sample(a), ((256, 512), (2048, 512), (2048, 64))),
            ("qwen3moe", convert(a, checkpoint(a, "large-qwen3moe", "--family", "qwen3_moe", *large), "q4_k_m"),
             ((512, 512), (2048, 512), (2048, 128))),
            ("qwen35moe", convert(a, mixed, "q4_k_m"),
             ((512, 512), (2048, 256))),
            ("qwen3", convert(a, checkpoint(a, "large-qwen3", "--family", "qwen3", *large), "q8_0"), ((1024, 512),))]
    for name, model, cases in runs:
        for context, batch in cases:
            for cache in ("f32", "f16"):
                # A filled context: the prompt takes all of it but one token, which is generated.
                tokens = ",".join(str(7 + i * 2654435761 % 4000) for i in range(context - 1))
                seen = json.loads(run(
                    os.path.join(a.bin, "pouch-generate"), "-m", model, "--tokens", tokens, "-n", 1, "-c", context,
                    "--batch-size", batch, "--cache-type", cache, "-t", 2, "--json").stdout)["memory"]
                told = estimate(a, model, "--engine", "pouch", "-c", context, "-ub", batch, "-ctk", cache, "-t", 2)
                total, peak = told["memory"][0]["totalBytes"], seen["peakResidentBytes"]
                off = 100 * (total - peak) / peak
                if abs(off) > 3 and abs(total - peak) > 20_000_000:
                    failures.append(f"{name} -c {context}: {total} instead of {peak}")
                print(f"| {name} | {context} | {batch} | {cache} | {total / 1e6:.1f} | {peak / 1e6:.1f} | "
                      f"{(total - peak) / 1e6:+.1f} MB, {off:+.1f} % |")


def main():
    p = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    p.add_argument("--bin", default=os.path.join(ROOT, ".build", "release"))
    p.add_argument("--estimate", help="pouch-estimate, when it is not in --bin")
    p.add_argument("--work", help="where models are made; kept when given")
    p.add_argument("--only", default="files,llama,pouch")
    a = p.parse_args()
    a.estimate = a.estimate or os.path.join(a.bin, "pouch-estimate")
    kept = a.work
    a.work = a.work or tempfile.mkdtemp(prefix="check-estimate-")
    os.makedirs(a.work, exist_ok=True)
    try:
        for part, check in (("files", check_files), ("llama", check_llama), ("pouch", check_pouch)):
            if part in a.only.split(","):
                print(f"\n### {part}\n")
                check(a)
                sys.stdout.flush()
    finally:
        if not kept:
            shutil.rmtree(a.work, ignore_errors=True)
    for failure in failures:
        print("FAIL " + failure, file=sys.stderr)
    print(f"\n{len(failures)} failures")
    sys.exit(1 if failures else 0)


if __name__ == "__main__":
    main()
