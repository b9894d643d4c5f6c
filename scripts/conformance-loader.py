#!/usr/bin/env python3
"""Checks that no file that llama.cpp refuses is called sound by pouch-validate.

  conformance-loader.py BIN_DIR --out DIR [--full | --limit N] [--cases ...] [--only REGEX] [--results FILE]

For a random checkpoint of every family, pouch-convert makes a small file. Then one thing after the other is changed in
it: each key is removed, gets every other type, other values and lengths; keys are added that loaders know; tensors are
removed, renamed, added, get every other type and other shapes. llama.cpp (the xllamacpp wheel, called in this process
through ctypes, in a fork for each file, so that its aborts are survived) loads each file with its vocabulary, splits a
text into tokens and computes their logits. pouch-validate checks the same file.

A miss is a file that llama.cpp refuses and pouch-validate calls sound. A false alarm is a file that pouch-validate
calls not sound and that llama.cpp loads, with the same tokens and logits as the unchanged file (for tensors of another
type: with any). JUSTIFIED lists the false alarms that are wanted, each with its reason. Exits with 1 on a miss, on a
false alarm that is not listed, and on a reason that no file needs.

Without --full a fixed part of the changes is tried, spread over all of them, as many as fit a CI run.
"""
import argparse
import collections
import ctypes
import glob
import hashlib
import json
import os
import re
import resource
import signal
import struct
import subprocess
import sys
import time

import families

HERE = os.path.dirname(os.path.abspath(__file__))
SAMPLE = os.path.join(HERE, "..", "samples", "Pelican-10M-A5M")
TEXT = b"Draw 12 circles:\n <svg> it's x"

CASES = families.checkpoint_arguments("loader")
SMALL = ["--hidden", "256", "--heads", "4", "--kv-heads", "2", "--head-dim", "64", "--width", "256", "--experts", "4",
         "--expert-width", "256", "--shared-width", "256", "--linear-dim", "64", "--linear-key-heads", "2",
         "--linear-value-heads", "4", "--vocab", "4096"]

# Pairs of a pattern over "case: change" and the reason why pouch-validate refuses what llama.cpp runs alike.
JUSTIFIED = [
    (r"\.rope\.scaling\.yarn_\w+ ", "llama.cpp does not read these keys; Pouch's runtime does, and takes an f32"),
    (r"general\.quantization_version ", "the format's specification says u32; llama.cpp writes the key and never reads it"),
    (r"\.vocab_size ", "another number of tokens than the file has, or a type that the architectures that read it refuse"),
    (r"\.classifier\.output_labels added, as one ", "labels are a list; llama.cpp passes over anything else"),
    (r"_token_id( added,)? \d+$", "names no token; llama.cpp warns and takes a default, which is another model's"),
    (r"tokenizer\.ggml\.(scores|token_type) (added, )?one longer$", "arrays of one vocabulary differ in length"),
    (r"tokenizer\.ggml\.token_type (first|last) element ", "no token is of this type; llama.cpp takes it for an undefined one"),
    (r"tokenizer\.ggml\.(tokens|merges) ", "merges that make no token: the text of the check does not need them"),
    (r"\.rope\.dimension_sections ", "sections that are not the pairs of a head; llama.cpp does not add them up"),
    (r"^\w+-mtp: blk\.2\.", "llama.cpp leaves next-token blocks aside until it is asked to use them"),
    (r"general\.file_type \d+$", "names another mix than the types of all tensors show"),
    (r"^(?!.*output\.bias)\S+ blk\.\d+\.\w+\.bias added$", "a bias in one block alone"),
    (r"output\.bias added$", "no supported model has one, and Pouch's runtime would pass over it"),
    (r"\.attention\.recurrent_layers as an array of ", "no converter writes flags as integers"),
    (r"\.expert_feed_forward_length added, an array ", "llama.cpp does not read the key for these architectures; other readers would"),
    (r"^(qwen3_next|qwen3_vl_moe): \w+\.feed_forward_length \d+$", "wider than any model; llama.cpp has no use for it without dense layers"),
    (r"^(deepseek_v\d|mistral4|glm4_moe_lite-mtp): \w+\.attention\.value_length \d+$",
     "wider than any model; llama.cpp has no use for it beside latent vectors"),
    (r"tokenizer\.ggml\.scores added, \w+ element NaN$", "no number; byte pairs have no use for scores"),
    (r"\.rope\.scale_linear added", "llama.cpp reads it only where rope.scaling.factor is missing"),
    (r"blk\.\d+\.exp_probs_b\.bias removed$", "every model of the architecture has it; llama.cpp chooses other experts and does not say so"),
    (r"^(hunyuan_v1_moe|lfm2_moe): \S+\.context_length 0$", "a model for no tokens at all"),
    (r"blk\.\d+\.layer_output_scale\.weight removed$", "every model of the architecture has it; llama.cpp takes 1 and does not say so"),
    (r"\.attention\.shared_kv_layers \d+$", "layers that use keys and values of others are not supported"),
    (r"ssm_conv1d\.weight as i32$", "llama.cpp takes the bytes of integers for floats"),
]

