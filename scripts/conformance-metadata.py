#!/usr/bin/env python3
"""Compares conversions with llama.cpp's converter, key by key and tensor by tensor.

  conformance-metadata.py --converter LLAMA_CPP --out DIR [--pouch-convert PATH] [--goldens DIR]

Makes a random checkpoint of every family (make-random-checkpoint.py) under DIR, converts each with
LLAMA_CPP/convert_hf_to_gguf.py (run by --python, which needs torch, transformers and the gguf package), and keeps
the results as DIR/reference/NAME.gguf. With --pouch-convert the same folders are converted by that command and
compared; with --goldens a text dump of each reference's metadata and tensor table is written for the unit tests.

With --mmproj the vision towers of the families that have one are converted instead, to every type in --outtype, and a
golden is the whole small checkpoint with the hashes of what becomes of it.
"""
import argparse
import hashlib
import io
import json
import os
import shutil
import struct
import subprocess
import sys

import families
from families.peer import converter_command

HERE = os.path.dirname(os.path.abspath(__file__))
SAMPLE = os.path.join(HERE, "..", "samples", "Pelican-10M-A5M")

CARD = """---
license: apache-2.0
license_link: https://example.org/LICENSE
language:
- en
- "no"
pipeline_tag: text-generation
tags: [moe, svg]
base_model: Qwen/Qwen3-30B-A3B-Base
datasets:
- example/drawings-v2
---
# A card
"""


def add_card(folder):
    with open(os.path.join(folder, "README.md"), "w") as f:
        f.write(CARD)
    path = os.path.join(folder, "config.json")
    with open(path) as f:
        config = json.load(f)
    config["_name_or_path"] = "example/Drawing-5M-Instruct"
    with open(path, "w") as f:
        json.dump(config, f, indent=2)


def add_sentencepiece(folder):
    """Replaces the tokenizer by a small SentencePiece model trained on the sample texts."""
    import sentencepiece
    for name in ("tokenizer.json", "tokenizer_config.json", "chat_template.jinja", "generation_config.json"):
        os.remove(os.path.join(folder, name))
    # From and to memory, so that the model names no files.
    model = io.BytesIO()
    with open(os.path.join(HERE, "..", "samples", "texts", "svg-plain.txt")) as f:
        sentencepiece.SentencePieceTrainer.train(
            sentence_iterator=iter(f.read().splitlines()), model_writer=model, model_type="bpe", vocab_size=512,
            byte_fallback=True, normalization_rule_name="identity", user_defined_symbols=["<svg", "/>"],
            num_threads=1, minloglevel=2)
    with open(os.path.join(folder, "tokenizer.model"), "wb") as f:
        f.write(model.getvalue())
    with open(os.path.join(folder, "added_tokens.json"), "w") as f:
        json.dump({"[new]": 513, "[far]": 9000}, f)
    with open(os.path.join(folder, "tokenizer_config.json"), "w") as f:
        json.dump({"add_bos_token": True, "add_eos_token": False, "add_prefix_space": True, "bos_token": "<s>",
                   "eos_token": {"content": "</s>"}, "chat_template": "{{ messages }}",
                   "added_tokens_decoder": {
                       "1": {"content": "<s>", "special": True},
                       "514": {"content": "\u2581word", "special": False},
                       "515": {"content": "<|end|>", "special": False}}}, f)
    path = os.path.join(folder, "config.json")
    with open(path) as f:
        config = json.load(f)
    config.update(bos_token_id=1, eos_token_id=2)
    with open(path, "w") as f:
        json.dump(config, f, indent=2)


