#!/usr/bin/env python3
"""Compares Pouch's output for MLX with what mlx and mlx-lm make, byte by byte.

  conformance-mlx.py [BIN_DIR] [--out DIR] [--only quantizers|folders|sources|known-answers] [--case NAME]

Run it with a Python that has mlx and mlx-lm: `python3 -m venv V; V/bin/pip install "mlx[cpu]" mlx-lm`. What is compared
is mlx on a CPU: on a GPU it rounds otherwise.

1. quantizers: `pouch-bench quantize-raw` at every kernel level against `mx.quantize`, for all bits, group sizes, modes and
   types of weights, over values of many kinds. Groups of mxfp4 below 6 * 2^-128 are left out: there mlx's exponent wraps
   around.
2. folders: `pouch-convert --format mlx` against mlx_lm.convert, for the sample and a random checkpoint of every Qwen
   family: all tensors by name, shape, type and bytes, the index, and the configuration, in which Pouch may say more.
   mlx-lm loads both folders and gives the same greedy tokens. mlx-lm refuses some configurations that Pouch completes
   (a plain `qwen3_5_moe_text`, keys without a default); it gets a completed copy.
3. sources: folders that MLX quantized, read again and written as f32, against the product and sum of what they hold.
4. known-answers: prints the digests that the tests hold.

Exit status: 0 all equal, 1 differences, 2 the comparison could not be made.
"""
import argparse
import hashlib
import json
import os
import pathlib
import shutil
import struct
import subprocess
import sys
import tempfile

import numpy as np

try:
    import mlx.core as mx
    import mlx_lm.utils
    from mlx_lm.convert import convert
    from mlx_lm.generate import generate_step
except ImportError as error:
    print(f"{error}; see --help", file=sys.stderr)
    sys.exit(2)

HERE = pathlib.Path(__file__).resolve().parent
SAMPLE = HERE.parent / "samples" / "Pelican-10M-A5M"
TYPES = {"f32": mx.float32, "f16": mx.float16, "bf16": mx.bfloat16}
AFFINE = [("affine", bits, size) for bits in (2, 3, 4, 5, 6, 8) for size in (32, 64, 128)]
FORMATS = AFFINE + [("mxfp4", 4, 32), ("nvfp4", 4, 16)]


def name_of(mode, bits, size):
    return f"affine{bits}/{size}" if mode == "affine" else mode


def rounded(values, kind):
    """Values as a type holds them."""
    return np.array(mx.array(np.ascontiguousarray(values, np.float32)).astype(TYPES[kind]).astype(mx.float32))


def quantized(values, kind, mode, bits, size):
    """The bytes of codes, scales and biases, one after the other."""
    parts = mx.quantize(mx.array(values).astype(TYPES[kind]), group_size=size, bits=bits, mode=mode)
    return b"".join(bytes_of(part) for part in parts)


def bytes_of(array):
    if array.dtype == mx.bfloat16:
        array = array.view(mx.uint16)
    return np.array(array).tobytes()