# Value types of a GGUF.
U8, I8, U16, I16, U32, I32, F32, BOOL, STRING, ARRAY, U64, I64, F64 = range(13)
TYPE_NAMES = ["u8", "i8", "u16", "i16", "u32", "i32", "f32", "bool", "string", "array", "u64", "i64", "f64"]
FORMATS = {U8: "B", I8: "b", U16: "H", I16: "h", U32: "I", I32: "i", F32: "f", BOOL: "?", U64: "Q", I64: "q",
           F64: "d"}
BITS = {U8: 8, I8: 8, U16: 16, I16: 16, U32: 32, I32: 32, U64: 64, I64: 64}

# Tensor types: id, values per block, bytes per block.
TENSOR_TYPES = {
    "f32": (0, 1, 4), "f16": (1, 1, 2), "q4_0": (2, 32, 18), "q4_1": (3, 32, 20), "q5_0": (6, 32, 22),
    "q5_1": (7, 32, 24), "q8_0": (8, 32, 34), "q8_1": (9, 32, 36), "q2_K": (10, 256, 84), "q3_K": (11, 256, 110),
    "q4_K": (12, 256, 144), "q5_K": (13, 256, 176), "q6_K": (14, 256, 210), "q8_K": (15, 256, 292),
    "iq2_xxs": (16, 256, 66), "iq2_xs": (17, 256, 74), "iq3_xxs": (18, 256, 98), "iq1_s": (19, 256, 50),
    "iq4_nl": (20, 32, 18), "iq3_s": (21, 256, 110), "iq2_s": (22, 256, 82), "iq4_xs": (23, 256, 136),
    "i8": (24, 1, 1), "i16": (25, 1, 2), "i32": (26, 1, 4), "i64": (27, 1, 8), "f64": (28, 1, 8),
    "iq1_m": (29, 256, 56), "bf16": (30, 1, 2), "tq1_0": (34, 256, 54), "tq2_0": (35, 256, 66),
    "mxfp4": (39, 32, 17), "nvfp4": (40, 64, 36), "q1_0": (41, 128, 18), "q2_0": (42, 64, 18),
    "iq4_ks": (144, 256, 136), "removed": (31, 32, 18), "unknown": (77, 32, 18),
}


def tensor_size(shape, type_id):
    """The bytes of a tensor."""
    length, size = next(t[1:] for t in TENSOR_TYPES.values() if t[0] == type_id)
    count = 1
    for dimension in shape:
        count *= dimension
    return count // length * size


class Model:
    """A GGUF in memory: entries [key, type, value], tensors [name, dimensions, type id, bytes]."""

    def __init__(self, path):
        with open(path, "rb") as file:
            data = file.read()
        self.data = data
        _, _, tensor_count, entry_count = struct.unpack_from("<4sIQQ", data)
        self.offset = 24
        self.entries = []
        for _ in range(entry_count):
            key = self.string()
            kind = self.unpack("I")
            self.entries.append([key.decode(), kind, self.value(kind)])
        infos = []
        for _ in range(tensor_count):
            name = self.string().decode()
            dimensions = [self.unpack("Q") for _ in range(self.unpack("I"))]
            infos.append((name, dimensions, self.unpack("I"), self.unpack("Q")))
        base = (self.offset + 31) // 32 * 32
        ends = [info[3] for info in infos[1:]] + [len(data) - base]
        self.tensors = [[n, d, t, data[base + o:base + e]] for (n, d, t, o), e in zip(infos, ends)]
        for tensor in self.tensors:
            tensor[3] = tensor[3][:tensor_size(tensor[1], tensor[2])]  # without padding
        del self.data

    def unpack(self, form):
        value, = struct.unpack_from("<" + form, self.data, self.offset)
        self.offset += struct.calcsize("<" + form)
        return value

    def string(self):
        count = self.unpack("Q")
        self.offset += count
        return self.data[self.offset - count:self.offset]

    def value(self, kind):
        if kind == STRING:
            return self.string()
        if kind == ARRAY:
            element = self.unpack("I")
            return element, [self.value(element) for _ in range(self.unpack("Q"))]
        return self.unpack(FORMATS[kind])

    def get(self, key):
        return next((entry for entry in self.entries if entry[0] == key), None)