def add_byte_fallback(folder):
    """Replaces the tokenizer by byte pairs with byte fallback and no tokenizer.model, as some Llama 2 models have."""
    with open(os.path.join(folder, "tokenizer.json")) as f:
        tokenizer = json.load(f)
    vocab = {"<unk>": 0, "<s>": 1, "</s>": 2}
    vocab.update({f"<0x{b:02X}>": b + 3 for b in range(256)})
    for text in ("\u2581", "a", "e", "\u00e9", "e\u0301", "\u2581a", "ae"):
        vocab[text] = len(vocab)
    tokenizer["model"] = {"type": "BPE", "dropout": None, "unk_token": "<unk>", "continuing_subword_prefix": None,
                          "end_of_word_suffix": None, "fuse_unk": True, "byte_fallback": True, "vocab": vocab,
                          "merges": ["\u2581 a", "a e"]}
    flags = {"single_word": False, "lstrip": False, "rstrip": False, "normalized": False}
    tokenizer["added_tokens"] = [{"id": i, "content": c, "special": s, **flags} for i, c, s in (
        (0, "<unk>", True), (1, "<s>", True), (2, "</s>", True), (266, "<|extra|>", False), (267, "<pad>", True))]
    tokenizer["normalizer"] = {"type": "Sequence", "normalizers": [
        {"type": "Prepend", "prepend": "\u2581"}, {"type": "Replace", "pattern": {"String": " "}, "content": "\u2581"}]}
    tokenizer["pre_tokenizer"] = None
    tokenizer["post_processor"] = template("<s>")
    tokenizer["decoder"] = {"type": "Sequence", "decoders": [
        {"type": "Replace", "pattern": {"String": "\u2581"}, "content": " "}, {"type": "ByteFallback"},
        {"type": "Fuse"}, {"type": "Strip", "content": " ", "start": 1, "stop": 0}]}
    with open(os.path.join(folder, "tokenizer.json"), "w") as f:
        json.dump(tokenizer, f, ensure_ascii=False)
    with open(os.path.join(folder, "tokenizer_config.json"), "w") as f:
        json.dump({"add_bos_token": True, "bos_token": "<s>", "eos_token": "</s>", "unk_token": "<unk>",
                   "pad_token": "<pad>", "tokenizer_class": "LlamaTokenizer", "legacy": False}, f)


def template(first):
    return {"type": "TemplateProcessing", "single": [{"SpecialToken": {"id": first, "type_id": 0}},
                                                     {"Sequence": {"id": "A", "type_id": 0}}],
            "pair": [{"SpecialToken": {"id": first, "type_id": 0}}, {"Sequence": {"id": "A", "type_id": 0}},
                     {"SpecialToken": {"id": first, "type_id": 1}}, {"Sequence": {"id": "B", "type_id": 1}}],
            "special_tokens": {first: {"id": first, "ids": [1], "tokens": [first]}}}


def add_template(folder):
    """Gives the sample's tokenizer what Llama 3's has: whole-word hits, and a post-processor that adds a first token."""
    path = os.path.join(folder, "tokenizer.json")
    with open(path) as f:
        tokenizer = json.load(f)
    tokenizer["model"]["ignore_merges"] = True
    processor = template("<|im_start|>")
    processor["special_tokens"]["<|im_start|>"]["ids"] = [4094]
    tokenizer["post_processor"] = {"type": "Sequence", "processors": [tokenizer["post_processor"], processor]}
    with open(path, "w") as f:
        json.dump(tokenizer, f, ensure_ascii=False)
    path = os.path.join(folder, "tokenizer_config.json")
    with open(path) as f:
        config = json.load(f)
    config.update(tokenizer_class="PreTrainedTokenizerFast", bos_token="<|im_start|>")
    del config["add_bos_token"], config["chat_template"]
    with open(path, "w") as f:
        json.dump(config, f)


def trim_tokenizer(folder):
    """Keeps the first 512 tokens and the special ones, so that a recording can hold the tokenizer."""
    path = os.path.join(folder, "tokenizer.json")
    with open(path) as f:
        tokenizer = json.load(f)
    vocab = {text: number for text, number in tokenizer["model"]["vocab"].items() if number < 512}
    merges = [m if isinstance(m, str) else " ".join(m) for m in tokenizer["model"]["merges"]]
    tokenizer["model"].update(vocab=vocab, merges=[m for m in merges if m.replace(" ", "") in vocab])
    for number, token in enumerate(tokenizer["added_tokens"], 512):
        token["id"] = number
    with open(path, "w") as f:
        json.dump(tokenizer, f, ensure_ascii=False)
    numbers = {token["content"]: token["id"] for token in tokenizer["added_tokens"]}
    path = os.path.join(folder, "tokenizer_config.json")
    with open(path) as f:
        config = json.load(f)
    config["added_tokens_decoder"] = {str(numbers[t["content"]]): t for t in config["added_tokens_decoder"].values()}
    with open(path, "w") as f:
        json.dump(config, f, indent=2)
    for name in ("config.json", "generation_config.json"):
        path = os.path.join(folder, name)
        with open(path) as f:
            config = json.load(f)
        config.update(pad_token_id=numbers["<|endoftext|>"], eos_token_id=numbers["<|im_end|>"])
        with open(path, "w") as f:
            json.dump(config, f, indent=2)