def value_sets(rng, shape):
    def normal(scale=1.0):
        return rng.standard_normal(shape) * scale

    def by_group(low, high):
        powers = np.exp2(rng.integers(low, high, (shape[0], shape[1] // 16)).astype(np.float64))
        return powers.repeat(16, 1)

    yield "normal", normal(0.02)
    yield "normal 1", normal()
    for scale in (1e-42, 1e-38, 1e-30, 1e-10, 1e-6, 1e-4, 1e-3, 1e3, 1e6, 1e10, 1e30, 3e37):
        yield f"scale {scale:g}", normal(scale)
    yield "zero", np.zeros(shape)
    yield "minus zero", -np.zeros(shape)
    yield "constant", np.full(shape, 0.37)
    yield "constant < 0", np.full(shape, -0.37)
    yield "constant 1000", np.full(shape, 1000.0)
    yield "positive", np.abs(normal())
    yield "negative", -np.abs(normal())
    yield "sparse", np.where(rng.random(shape) < 0.9, 0, normal())
    yield "ties", rng.integers(-12, 13, shape) * 0.25
    yield "ties by group", rng.integers(-24, 25, shape) * 0.25 * by_group(-8, 8)
    yield "outliers", np.where(rng.random(shape) < 0.01, normal(1000), normal())
    yield "wide range", normal() * np.exp2(rng.integers(-40, 40, shape).astype(np.float64))
    yield "wide groups", normal() * by_group(-12, 12)
    yield "near -1", -1 - np.abs(normal()) * 1e-7
    yield "near 1", 1 + np.abs(normal()) * 1e-3
    yield "around 480", rng.uniform(400 * 6, 500 * 6, shape)
    yield "near the least step", normal(5e-8)
    yield "subnormal", rng.integers(-3, 4, shape) * 1.4e-45
    yield "largest", rng.uniform(-1.6e38, 1.6e38, shape)


def wraps(values, kind):
    """Whether mlx's exponent of mxfp4 wraps around in some group."""
    tops = np.abs(values).reshape(-1, 32).max(1)
    scales = rounded(tops / np.float32(6), kind)
    return bool(((scales > 0) & (scales <= 2.0**-128)).any())


def compare_quantizers(bench, options):
    rng = np.random.default_rng(options.seed)
    shape = (16, 768)
    compared, failures, words = 0, 0, 0
    with tempfile.TemporaryDirectory() as folder:
        folder = pathlib.Path(folder)
        jobs, expected = [], []
        with np.errstate(over="ignore", under="ignore"):
            sets = [(name, kind, rounded(values, kind)) for name, values in value_sets(rng, shape) for kind in TYPES]
        for number, (name, kind, values) in enumerate(sets):
            if not np.isfinite(values).all():
                continue
            values.tofile(folder / f"x{number}")
            for mode, bits, size in FORMATS:
                if mode == "mxfp4" and wraps(values, kind):
                    continue
                out = folder / f"o{len(jobs)}"
                label = f"{name_of(mode, bits, size)}@{kind}"
                jobs.append("\t".join([label, str(shape[1]), str(folder / f"x{number}"), "-", str(out)]))
                expected.append((label, name, quantized(values, kind, mode, bits, size), out))
        (folder / "jobs").write_text("\n".join(jobs) + "\n")
        runs = []
        for level in ("portable", "avx2", "avx512", "neon", "wide-avx2"):
            probe = [bench, "quantize", "--types", "q8_0", "--rows", "1", "--repetitions", "1", "--level", level]
            if subprocess.run(probe, capture_output=True).returncode == 0:
                runs.append((level, []))
        runs.append(("definition", ["--plain"]))
        for level, flags in runs:
            environment = dict(os.environ, POUCH_KERNEL_LEVEL="portable" if flags else level)
            subprocess.run([bench, "quantize-raw", "--jobs", folder / "jobs", *flags], check=True, env=environment)
            for label, name, wanted, out in expected:
                compared += 1
                words += len(wanted) // 4
                if out.read_bytes() != wanted:
                    failures += 1
                    print(f"DIFFERENT {label}, {level}, values {name}")
                out.unlink()
    levels = ", ".join(level for level, _ in runs)
    print(f"quantizers: {compared} comparisons, {words} words, {failures} differ (mlx {mx.__version__}; {levels})")
    return failures


# Name: family, options of make-random-checkpoint.py.
CASES = {
    "qwen2": ("qwen2", ""),
    "qwen2-tied": ("qwen2", "--tied"),
    "qwen3-f16": ("qwen3", "--dtype f16"),
    "qwen3-f32-odd": ("qwen3", "--dtype f32 --width 480"),
    "qwen2_moe": ("qwen2_moe", ""),
    "qwen3_moe": ("qwen3_moe", ""),
    "qwen3_moe-odd": ("qwen3_moe", "--expert-width 96"),
    "qwen3_next": ("qwen3_next", ""),
    "qwen3_5": ("qwen3_5", ""),
    "qwen3_5-nested-tied": ("qwen3_5", "--nested --tied"),
    "qwen3_5_moe": ("qwen3_5_moe", ""),
    "qwen3_5_moe-nested-mtp": ("qwen3_5_moe", "--nested --mtp"),
    "qwen3_vl": ("qwen3_vl", ""),
    "qwen3_vl_moe": ("qwen3_vl_moe", ""),
}
# What mlx-lm is asked for: label, flags of pouch-convert, arguments of convert().
SETTINGS = [
    ("4/64", "--bits 4 --group-size 64", dict(quantize=True, q_bits=4, q_group_size=64)),
    ("4/32", "--bits 4 --group-size 32", dict(quantize=True, q_bits=4, q_group_size=32)),
    ("8/64", "--bits 8", dict(quantize=True, q_bits=8)),
    ("6/64", "--bits 6", dict(quantize=True, q_bits=6)),
    ("mxfp4", "--mode mxfp4", dict(quantize=True, q_mode="mxfp4")),
    ("nvfp4", "--mode nvfp4", dict(quantize=True, q_mode="nvfp4")),
    ("plain", "", dict()),
    ("3/64, f16", "--bits 3 --outtype f16", dict(quantize=True, q_bits=3, dtype="float16")),
    ("5/128, bf16", "--bits 5 --group-size 128 --outtype bf16",
     dict(quantize=True, q_bits=5, q_group_size=128, dtype="bfloat16")),
    ("2/32, f32", "--bits 2 --group-size 32 --outtype f32",
     dict(quantize=True, q_bits=2, q_group_size=32, dtype="float32")),
]


def completed(source, out):
    """A copy that mlx-lm reads: links to the files, with a configuration that says what released ones say."""
    out.mkdir()
    for file in source.iterdir():
        if file.name != "config.json":
            os.symlink(file.resolve(), out / file.name)
    config = json.loads((source / "config.json").read_text())
    config["model_type"] = config["model_type"].removesuffix("_text")
    text = config.get("text_config", config)
    rope = text.get("rope_parameters") or {}
    needed = dict(decoder_sparse_step=1, mlp_only_layers=[]) if text.get("num_experts") else {}
    if not config["model_type"].startswith("qwen3_5"):
        needed["rope_theta"] = rope.get("rope_theta", 10000.0)
        if "partial_rotary_factor" in rope:
            needed["partial_rotary_factor"] = rope["partial_rotary_factor"]
    for key, value in needed.items():
        text.setdefault(key, value)
    (out / "config.json").write_text(json.dumps(config))


def read_folder(folder):
    """Name: (type, shape, bytes), and the shard of each name."""
    tensors, shards = {}, {}
    for file in sorted(folder.glob("model*.safetensors")):
        data = file.read_bytes()
        length = struct.unpack("<Q", data[:8])[0]
        header = json.loads(data[8 : 8 + length])
        metadata = header.pop("__metadata__", {})
        if metadata.get("format") != "mlx":
            raise SystemExit(f"{file}: format {metadata}")
        for name, entry in header.items():
            start, end = (8 + length + offset for offset in entry["data_offsets"])
            tensors[name] = (entry["dtype"], entry["shape"], data[start:end])
            shards[name] = file.name
    return tensors, shards


def missing_of(ours, theirs, path=""):
    """What `theirs` has and `ours` has not, or otherwise."""
    if isinstance(theirs, dict) and isinstance(ours, dict):
        for key, value in theirs.items():
            if key not in ours:
                yield f"{path}{key} is missing"
            else:
                yield from missing_of(ours[key], value, f"{path}{key}.")
    elif ours != theirs:
        yield f"{path[:-1]} is {ours}, not {theirs}"


def compare_folders(ours, theirs, label):
    (a, ours_shards), (b, their_shards) = read_folder(ours), read_folder(theirs)
    problems = [f"{label}: names {sorted(set(a) ^ set(b))[:6]}"] if set(a) != set(b) else []
    for name in sorted(set(a) & set(b)):
        for what, x, y in zip(("type", "shape", "bytes"), a[name], b[name]):
            if x != y:
                problems.append(f"{label}: {name}: {what}" + (f" {x}, not {y}" if what != "bytes" else ""))
                break
    if ours_shards != their_shards:
        problems.append(f"{label}: tensors in other shards")
    index = [json.loads((folder / "model.safetensors.index.json").read_text()) for folder in (ours, theirs)]
    if index[0] != index[1]:
        problems.append(f"{label}: index {index[0]['metadata']}, not {index[1]['metadata']}")
    config = [json.loads((folder / "config.json").read_text()) for folder in (ours, theirs)]
    problems += [f"{label}: config.json: {text}" for text in missing_of(*config)]
    return len(a), problems


def greedy_tokens(folder, prompt, count):
    """The tokens, or what mlx says of a model that it cannot run on a CPU."""
    model, _ = mlx_lm.utils.load_model(pathlib.Path(folder))
    try:
        return [int(token) for token, _ in generate_step(mx.array(prompt), model, max_tokens=count)]
    except RuntimeError as error:
        return str(error)


def quiet(function, *arguments, **named):
    """Calls without what it prints."""
    with open(os.devnull, "w") as null:
        old = os.dup(1), os.dup(2)
        os.dup2(null.fileno(), 1)
        os.dup2(null.fileno(), 2)
        try:
            return function(*arguments, **named)
        finally:
            for number, copy in zip((1, 2), old):
                os.dup2(copy, number)
                os.close(copy)


def pouch(command):
    done = subprocess.run(command, capture_output=True, text=True)
    if done.returncode != 0:
        raise SystemExit(f"{' '.join(map(str, command))}\n{done.stderr}")
    return done.stderr


def compare_all_folders(binaries, options):
    root = pathlib.Path(options.out or tempfile.mkdtemp(prefix="conformance-mlx-"))
    root.mkdir(parents=True, exist_ok=True)
    tensors = runs = generated = 0
    problems = []
    fill = mlx_lm.utils.make_shards
    for name in [options.case] if options.case else ["sample", *CASES]:
        if name == "sample":
            source = SAMPLE
        else:
            family, flags = CASES[name]
            source = root / f"{name}-source"
            shutil.rmtree(source, ignore_errors=True)
            subprocess.run(
                [sys.executable, HERE / "make-random-checkpoint.py", "--family", family, *flags.split(), "--tokenizer",
                 SAMPLE, source], check=True, capture_output=True)
        peer = root / f"{name}-completed"
        shutil.rmtree(peer, ignore_errors=True)
        completed(source, peer)
        for number, (label, flags, arguments) in enumerate(SETTINGS):
            ours, theirs = root / f"{name}-pouch", root / f"{name}-mlx"
            for folder in (ours, theirs):
                shutil.rmtree(folder, ignore_errors=True)
            # Small shards once, so that there are several.
            limit = 1_500_000 if number == 1 else 5 << 30
            mlx_lm.utils.make_shards = lambda weights: shards(weights, limit)
            try:
                quiet(convert, str(peer), str(theirs), **arguments)
            except ValueError as error:
                print(f"{name}, {label}: mlx-lm refuses it: {str(error).splitlines()[0]}")
                continue
            finally:
                mlx_lm.utils.make_shards = fill
            split = ["--split-max-size", str(limit)] if number == 1 else []
            pouch([binaries / "pouch-convert", source, "--format", "mlx", *flags.split(), "--outfile", ours, "-q", *split])
            count, found = compare_folders(ours, theirs, f"{name}, {label}")
            tensors += count
            runs += 1
            problems += found
            if label in ("4/64", "mxfp4", "nvfp4"):
                prompt = [5, 77, 900, 13, 4, 1021, 300, 8]
                tokens = [greedy_tokens(folder, prompt, options.tokens) for folder in (ours, theirs)]
                if isinstance(tokens[0], str) and tokens[0] == tokens[1]:
                    print(f"{name}, {label}: loads, and mlx cannot run it here: {tokens[0]}")
                    continue
                generated += len(tokens[0])
                if tokens[0] != tokens[1] or len(tokens[0]) != options.tokens:
                    problems.append(f"{name}, {label}: tokens {tokens[0][:8]} and {tokens[1][:8]}")
            for folder in (ours, theirs):
                shutil.rmtree(folder)
        print(f"{name}: done", flush=True)
        if name != "sample":
            shutil.rmtree(source)
        shutil.rmtree(peer)
    if not options.out:
        shutil.rmtree(root)
    for problem in problems:
        print("DIFFERENT", problem)
    print(f"folders: {runs} conversions, {tensors} tensors, {generated} greedy tokens, {len(problems)} differences "
          f"(mlx {mx.__version__}, mlx-lm {mlx_lm.__version__})")
    return len(problems)


def decoded(folder):
    """The f32 values of a folder's tensors: code * scale + bias."""
    tensors, _ = read_folder(folder)
    table = json.loads((folder / "config.json").read_text())["quantization"]
    lut = np.array([0, 0.5, 1, 1.5, 2, 3, 4, 6, -0.0, -0.5, -1, -1.5, -2, -3, -4, -6], np.float32)
    floats = {"F32": np.float32, "F16": np.float16, "BF16": np.uint16}

    def values(name):
        kind, shape, data = tensors[name]
        array = np.frombuffer(data, floats[kind]).reshape(shape)
        return (array.astype(np.uint32) << 16).view(np.float32) if kind == "BF16" else array.astype(np.float32)

    result = {}
    for name, (kind, shape, data) in tensors.items():
        module = name.removesuffix(".weight")
        if name.endswith((".scales", ".biases")) or kind != "U32":
            if not name.endswith((".scales", ".biases")):
                result[name] = values(name)
            continue
        scale_type, scale_shape, scale_data = tensors[module + ".scales"]
        own = table.get(module, table)
        bits, size = own["bits"], own["group_size"]
        scales = np.frombuffer(scale_data, np.uint8).reshape(scale_shape) if scale_type == "U8" else values(module + ".scales")
        string = np.unpackbits(np.frombuffer(data, np.uint8), bitorder="little").reshape(-1, bits)
        codes = (string << np.arange(bits, dtype=np.uint8)).sum(1, dtype=np.uint8).reshape(*shape[:-1], -1, size)
        if scale_type != "U8":
            biases = values(module + ".biases")
            result[name] = codes.astype(np.float32) * scales[..., None] + biases[..., None]
        elif size == 32:
            result[name] = lut[codes] * np.exp2(scales.astype(np.float32) - 127)[..., None]
        else:
            result[name] = lut[codes] * np.array(mx.from_fp8(mx.array(scales), mx.float32))[..., None]
        result[name] = result[name].reshape(*shape[:-1], -1)
    return result


def compare_sources(binaries, options):
    problems, count = [], 0
    with tempfile.TemporaryDirectory() as root:
        root = pathlib.Path(root)
        for number, flags in enumerate(("--bits 4", "--bits 3 --group-size 128", "--bits 8 --outtype f16", "--mode mxfp4",
                                        "--mode nvfp4", "--bits 4 --override attention=6/32 --override output=mxfp4")):
            folder, plain = root / f"{number}-mlx", root / f"{number}-plain"
            pouch([binaries / "pouch-convert", SAMPLE, "--format", "mlx", *flags.split(), "--outfile", folder, "-q"])
            said = pouch([binaries / "pouch-convert", folder, "--format", "mlx", "--outtype", "f32", "--outfile", plain])
            if "second rounding" not in said:
                problems.append(f"{flags}: nothing is said of two roundings")
            wanted, (found, _) = decoded(folder), read_folder(plain)
            if set(wanted) != set(found):
                problems.append(f"{flags}: names {sorted(set(wanted) ^ set(found))[:6]}")
            for name in sorted(set(wanted) & set(found)):
                count += 1
                kind, shape, data = found[name]
                if kind != "F32" or shape != list(wanted[name].shape) or data != wanted[name].tobytes():
                    problems.append(f"{flags}: {name}")
            pouch([binaries / "pouch-convert", folder, "--outtype", "q4_k_m", "--outfile", root / f"{number}.gguf", "-q"])
    for problem in problems:
        print("DIFFERENT", problem)
    print(f"sources: {count} tensors, {len(problems)} differences")
    return len(problems)


def shards(weights, limit):
    """mlx-lm's own rule with a limit in bytes."""
    result, size = [], 0
    for name, value in weights.items():
        if not result or size + value.nbytes > limit:
            result.append({})
            size = 0
        result[-1][name] = value
        size += value.nbytes
    return result


def known_rows():
    """The matrix of KnownAnswerTests.swift."""
    state, rows = 12345, np.zeros((8, 512), np.float32)

    def draw():
        nonlocal state
        state = (state * 1664525 + 1013904223) & 0xFFFFFFFF
        return np.float32(state >> 8) * np.float32(2.0**-24)

    for index in range(rows.size):
        value = np.float32(0)
        for _ in range(4):
            value += draw() - np.float32(0.5)
        rows.flat[index] = value * np.float32(0.0625)
    rows = rounded(rows, "bf16")
    rows[3] = 0
    rows[4] = np.abs(rows[4])
    rows[5] *= np.float32(2.0**-100)
    rows[6, np.arange(512) % 7 != 0] = 0
    rows[7] *= 65536
    return rows


def print_known_answers():
    rows = known_rows()
    for mode, bits, size in FORMATS:
        for kind in TYPES:
            digest = hashlib.sha256(quantized(rounded(rows, kind), kind, mode, bits, size)).hexdigest()[:32]
            print(f'    .init("{name_of(mode, bits, size)}", .{kind}, "{digest}"),')
    with tempfile.TemporaryDirectory() as folder:
        peer = pathlib.Path(folder) / "source"
        completed(SAMPLE, peer)
        for number, (label, _, arguments) in enumerate(SETTINGS):
            out = pathlib.Path(folder) / str(number)
            quiet(convert, str(peer), str(out), **arguments)
            tensors, _ = read_folder(out)
            digest = hashlib.sha256()
            for name in sorted(tensors):
                kind, shape, data = tensors[name]
                digest.update(f"{name} {kind} {shape}\n".encode() + data)
            print(f"// {label}: {len(tensors)} tensors, {digest.hexdigest()[:32]}")


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("binaries", nargs="?", type=pathlib.Path, default=HERE.parent / ".build" / "release")
    parser.add_argument("--out", help="where checkpoints and folders go (default: a temporary folder)")
    parser.add_argument("--only", choices=["quantizers", "folders", "sources", "known-answers"])
    parser.add_argument("--case", choices=["sample", *CASES], help="one checkpoint alone")
    parser.add_argument("--tokens", type=int, default=24, help="greedy tokens that are compared")
    parser.add_argument("--seed", type=int, default=1)
    options = parser.parse_args()
    mx.set_default_device(mx.cpu)
    if options.only == "known-answers":
        print_known_answers()
        return 0
    failures = 0
    if options.only in (None, "quantizers"):
        failures += compare_quantizers(options.binaries / "pouch-bench", options)
    if options.only in (None, "folders"):
        failures += compare_all_folders(options.binaries, options)
    if options.only in (None, "sources"):
        failures += compare_sources(options.binaries, options)
    print("all equal" if failures == 0 else f"{failures} differences")
    return 0 if failures == 0 else 1


if __name__ == "__main__":
    sys.exit(main())
