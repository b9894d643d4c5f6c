#!/usr/bin/env python3
"""Compares whole conversions with llama.cpp, tensor by tensor and key by key.

  conformance-convert.py BIN_DIR --out DIR [--llama-quantize PATH] [--converter LLAMA_CPP --python PYTHON]

For random checkpoints of every family (make-random-checkpoint.py, odd sizes included) and for the sample:

1. pouch-convert to each type in one pass. The expected bytes of every tensor come from ggml itself: the 16-bit
   values of the checkpoint's plain conversion, quantized by ggml_quantize_chunk of the xllamacpp wheel.
2. with --llama-quantize: the same, compared with the files that the real tool writes, byte for byte, and
   pouch-quantize from the 16-bit file likewise.
3. with --converter: the 16-bit file is made by llama.cpp's own converter (needs torch), and compared too.

Each type is tried plain and with a generated importance matrix; all types of a case are made by one command, those of
the sample by one command each. Cases run side by side, one for each core. Exits with 1 on any difference.
"""
import argparse
import concurrent.futures
import ctypes
import functools
import glob
import multiprocessing
import os
import shutil
import subprocess
import sys

import gguf
import numpy as np

import families
from families.peer import converter_command

HERE = os.path.dirname(os.path.abspath(__file__))
SAMPLE = os.path.join(HERE, "..", "samples", "Pelican-10M-A5M")

TYPES = ["Q4_K_M", "Q5_K_M", "Q6_K", "Q8_0", "Q3_K_M", "Q2_K", "IQ4_XS"]
MORE_TYPES = ["Q4_K_S", "Q5_K_S", "Q3_K_S", "Q3_K_L", "Q4_0", "Q4_1", "Q5_0", "Q5_1", "IQ4_NL", "MXFP4_MOE", "F16"]