# What is changed in a checkpoint after it was made.
EXTRA = {"llama-byte-fallback": add_byte_fallback, "llama-template": add_template, "Drawing-5M-v1.5-card": add_card,
         "llama-sentencepiece": add_sentencepiece,
         **{name: trim_tokenizer for name, (_, family) in families.cases("metadata").items() if family.tokens},
         **{name: lambda folder: None for name, (_, family) in families.cases("metadata").items() if family.tokenizer}}


def add_settings(folder):
    """A model card and settings of sampling, as models of text and pictures have them."""
    add_card(folder)
    with open(os.path.join(folder, "generation_config.json"), "w") as f:
        json.dump({"temperature": 0.7, "top_k": 20, "top_p": 0.8, "repetition_penalty": 1.05}, f)


EXTRA["Drawing-5M-Instruct-v1.5-tower"] = add_settings


def read_gguf(path):
    """Reads metadata and tensor table with no library, so that order and types are seen as they are."""
    with open(path, "rb") as f:
        data = f.read()
    at = 0

    def take(fmt):
        nonlocal at
        value = struct.unpack_from("<" + fmt, data, at)
        at += struct.calcsize("<" + fmt)
        return value[0] if len(value) == 1 else value

    def text():
        nonlocal at
        n = take("Q")
        at += n
        return data[at - n:at]

    scalars = {0: "B", 1: "b", 2: "H", 3: "h", 4: "I", 5: "i", 6: "f", 7: "?", 10: "Q", 11: "q", 12: "d"}
    names = {0: "u8", 1: "i8", 2: "u16", 3: "i16", 4: "u32", 5: "i32", 6: "f32", 7: "bool", 8: "str", 9: "arr",
             10: "u64", 11: "i64", 12: "f64"}

    def value(kind):
        if kind == 8:
            return names[8], text()
        if kind == 9:
            inner, n = take("I"), take("Q")
            return f"arr[{names[inner]}]", [value(inner)[1] for _ in range(n)]
        return names[kind], take(scalars[kind])

    assert take("4s") == b"GGUF"
    version, tensor_count, entry_count = take("I"), take("Q"), take("Q")
    entries = []
    for _ in range(entry_count):
        key = text().decode()
        kind, content = value(take("I"))
        entries.append((key, kind, content))
    tensors = []
    for _ in range(tensor_count):
        name, rank = text().decode(), take("I")
        shape = [take("Q") for _ in range(rank)]
        tensors.append((name, shape, take("I"), take("Q")))
    alignment = next((c for k, _, c in entries if k == "general.alignment"), 32)
    start = (at + alignment - 1) // alignment * alignment
    ends = [t[3] for t in tensors[1:]] + [len(data) - start]
    blobs = [data[start + t[3]:start + end] for t, end in zip(tensors, ends)]
    return version, entries, tensors, blobs


def fnv1a(chunks):
    """FNV-1a over the chunks, each followed by a zero byte (64 bits)."""
    h = 0xCBF29CE484222325
    for chunk in chunks:
        for byte in chunk + b"\0":
            h = ((h ^ byte) * 0x100000001B3) & 0xFFFFFFFFFFFFFFFF
    return h


def show(kind, content):
    def scalar(kind, v):
        if kind == "str":
            return json.dumps(v.decode(), ensure_ascii=True)
        if kind == "f32":
            return "0x%08x" % struct.unpack("<I", struct.pack("<f", v))[0]
        return str(v).lower() if kind == "bool" else str(v)

    if not kind.startswith("arr"):
        return scalar(kind, content)
    inner = kind[4:-1]
    if len(content) <= 64:
        return "[" + ",".join(scalar(inner, v) for v in content) + "]"
    raw = [v if inner == "str" else scalar(inner, v).encode() for v in content]
    return f"{len(content)} first {scalar(inner, content[0])} last {scalar(inner, content[-1])} fnv {fnv1a(raw):016x}"