def encode_value(kind, value):
    if kind == STRING:
        return struct.pack("<Q", len(value)) + value
    if kind == ARRAY:
        element, values = value
        if element in FORMATS:
            body = struct.pack(f"<{len(values)}{FORMATS[element]}", *values)
        else:
            body = b"".join(encode_value(element, v) for v in values)
        return struct.pack("<IQ", element, len(values)) + body
    return struct.pack("<" + FORMATS[kind], value)


def encode_entry(entry):
    key = entry[0].encode()
    return struct.pack("<Q", len(key)) + key + struct.pack("<I", entry[1]) + encode_value(entry[1], entry[2])


def save(path, entries, tensors, alignment=32):
    """Writes entries (encoded) and tensors."""
    infos, offset = [], 0
    for name, dimensions, kind, data in tensors:
        name = name.encode()
        infos.append(struct.pack("<Q", len(name)) + name + struct.pack("<I", len(dimensions))
                     + struct.pack(f"<{len(dimensions)}Q", *dimensions) + struct.pack("<IQ", kind, offset))
        offset += len(data) + -len(data) % alignment
    head = struct.pack("<4sIQQ", b"GGUF", 3, len(tensors), len(entries)) + b"".join(entries) + b"".join(infos)
    parts = [head, b"\0" * (-len(head) % alignment)]
    for tensor in tensors:
        parts += [tensor[3], b"\0" * (-len(tensor[3]) % alignment)]
    with open(path, "wb") as file:
        file.write(b"".join(parts))


def trim_vocabulary(model, count):
    """Keeps the first tokens and the merges among them: large arrays cost time and show nothing more."""
    tokens = model.get("tokenizer.ggml.tokens")
    old = len(tokens[2][1])
    special = tokens[2][1][old - 8:]
    tokens[2] = (STRING, tokens[2][1][:count - 8] + special)
    known = set(tokens[2][1])
    for key in ("tokenizer.ggml.token_type", "tokenizer.ggml.scores"):
        entry = model.get(key)
        if entry:
            entry[2] = (entry[2][0], entry[2][1][:count - 8] + entry[2][1][old - 8:])
    merges = model.get("tokenizer.ggml.merges")

    def fits(merge):
        left, right = merge.split(b" ", 1)
        return left in known and right in known and left + right in known

    merges[2] = (STRING, [m for m in merges[2][1] if fits(m)])
    for entry in model.entries:
        if entry[0].endswith("_token_id") and entry[2] >= count:
            entry[2] -= old - count
        if entry[0].endswith(".vocab_size"):
            entry[2] = count
    for tensor in model.tensors:
        if re.fullmatch(r"(token_embd|output|blk\.\d+\.nextn\.(embed_tokens|shared_head_head))\.weight|output\.bias",
                        tensor[0]):
            row = len(tensor[3]) // tensor[1][-1]
            tensor[3] = tensor[3][:row * (count - 8)] + tensor[3][row * (old - 8):row * old]
            tensor[1] = [*tensor[1][:-1], count]


# What is changed.

ZEROS = memoryview(bytes(1 << 24))

Change = collections.namedtuple("Change", "label entries tensors compares alignment", defaults=(True, 32))


def convert_value(value, source, kind):
    """The value as one of another type, or None where there is no such thing."""
    if kind == STRING:
        return value if source == STRING else str(value).encode()
    if source == STRING:
        return 1 if kind in BITS else 1.0 if kind in (F32, F64) else True if kind == BOOL else None
    if kind == BOOL:
        return bool(value)
    if kind in (F32, F64):
        return float(value)
    number = int(value) if value == value and abs(value) < 2**62 else 1
    low, high = (0, 2 ** BITS[kind] - 1) if TYPE_NAMES[kind][0] == "u" else (-2 ** (BITS[kind] - 1),
                                                                              2 ** (BITS[kind] - 1) - 1)
    return min(max(number, low), high)


SCALARS = [U8, I8, U16, I16, U32, I32, U64, I64, F32, F64, BOOL, STRING]