class Ggml:
    """ggml_quantize_chunk of the xllamacpp wheel."""

    def __init__(self):
        import xllamacpp

        library = glob.glob(os.path.join(os.path.dirname(xllamacpp.__file__), "xllamacpp*.so"))[0]
        self.lib = ctypes.CDLL(library)
        self.lib.ggml_quantize_chunk.restype = ctypes.c_size_t
        self.lib.ggml_quantize_chunk.argtypes = [
            ctypes.c_int, ctypes.c_void_p, ctypes.c_void_p, ctypes.c_int64, ctypes.c_int64, ctypes.c_int64,
            ctypes.c_void_p,
        ]

    def quantize(self, kind, values, row_length, weights):
        """values: f32 [matrices, rows, columns]; weights: f32 [matrices, columns] or None."""
        block, size = gguf.GGML_QUANT_SIZES[kind]
        out = np.zeros(values.size // block * size, dtype=np.uint8)
        done = 0
        for matrix in range(values.shape[0]):
            chunk = np.ascontiguousarray(values[matrix], dtype=np.float32)
            pointer = None
            if weights is not None:
                row = np.ascontiguousarray(weights[matrix], dtype=np.float32)
                pointer = row.ctypes.data
            done += self.lib.ggml_quantize_chunk(
                int(kind), chunk.ctypes.data, out.ctypes.data + done, 0, chunk.shape[0], row_length, pointer)
        return out


def run(command, **options):
    done = subprocess.run(command, capture_output=True, text=True, timeout=1200, **options)
    if done.returncode != 0:
        print("command failed:", " ".join(command), done.stdout[-2000:], done.stderr[-4000:], sep="\n")
        sys.exit(1)
    return done


def floats(tensor):
    """A plain tensor as f32 [matrices, rows, columns]."""
    shape = [int(n) for n in tensor.shape]
    columns = shape[0]
    rows = shape[1] if len(shape) > 1 else 1
    data = np.ascontiguousarray(tensor.data)
    if tensor.tensor_type == gguf.GGMLQuantizationType.BF16:
        data = (data.view(np.uint8).view(np.uint16).astype(np.uint32) << 16).view(np.float32)
    else:
        data = data.astype(np.float32)
    return data.reshape(-1, rows, columns)


def make_imatrix(path, tensors):
    """A random importance matrix for every matrix of the model but the embedding, one expert left out."""
    writer = gguf.GGUFWriter(path, "")
    writer.kv_data[0].pop("general.architecture", None)
    writer.add_string("general.type", "imatrix")
    writer.add_array("imatrix.datasets", ["random"])
    writer.add_uint32("imatrix.chunk_count", 7)
    writer.add_uint32("imatrix.chunk_size", 512)
    generator = np.random.default_rng(5)
    weights = {}
    for name in sorted(tensors):
        tensor = tensors[name]
        if len(tensor.shape) < 2 or not name.endswith(".weight") or name in ("token_embd.weight", "output.weight"):
            continue
        columns = int(tensor.shape[0])
        matrices = int(tensor.shape[2]) if len(tensor.shape) > 2 else 1
        sums = (generator.random((matrices, columns), dtype=np.float32) ** 3 * 900).astype(np.float32)
        counts = generator.integers(1, 4000, matrices).astype(np.float32)
        if matrices > 2:
            counts[1] = 0
        if len(name + ".in_sum2") > 63:
            continue
        writer.add_tensor(name + ".in_sum2", sums)
        writer.add_tensor(name + ".counts", counts.reshape(matrices, 1))
        mean = np.ones_like(sums)
        seen = counts > 0
        mean[seen] = sums[seen] / counts[seen, None]
        weights[name] = mean
    writer.write_header_to_file()
    writer.write_kv_data_to_file()
    writer.write_tensors_to_file()
    writer.close()
    return weights


def keys_of(reader):
    return [(f.name, [int(t) for t in f.types], [bytes(p.tobytes()) for p in f.parts[3:]]) for f in reader.fields.values()
            if not f.name.startswith("GGUF.")]


class Comparison:
    def __init__(self):
        self.tensors = 0
        self.files = 0
        self.failures = []

    def fail(self, text):
        self.failures.append(f"DIFFERENT {text}")

    def add(self, other):
        self.tensors += other.tensors
        self.files += other.files
        self.failures += other.failures

    def tensors_against_ggml(self, label, plain, path, weights, ggml, known):
        """`known` keeps what ggml made of the case's tensors, by name and type."""
        reader = gguf.GGUFReader(path)
        names = [t.name for t in reader.tensors]
        if sorted(names) != sorted(plain):
            self.fail(f"{label}: other tensor names")
            return
        for tensor in reader.tensors:
            source = plain[tensor.name]
            self.tensors += 1
            data = np.ascontiguousarray(tensor.data).view(np.uint8).reshape(-1)
            if tensor.tensor_type == source.tensor_type:
                expected = np.ascontiguousarray(source.data).view(np.uint8).reshape(-1)
            elif tensor.tensor_type == gguf.GGMLQuantizationType.F16:
                expected = floats(source).astype(np.float16).view(np.uint8).reshape(-1)
            else:
                expected = known.get((tensor.name, tensor.tensor_type))
                if expected is None:
                    expected = known[tensor.name, tensor.tensor_type] = ggml.quantize(
                        tensor.tensor_type, floats(source), int(source.shape[0]),
                        weights.get(tensor.name) if weights else None)
            if not np.array_equal(data, expected):
                first = int(np.nonzero(data != expected)[0][0]) if data.size == expected.size else -1
                self.fail(f"{label}: {tensor.name} ({tensor.tensor_type.name}), first at byte {first}")

    def whole_files(self, label, ours, theirs, more_keys=()):
        """Byte for byte; where Pouch writes more keys than llama.cpp's converter, entry for entry but for these."""
        self.files += 1
        with open(ours, "rb") as a, open(theirs, "rb") as b:
            if a.read() == b.read():
                return
        a, b = gguf.GGUFReader(ours), gguf.GGUFReader(theirs)
        right = keys_of(b)
        theirs_too = [entry[0] for entry in right]
        extra = [entry[0] for entry in keys_of(a) if entry[0] in more_keys and entry[0] not in theirs_too]
        left = [entry for entry in keys_of(a) if entry[0] not in extra]
        for x, y in zip(left, right):
            if x != y:
                self.fail(f"{label}: metadata {x[0]} / {y[0]}")
        if len(left) != len(right):
            self.fail(f"{label}: {len(left)} metadata entries, theirs {len(right)}")
        theirs_by_name = {t.name: t for t in b.tensors}
        for tensor in a.tensors:
            other = theirs_by_name.get(tensor.name)
            if other is None or tensor.tensor_type != other.tensor_type or not np.array_equal(tensor.data, other.data):
                self.fail(f"{label}: tensor {tensor.name}")
        if [t.name for t in a.tensors] != [t.name for t in b.tensors]:
            self.fail(f"{label}: tensor order")
        elif not self.failures and not extra:
            self.fail(f"{label}: bytes outside tensors and metadata")


CASES = {"sample": (None, None), **families.cases("convert")}


@functools.cache
def loaded_ggml():
    return Ggml()


def compare(options, name):
    """All comparisons of one case."""
    found = Comparison()
    case, family = CASES[name]
    folder = SAMPLE if case is None else os.path.join(options.out, name)
    types = options.types or [*(case and case.mixes or TYPES), *(MORE_TYPES if options.all_types else ())]
    more_keys = family.more_keys if family else ()
    if not os.path.isdir(folder):
        run([sys.executable, os.path.join(HERE, "make-random-checkpoint.py"), *case.arguments(family), "--tokenizer", SAMPLE,
             folder])
    plain_path = os.path.join(options.out, name + "-plain.gguf")
    convert = [os.path.join(options.bin, "pouch-convert"), folder, "--force", "--quiet", "--no-provenance"]
    run(convert + ["--outtype", case.plain_type if case else "auto", "--outfile", plain_path])
    source_path = plain_path
    if options.converter and not (case and case.converter_fails):
        source_path = os.path.join(options.out, name + "-reference.gguf")
        drop = case.converter.split() if case else ["--no-mtp"]
        run(converter_command(options.python, options.converter, os.path.abspath(folder), source_path, *drop))
        found.whole_files(f"{name} auto", plain_path, source_path, more_keys)
    plain = {t.name: t for t in gguf.GGUFReader(source_path).tensors}
    imatrix_path = os.path.join(options.out, name + "-imatrix.gguf")
    weights = make_imatrix(imatrix_path, plain)
    outputs = os.path.join(options.out, name + "-files")
    shutil.rmtree(outputs, ignore_errors=True)
    os.makedirs(outputs)
    for use in (False, True):
        extra = ["--imatrix", imatrix_path] if use else []
        known = {}
        ours = {kind: os.path.join(outputs, kind.lower() + ".gguf") for kind in types}
        for made in [[kind] for kind in types] if case is None else [types]:
            outfile = ours[made[0]] if len(made) == 1 else os.path.join(outputs, "{ftype}.gguf")
            run(convert + [word for kind in made for word in ("--outtype", kind)] + ["--outfile", outfile] + extra)
        for kind in types:
            label = f"{name} {kind}{' imatrix' if use else ''}"
            found.tensors_against_ggml(label, plain, ours[kind], weights if use else None, loaded_ggml(), known)
            if options.llama_quantize and kind != "F16":
                theirs = os.path.join(outputs, "theirs.gguf")
                run([options.llama_quantize] + extra + [source_path, theirs, kind, "2"])
                found.whole_files(label + " one pass", ours[kind], theirs, more_keys)
                again = os.path.join(outputs, "again.gguf")
                run([os.path.join(options.bin, "pouch-quantize"), "--force", "--quiet", "--no-provenance"] + extra
                    + [source_path, again, kind, "2"])
                found.whole_files(label + " pouch-quantize", again, theirs)
    shutil.rmtree(outputs)
    return found


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("bin")
    parser.add_argument("--out", required=True)
    parser.add_argument("--llama-quantize")
    parser.add_argument("--converter")
    parser.add_argument("--python", default=sys.executable)
    parser.add_argument("--cases", nargs="*")
    parser.add_argument("--types", nargs="*", help="instead of those that are tried for each case")
    parser.add_argument("--all-types", action="store_true")
    options = parser.parse_args()
    os.makedirs(options.out, exist_ok=True)
    names = options.cases or list(CASES)
    total = Comparison()
    # Forking would copy threads of libraries in an unknown state.
    context = multiprocessing.get_context("spawn")
    with concurrent.futures.ProcessPoolExecutor(os.cpu_count(), mp_context=context) as pool:
        for name, found in zip(names, pool.map(functools.partial(compare, options), names)):
            total.add(found)
            print("\n".join([*found.failures, f"{name}: {'DIFFERENT' if found.failures else 'equal'}"]), flush=True)
    print(f"{total.tensors} tensors compared with ggml, {total.files} whole files with the tools; "
          f"{len(total.failures)} differences")
    return 1 if total.failures else 0


if __name__ == "__main__":
    sys.exit(main())