def dump(path):
    _, entries, tensors, _ = read_gguf(path)
    lines = [f"{k} {t} {show(t, c)}" for k, t, c in entries]
    lines += [f"tensor {n} {t} {'x'.join(map(str, s))}" for n, s, t, _ in tensors]
    return "\n".join(lines) + "\n"


def sources(folder):
    """The tensors of a checkpoint, shard by shard in order of name: name, type, row-major shape."""
    lines = []
    for shard in sorted(n for n in os.listdir(folder) if n.endswith(".safetensors")):
        with open(os.path.join(folder, shard), "rb") as f:
            header = json.loads(f.read(int.from_bytes(f.read(8), "little")))
        header.pop("__metadata__", None)
        lines += [f"{n} {header[n]['dtype']} {'x'.join(map(str, header[n]['shape']))}" for n in sorted(header)]
    return "\n".join(lines) + "\n"


def compare(name, reference, candidate, more_keys=()):
    """Prints differences; true when there are none but the keys that Pouch alone writes."""
    va, ea, ta, ba = read_gguf(reference)
    vb, eb, tb, bb = read_gguf(candidate)
    extra = [k for k, *_ in eb if k in more_keys and k not in [x for x, *_ in ea]]
    eb = [entry for entry in eb if entry[0] not in extra]
    problems = []
    if va != vb:
        problems.append(f"version {va} / {vb}")
    if [k for k, _, _ in ea] != [k for k, _, _ in eb]:
        problems.append(f"keys differ: only reference {[k for k, *_ in ea if k not in [x for x, *_ in eb]]}, "
                        f"only candidate {[k for k, *_ in eb if k not in [x for x, *_ in ea]]}, or the order")
    other = {k: (t, c) for k, t, c in eb}
    for k, t, c in ea:
        if k in other and other[k] != (t, c) and not (c != c):
            problems.append(f"{k}: {t} {show(t, c)[:120]} / {other[k][0]} {show(*other[k])[:120]}")
    if [t[0] for t in ta] != [t[0] for t in tb]:
        problems.append("tensor names or their order differ")
    table = {t[0]: (t, blob) for t, blob in zip(tb, bb)}
    for t, blob in zip(ta, ba):
        if t[0] not in table:
            continue
        u, other_blob = table[t[0]]
        if t[1:3] != u[1:3]:
            problems.append(f"{t[0]}: shape, type {t[1:3]} / {u[1:3]}")
        elif blob != other_blob:
            at = next((i for i, (x, y) in enumerate(zip(blob, other_blob)) if x != y), min(len(blob), len(other_blob)))
            problems.append(f"{t[0]}: bytes differ first at {at} of {len(blob)} / {len(other_blob)}")
    with open(reference, "rb") as f, open(candidate, "rb") as g:
        if f.read() != g.read() and not problems and not extra:
            problems.append("files differ outside metadata and tensors")
    print(f"{name}: " + ((f"identical but for {', '.join(extra)}" if extra else "identical") if not problems else f"{len(problems)} differences"))
    for line in problems[:20]:
        print("  " + line)
    return not problems


def run(arguments, log):
    with open(log, "w") as f:
        result = subprocess.run(arguments, stdout=f, stderr=subprocess.STDOUT)
    if result.returncode != 0:
        with open(log) as f:
            sys.exit(f"failed ({result.returncode}): {' '.join(arguments)}\n" + f.read()[-2000:])


def only_file(folder):
    """The path of the file that a program named by itself."""
    names = os.listdir(folder)
    assert len(names) == 1, names
    return os.path.join(folder, names[0])