def value_changes(kind, value, block_count):
    """Yields (what, type, value)."""
    if kind == ARRAY:
        element, values = value
        yield "empty", ARRAY, (element, [])
        yield "one shorter", ARRAY, (element, values[:-1])
        yield "one longer", ARRAY, (element, values + values[-1:])
        yield "one element", ARRAY, (element, values[:1])
        for other in SCALARS:
            if other != element:
                yield ("as an array of " + TYPE_NAMES[other], ARRAY,
                       (other, [convert_value(v, element, other) for v in values]))
        if len(values) < 100:
            for other in SCALARS:
                yield "as one " + TYPE_NAMES[other], other, convert_value(values[0], element, other)
        if element in BITS:
            for name, number in (("0", 0), ("-1", -1), ("large", 2**31 - 1)):
                if number >= 0 or TYPE_NAMES[element][0] == "i":
                    yield "first element " + name, ARRAY, (element, [number] + values[1:])
                    yield "last element " + name, ARRAY, (element, values[:-1] + [number])
        elif element == BOOL:
            yield "inverted", ARRAY, (element, [not v for v in values])
            yield "all false", ARRAY, (element, [False] * len(values))
        elif element == F32:
            yield "first element NaN", ARRAY, (element, [float("nan")] + values[1:])
        elif element == STRING:
            yield "first element empty", ARRAY, (element, [b""] + values[1:])
            yield "first element twice", ARRAY, (element, values[1:2] + values[1:])
            yield "first element not UTF-8", ARRAY, (element, [b"\xff\xfe"] + values[1:])
        return
    for other in SCALARS:
        if other != kind:
            yield "as " + TYPE_NAMES[other], other, convert_value(value, kind, other)
    for other in sorted({kind, U32, I32}):
        converted = convert_value(value, kind, other)
        yield f"an array of one {TYPE_NAMES[other]}", ARRAY, (other, [converted])
        for count in sorted({block_count, block_count + 1, max(1, block_count - 1)} - {1}):
            yield f"an array of {count} {TYPE_NAMES[other]}", ARRAY, (other, [converted] * count)
    if kind in BITS:
        top = 2 ** BITS[kind] - 1 if TYPE_NAMES[kind][0] == "u" else 2 ** (BITS[kind] - 1) - 1
        numbers = {0, 1, 2, 3, value + 1, value - 1, value * 2, value // 2, 100000, 2**31 - 1, top}
        for number in sorted(n for n in numbers if 0 <= n <= top and n != value):
            yield str(number), kind, number
    elif kind in (F32, F64):
        for number in (0.0, -1.0, 1e-30, 1.0, 1e30, float("inf"), float("nan")):
            yield str(number), kind, number
    elif kind == BOOL:
        yield "inverted", kind, not value
    else:
        for text in (b"", b"xyz", value + b"x", value.upper() + b" ", b"none", b"llama", b"default", b"\xff"):
            if text != value:
                yield repr(text.decode(errors="replace")), kind, text


# Keys that llama.cpp's loader knows and converters write only sometimes: name under the architecture, type, value.
MORE_KEYS = [
    ("embedding_length_out", U32, 256), ("attention.causal", BOOL, True), ("pooling_type", U32, 0),
    ("expert_count", U32, 0), ("expert_used_count", U32, 0), ("expert_group_count", U32, 0),
    ("expert_group_used_count", U32, 0),
    ("expert_feed_forward_length", U32, 256), ("expert_shared_feed_forward_length", U32, 256),
    ("nextn_predict_layers", U32, 0), ("feed_forward_length", U32, 256), ("vocab_size", U32, 300),
    ("rope.scaling.finetuned", BOOL, True), ("rope.scaling.original_context_length", U32, 512),
    ("rope.scaling.type", STRING, b"none"), ("rope.scaling.factor", F32, 1.0), ("rope.scale_linear", F32, 1.0),
    ("rope.scaling.attn_factor", F32, 1.0), ("rope.scaling.alpha", F32, 0.0),
    ("rope.scaling.yarn_ext_factor", F32, 1.0), ("rope.scaling.yarn_attn_factor", F32, 1.0),
    ("rope.scaling.yarn_beta_fast", F32, 32.0), ("rope.scaling.yarn_beta_slow", F32, 1.0),
    ("rope.dimension_count", U32, 64), ("rope.dimension_sections", ARRAY, (I32, [12, 10, 10, 0])),
    ("attention.key_length", U32, 64), ("attention.value_length", U32, 64),
    ("attention.key_length_swa", U32, 64), ("attention.value_length_swa", U32, 64),
    ("rope.dimension_count_swa", U32, 64), ("attention.sliding_window", U32, 512),
    ("full_attention_interval", U32, 2), ("attention.recurrent_layers", ARRAY, (BOOL, [False, False])),
    ("classifier.output_labels", ARRAY, (STRING, [b"a"])), ("expert_weights_scale", F32, 1.0),
    ("expert_weights_norm", BOOL, True), ("attention.scale", F32, 1.0), ("logit_scale", F32, 1.0),
]
MORE_PLAIN_KEYS = [
    ("general.name", STRING, b"x"), ("general.file_type", U32, 1), ("general.quantization_version", U32, 2),
    ("general.alignment", U32, 32), ("split.count", U16, 0), ("split.no", U16, 0), ("split.tensors.count", I32, 0),
    ("tokenizer.ggml.add_bos_token", BOOL, False), ("tokenizer.ggml.add_eos_token", BOOL, False),
    ("tokenizer.ggml.add_sep_token", BOOL, False), ("tokenizer.ggml.add_space_prefix", BOOL, False),
    ("tokenizer.ggml.remove_extra_whitespaces", BOOL, False), ("tokenizer.ggml.token_type_count", U32, 1),
    ("tokenizer.ggml.bos_token_id", U32, 3), ("tokenizer.ggml.eot_token_id", U32, 3),
    ("tokenizer.ggml.eom_token_id", U32, 3), ("tokenizer.ggml.unknown_token_id", U32, 3),
    ("tokenizer.ggml.seperator_token_id", U32, 3), ("tokenizer.ggml.padding_token_id", U32, 3),
    ("tokenizer.ggml.mask_token_id", U32, 3), ("tokenizer.ggml.fim_pre_token_id", U32, 3),
    ("tokenizer.ggml.fim_suf_token_id", U32, 3), ("tokenizer.ggml.fim_mid_token_id", U32, 3),
    ("tokenizer.ggml.fim_pad_token_id", U32, 3), ("tokenizer.ggml.fim_rep_token_id", U32, 3),
    ("tokenizer.ggml.fim_sep_token_id", U32, 3), ("tokenizer.ggml.prefix_token_id", U32, 3),
    ("tokenizer.ggml.scores", ARRAY, (F32, [0.0] * 300)), ("tokenizer.ggml.suppress_tokens", ARRAY, (I32, [3])),
    ("tokenizer.ggml.normalizer.lowercase", BOOL, False), ("tokenizer.chat_template", STRING, b"{{ messages }}"),
    ("general.tensor_extra.name", ARRAY, (STRING, [b"output.weight"])), ("general.sampling.top_k", I32, 20),
]


def key_changes(model, architecture, block_count):
    entries = model.entries
    encoded = [encode_entry(entry) for entry in entries]

    def replaced(index, kind, value):
        changed = list(encoded)
        changed[index] = encode_entry([entries[index][0], kind, value])
        return changed

    for index, (key, kind, value) in enumerate(entries):
        yield Change(f"{key} removed", encoded[:index] + encoded[index + 1:], model.tensors)
        for what, new_kind, new_value in value_changes(kind, value, block_count):
            if new_value is not None:
                yield Change(f"{key} {what}", replaced(index, new_kind, new_value), model.tensors)
    present = {entry[0] for entry in entries}
    more = [(architecture + "." + key, kind, value) for key, kind, value in MORE_KEYS] + MORE_PLAIN_KEYS
    for key, kind, value in more:
        if key in present:
            continue
        yield Change(f"{key} added", encoded + [encode_entry([key, kind, value])], model.tensors)
        for what, new_kind, new_value in value_changes(kind, value, block_count):
            if new_value is not None:
                yield Change(f"{key} added, {what}", encoded + [encode_entry([key, new_kind, new_value])],
                             model.tensors)


def tensor_changes(model):
    encoded = [encode_entry(entry) for entry in model.entries]
    tensors = model.tensors
    chosen = {}
    for index, tensor in enumerate(tensors):
        chosen.setdefault(re.sub(r"^blk\.\d+\.", "", tensor[0]), []).append(index)

    def replaced(index, *new):
        return tensors[:index] + [list(t) for t in new] + tensors[index + 1:]

    for stem, indexes in chosen.items():
        for index in sorted({indexes[0], indexes[-1]}):
            name, shape, kind, data = tensors[index]
            yield Change(f"{name} removed", encoded, replaced(index))
            yield Change(f"{name} renamed", encoded, replaced(index, [name + "x", shape, kind, data]))
        index = indexes[0]
        name, shape, kind, data = tensors[index]
        if name.endswith(".weight"):
            for suffix, shape_of in (("bias", [shape[1] if len(shape) > 1 else shape[0]] + shape[2:]), ("scale", [1]),
                                     ("input_scale", [1])):
                other = name[:-6] + suffix
                if all(t[0] != other for t in tensors):
                    count = 1
                    for d in shape_of:
                        count *= d
                    yield Change(f"{other} added", encoded,
                                 replaced(index, tensors[index], [other, shape_of, 0, ZEROS[:4 * count]]), False)
        for type_name, (type_id, length, size) in TENSOR_TYPES.items():
            count = 1
            for d in shape:
                count *= d
            if type_id == kind or shape[0] % length:
                continue
            yield Change(f"{name} as {type_name}", encoded,
                         replaced(index, [name, shape, type_id, ZEROS[:count // length * size]]), False)
        for what, other in (
                ("with a last dimension of 1", shape + [1]), ("in one dimension", [len(data)]),
                ("one row more", shape[:1] + [shape[1] + 1] + shape[2:] if len(shape) > 1 else [shape[0] + 1]),
                ("transposed", shape[::-1]), ("without its last dimension", shape[:-1] or [1]),
                ("with a first dimension of 1", [1] + shape), ("empty", [0] + shape[1:])):
            _, length, size = next(t for t in TENSOR_TYPES.values() if t[0] == kind)
            count = 1
            for d in other:
                count *= d
            if other == shape or other[0] % length or len(other) > 4:
                continue
            bytes_ = (data * 3)[:count // length * size]
            yield Change(f"{name} {what}", encoded, replaced(index, [name, other, kind, bytes_]))
    last = len(tensors) - 1
    yield Change("an unknown tensor added", encoded,
                 replaced(last, tensors[last], ["blk.0.unknown.weight", [32], 0, b"\0" * 128]))
    yield Change("rope_freqs.weight added", encoded,
                 replaced(last, tensors[last], ["rope_freqs.weight", [32], 0, struct.pack("<32f", *[1.0] * 32)]))
    yield Change("layers in reverse", encoded, tensors[::-1])
    by_name = {t[0]: t for t in tensors}
    yield from fusions(encoded, tensors, by_name)
    for alignment in (1, 4, 8, 16, 64, 128, 4096, 48):
        yield Change(f"general.alignment {alignment}", encoded + [encode_entry(["general.alignment", U32, alignment])],
                     tensors, True, alignment)


def fusions(encoded, tensors, by_name):
    """Gate and up, or query, key and value in one tensor."""

    def rows(parts, shape):
        count = shape[2] if len(shape) > 2 else 1
        sizes = [len(p) // count for p in parts]
        return b"".join(p[i * s:(i + 1) * s] for i in range(count) for p, s in zip(parts, sizes))

    for what, pieces, fused in (
            ("gate and up experts", ("ffn_gate_exps", "ffn_up_exps"), "ffn_gate_up_exps"),
            ("gate and up", ("ffn_gate", "ffn_up"), "ffn_up"),
            ("query, key and value", ("attn_q", "attn_k", "attn_v"), "attn_qkv")):
        for suffix in ("weight", "weight and bias"):
            out, done = [], False
            for tensor in tensors:
                stem = re.sub(r"^(blk\.\d+\.)", "", tensor[0]).split(".")[0]
                end = tensor[0].rsplit(".", 1)[-1]
                prefix = tensor[0][:len(tensor[0]) - len(stem) - len(end) - 1]
                group = [by_name.get(f"{prefix}{p}.{end}") for p in pieces]
                if stem not in pieces or end not in suffix or None in group:
                    out.append(tensor)
                elif stem == pieces[0] and all(t[2] == group[0][2] for t in group):
                    done = True
                    shape = list(tensor[1])
                    axis = 1 if end == "weight" else 0
                    shape[axis] = sum(t[1][axis] for t in group)
                    out.append([f"{prefix}{fused}.{end}", shape, tensor[2], rows([t[3] for t in group], tensor[1])])
            if done:
                yield Change(f"{what} fused ({suffix})", encoded, out, False)


# The judges.

class Llama:
    """llama.cpp's library. Structures are passed as bytes that are longer than they are, which both calling
    conventions in use allow, so that their layout matters only for the first fields of the context's."""

    def __init__(self):
        import importlib.util
        folder = os.path.dirname(importlib.util.find_spec("xllamacpp").origin)
        self.lib = ctypes.CDLL(glob.glob(os.path.join(folder, "xllamacpp*.so"))[0])

        class Opaque(ctypes.Structure):
            _fields_ = [("bytes", ctypes.c_uint64 * 128)]

        class Batch(ctypes.Structure):
            _fields_ = [("count", ctypes.c_int32)] + [(f"p{i}", ctypes.c_void_p) for i in range(6)]

        lib, pointer = self.lib, ctypes.c_void_p
        for name, result, arguments in (
                ("llama_model_default_params", Opaque, []), ("llama_context_default_params", Opaque, []),
                ("llama_model_load_from_file", pointer, [ctypes.c_char_p, Opaque]),
                ("llama_init_from_model", pointer, [pointer, Opaque]), ("llama_model_get_vocab", pointer, [pointer]),
                ("llama_vocab_n_tokens", ctypes.c_int32, [pointer]),
                ("llama_tokenize", ctypes.c_int32, [pointer, ctypes.c_char_p, ctypes.c_int32, pointer,
                                                    ctypes.c_int32, ctypes.c_bool, ctypes.c_bool]),
                ("llama_batch_get_one", Batch, [pointer, ctypes.c_int32]),
                ("llama_decode", ctypes.c_int32, [pointer, Batch]),
                ("llama_get_logits_ith", pointer, [pointer, ctypes.c_int32]),
                ("llama_backend_init", None, []), ("llama_log_set", None, [pointer, pointer])):
            function = getattr(lib, name)
            function.restype, function.argtypes = result, arguments
        self.ids = ["bos", "eos", "eot", "sep", "pad", "mask", "nl", "fim_pre", "fim_suf", "fim_mid"]
        for name in self.ids:
            getattr(lib, "llama_vocab_" + name).argtypes = [pointer]
        lib.llama_backend_init()

    def run(self, path):
        """In a fork: what becomes of the file."""
        lib = self.lib
        model = lib.llama_model_load_from_file(path.encode(), lib.llama_model_default_params())
        if not model:
            return {"refused": "not loaded"}
        vocabulary = lib.llama_model_get_vocab(model)
        tokens = (ctypes.c_int32 * 256)()
        count = lib.llama_tokenize(vocabulary, TEXT, len(TEXT), tokens, 256, True, True)
        if count <= 0:
            tokens, count = (ctypes.c_int32 * 2)(1, 2), 2
        parameters = lib.llama_context_default_params()
        head = ctypes.cast(ctypes.byref(parameters), ctypes.POINTER(ctypes.c_uint32))
        head[0], head[1], head[2], head[3] = 256, 64, 64, 1
        context = lib.llama_init_from_model(model, parameters)
        if not context:
            return {"refused": "no context"}
        size = lib.llama_vocab_n_tokens(vocabulary)
        if lib.llama_decode(context, lib.llama_batch_get_one(tokens, count)) != 0:
            return {"refused": "not computed"}
        logits = lib.llama_get_logits_ith(context, -1)
        if not logits or size <= 0:
            return {"refused": "no logits"}
        digest = hashlib.sha256(ctypes.string_at(logits, 4 * size)).hexdigest()
        special = [getattr(lib, "llama_vocab_" + name)(vocabulary) for name in self.ids]
        return {"tokens": list(tokens[:count]), "special": special, "logits": digest}

    def judge(self, path, log=None):
        read, write = os.pipe()
        child = os.fork()
        if child == 0:
            try:
                os.close(read)
                sink = os.open(log or os.devnull, os.O_WRONLY | os.O_CREAT | os.O_TRUNC)
                os.dup2(sink, 1)
                os.dup2(sink, 2)
                signal.alarm(20)
                resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
                resource.setrlimit(resource.RLIMIT_AS, (4 << 30, 4 << 30))
                os.write(write, json.dumps(self.run(path)).encode())
            finally:
                os._exit(0)
        os.close(write)
        answer = b""
        while True:
            part = os.read(read, 65536)
            if not part:
                break
            answer += part
        os.close(read)
        _, status = os.waitpid(child, 0)
        if os.WIFSIGNALED(status) and os.WTERMSIG(status) == signal.SIGALRM:
            return {"refused": "no end"}
        return json.loads(answer) if answer else {"refused": "crash"}


def validate(program, path):
    done = subprocess.run([program, path, "--no-blocks", "--threads", "1"], capture_output=True, text=True,
                          errors="replace", timeout=60)
    lines = done.stdout.splitlines() + done.stderr.splitlines()
    return done.returncode, next((l for l in lines if l.startswith(("error", "Error"))), "")


def make_base(options, name):
    folder = os.path.join(options.out, "loader-" + name)
    if not os.path.isdir(folder):
        subprocess.run([sys.executable, os.path.join(HERE, "make-random-checkpoint.py"), *SMALL, *CASES[name],
                        "--tokenizer", SAMPLE, folder], check=True, stdout=subprocess.DEVNULL,
                       stderr=subprocess.DEVNULL)
    path = folder + ".gguf"
    subprocess.run([os.path.join(options.bin, "pouch-convert"), folder, "--outtype", "q8_0", "--outfile", path,
                    "--force", "--quiet", "--no-provenance"], check=True, stdout=subprocess.DEVNULL,
                   stderr=subprocess.DEVNULL)
    model = Model(path)
    trim_vocabulary(model, 300)
    return model


def changes(model):
    architecture = model.get("general.architecture")[2].decode()
    block_count = model.get(architecture + ".block_count")[2]
    yield from key_changes(model, architecture, block_count)
    yield from tensor_changes(model)


def work(options, number, queue, results):
    """One process: takes its share of the changes."""
    llama = Llama()
    program = os.path.join(options.bin, "pouch-validate")
    path = os.path.join(options.out, f"loader-{number}.gguf")
    for name, model, reference, share in queue:
        for change in share:
            save(path, change.entries, change.tensors, change.alignment)
            verdict = llama.judge(path)
            code, message = validate(program, path)
            results.put((name, change.label, verdict.get("refused"), code, message,
                         change.compares and verdict != reference))


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("bin")
    parser.add_argument("--out", required=True)
    parser.add_argument("--cases", nargs="*", default=list(CASES))
    parser.add_argument("--full", action="store_true", help="try every change, which takes many minutes")
    parser.add_argument("--only", help="try the changes whose label holds this regular expression")
    parser.add_argument("--limit", type=int, default=2400, help="files without --full")
    parser.add_argument("--jobs", type=int, default=max(1, min(8, len(os.sched_getaffinity(0)))
                                                        if hasattr(os, "sched_getaffinity") else os.cpu_count()))
    parser.add_argument("--results", help="write all results as JSON lines")
    options = parser.parse_args()
    os.makedirs(options.out, exist_ok=True)
    os.environ["GGML_NO_BACKTRACE"] = "1"
    os.environ["OMP_NUM_THREADS"] = "1"
    start = time.time()

    import multiprocessing
    context = multiprocessing.get_context("fork")
    models = {name: make_base(options, name) for name in options.cases}
    references = {}
    plan = []
    for name, model in models.items():
        for change in changes(model):
            if not options.only or re.search(options.only, change.label):
                plan.append((name, change))
    total = len(plan)
    if not options.full and not options.only and total > options.limit:
        # A fixed choice that is spread over all changes.
        plan.sort(key=lambda p: hashlib.sha256(f"{p[0]}: {p[1].label}".encode()).digest())
        plan = plan[:options.limit]

    def reference(name, queue):
        llama = Llama()
        path = os.path.join(options.out, f"loader-{name}-base.gguf")
        save(path, [encode_entry(e) for e in models[name].entries], models[name].tensors)
        verdict = llama.judge(path, path + ".log")
        code, message = validate(os.path.join(options.bin, "pouch-validate"), path)
        queue.put((name, verdict, code, message))

    failures = 0
    results = context.SimpleQueue()
    for name in models:
        process = context.Process(target=reference, args=(name, results))
        process.start()
        got, verdict, code, message = results.get()
        process.join()
        references[got] = verdict
        if "refused" in verdict or code != 0:
            print(f"FAILED {name}: the unchanged file: llama.cpp {verdict}, pouch-validate {code} {message}")
            failures += 1
    results = context.Queue()
    processes = []
    for number in range(options.jobs):
        share = {}
        for name, change in plan[number::options.jobs]:
            share.setdefault(name, []).append(change)
        queue = [(name, models[name], references[name], part) for name, part in share.items()]
        process = context.Process(target=work, args=(options, number, queue, results))
        process.start()
        processes.append(process)
    counts = collections.Counter()
    used = set()
    log = open(options.results, "w") if options.results else None
    for _ in range(len(plan)):
        name, label, refused, code, message, differs = results.get()
        label = f"{name}: {label}"
        if log:
            log.write(json.dumps([label, refused, code, message, differs]) + "\n")
        counts["files"] += 1
        if code not in (0, 3):
            print(f"FAILED {label}: pouch-validate ends with {code}: {message}", flush=True)
            failures += 1
        if refused:
            counts["refused"] += 1
            if code == 0:
                print(f"MISS {label}: llama.cpp: {refused}", flush=True)
                failures += 1
            else:
                counts["found"] += 1
        elif code == 3 and not differs:
            reason = next((r for r in JUSTIFIED if re.search(r[0], label)), None)
            if reason:
                counts["justified"] += 1
                used.add(reason[0])
            else:
                print(f"FALSE ALARM {label}: {message}", flush=True)
                failures += 1
                counts["alarms"] += 1
    for process in processes:
        process.join()
    if options.full and set(options.cases) == set(CASES):
        for pattern, reason in JUSTIFIED:
            if pattern not in used:
                print(f"FAILED no file needs the reason for {pattern}")
                failures += 1
    print(f"{counts['files']} of {total} changed files in {time.time() - start:.0f} s: llama.cpp refuses "
          f"{counts['refused']}, of which pouch-validate finds {counts['found']}; false alarms: {counts['alarms']}, "
          f"and {counts['justified']} that are wanted")
    return 1 if failures else 0


if __name__ == "__main__":
    sys.exit(main())