def towers(a):
    """Converts the vision towers of all cases to all types; true when Pouch's files are the converter's."""
    good = True
    for name, (case, family) in families.cases("tower").items():
        if a.only and name not in a.only.split(","):
            continue
        log = os.path.join(a.out, "logs", name + ".log")
        folder = os.path.join(a.out, "checkpoints", name)
        if not os.path.exists(os.path.join(folder, "config.json")):
            run([a.python, os.path.join(HERE, "make-random-checkpoint.py"), *case.arguments(family), "--seed",
                 str(a.seed), folder], log)
            EXTRA.get(name, lambda folder: None)(folder)
        lines = []
        for outtype in a.outtype.split(","):
            places = [os.path.join(a.out, kind, f"{name}-{outtype}") for kind in ("reference", "pouch")]
            for place in places:
                os.makedirs(place, exist_ok=True)
            options = ["--mmproj", "--outtype", outtype]
            if not os.listdir(places[0]):
                run(converter_command(a.python, os.path.abspath(a.converter), folder, places[0], *options), log)
            reference = only_file(places[0])
            with open(reference, "rb") as f:
                lines.append(f"{outtype} {os.path.basename(reference)} {hashlib.sha256(f.read()).hexdigest()}\n")
            if a.pouch_convert:
                run([a.pouch_convert, folder, "--outfile", places[1], "--force", "--no-provenance", *options], log)
                candidate = only_file(places[1])
                good = compare(f"{name} {outtype}", reference, candidate) and good
                if os.path.basename(reference) != os.path.basename(candidate):
                    print(f"  named {os.path.basename(candidate)}, not {os.path.basename(reference)}")
                    good = False
        if a.goldens:
            golden = os.path.join(a.goldens, name)
            shutil.rmtree(golden, ignore_errors=True)
            shutil.copytree(folder, golden)
            with open(os.path.join(golden, "files.txt"), "w") as f:
                f.writelines(lines)
    return good


def main():
    p = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    p.add_argument("--converter", required=True, help="folder of llama.cpp's sources")
    p.add_argument("--python", default=sys.executable, help="a Python with torch, transformers, sentencepiece")
    p.add_argument("--out", required=True)
    p.add_argument("--pouch-convert", help="the command to compare")
    p.add_argument("--goldens", help="where to write text dumps of the references")
    p.add_argument("--only", help="comma-separated names of cases")
    p.add_argument("--outtype", default="auto")
    p.add_argument("--mmproj", action="store_true", help="vision towers; --outtype may be a list with commas")
    p.add_argument("--seed", type=int, default=1, help="of vision towers")
    a = p.parse_args()
    for d in ("checkpoints", "reference", "pouch", "logs"):
        os.makedirs(os.path.join(a.out, d), exist_ok=True)
    if a.mmproj:
        sys.exit(0 if towers(a) else 1)
    cases = {name: (case.arguments(family), case.converter.split(), family.more_keys)
             for name, (case, family) in families.cases("metadata").items()}
    cases["Pelican-10M-A5M"] = (None, ["--no-mtp"], ())
    if a.only:
        cases = {k: v for k, v in cases.items() if k in a.only.split(",")}
    good = True
    for name, (make, extra, more_keys) in cases.items():
        log = os.path.join(a.out, "logs", name + ".log")
        folder = SAMPLE if make is None else os.path.join(a.out, "checkpoints", name)
        if make is not None and not os.path.exists(os.path.join(folder, "config.json")):
            run([a.python, os.path.join(HERE, "make-random-checkpoint.py"), *make, "--tokenizer", SAMPLE, folder], log)
            EXTRA.get(name, lambda folder: None)(folder)
        reference = os.path.join(a.out, "reference", name + ".gguf")
        if not os.path.exists(reference):
            run(converter_command(a.python, os.path.abspath(a.converter), folder, reference, "--outtype", a.outtype,
                                  *extra), log)
        if a.goldens:
            golden = os.path.join(a.goldens, name)
            os.makedirs(golden, exist_ok=True)
            with open(os.path.join(golden, "gguf.txt"), "w") as f:
                f.write(dump(reference))
            with open(os.path.join(golden, "sources.txt"), "w") as f:
                f.write(sources(folder))
            files = ["config.json"]
            if name in EXTRA:
                files += [n for n in os.listdir(folder) if n not in files and not n.startswith("model")]
                if name == "Drawing-5M-v1.5-card":
                    files = ["config.json", "README.md"]
            for file in files:
                shutil.copy(os.path.join(folder, file), golden)
        if a.pouch_convert:
            candidate = os.path.join(a.out, "pouch", name + ".gguf")
            run([a.pouch_convert, folder, "--outfile", candidate, "--outtype", a.outtype, "--force", "--no-provenance", *extra], log)
            good = compare(name, reference, candidate, more_keys) and good
        else:
            print(f"{name}: reference {os.path.getsize(reference)} bytes")
    sys.exit(0 if good else 1)


if __name__ == "__main__":
    main()
