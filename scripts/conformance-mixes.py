#!/usr/bin/env python3
"""Records which tensor types llama-quantize chooses, as golden files for the tests of QuantRecipes.

    conformance-mixes.py --quantize PATH/llama-quantize --out Tests/QuantRecipesTests/Golden

Small models with the tensor names of many families are written with the `gguf` package; a dry run of
llama-quantize prints the type of every tensor for every mix and for several sets of options. With
`--check`, nothing is written and the recorded files are compared instead.

File format (text): `model NAME`, `facts ARCH EXPERTS HEADS KV-HEADS LAYERS NEXTN`, one
`tensor NAME TYPE NE0,NE1,...` per tensor in processing order, `options NAME FLAGS...` per set of options,
`pruned LAYERS` with `source NAME` lines when layers are dropped, `order given` for --keep-split,
`types TYPE=LETTER ...`, then `mix NAME` followed by one line per set of options: its name, and one letter per
tensor in processing order, or `= OTHER` when it is the same as for another set.
"""
import argparse
import pathlib
import re
import subprocess
import sys
import tempfile

import gguf
import numpy

MIXES = ("F32 F16 BF16 Q8_0 Q4_0 Q4_1 Q5_0 Q5_1 Q2_K Q2_K_S Q3_K_S Q3_K_M Q3_K_L Q4_K_S Q4_K_M Q5_K_S Q5_K_M Q6_K "
         "IQ4_NL IQ4_XS MXFP4_MOE COPY").split()
FLOAT_MIXES = {"F32", "F16", "BF16", "COPY"}
TYPES = gguf.GGMLQuantizationType


class Model:
    """A model under construction: facts, keys and tensors."""

    def __init__(self, name, arch, layers, heads=4, kv_heads=1, experts=0, nextn=0, keys=(), source="bf16", rules=()):
        self.name, self.arch, self.layers = name, arch, layers
        self.heads, self.kv_heads, self.experts, self.nextn = heads, kv_heads, experts, nextn
        self.keys, self.source = dict(keys), source
        self.tensors = []
        self.rules = list(rules)
        self.pruned = None  # --prune-layers
        self.keep_split = False  # --keep-split: tensors in file order

    def add(self, name, *ne, type=None):
        norm = name.endswith("norm.weight") or name.endswith(".bias") or len(ne) == 1
        self.tensors.append((name, list(ne), type or ("f32" if norm else self.source)))
        return self

    def write(self, path):
        writer = gguf.GGUFWriter(path, self.arch)
        writer.add_context_length(64)
        writer.add_embedding_length(256)
        writer.add_block_count(self.layers)
        writer.add_feed_forward_length(256)
        if self.heads:
            writer.add_head_count(self.heads)
            writer.add_head_count_kv(self.kv_heads)
        writer.add_layer_norm_rms_eps(1e-5)
        writer.add_layer_norm_eps(1e-5)
        if self.experts:
            writer.add_expert_count(self.experts)
            writer.add_expert_used_count(2)
        if self.nextn:
            writer.add_uint32(f"{self.arch}.nextn_predict_layers", self.nextn)
        for key, value in self.keys.items():
            key = f"{self.arch}.{key}"
            if isinstance(value, bool):
                writer.add_bool(key, value)
            elif isinstance(value, int):
                writer.add_uint32(key, value)
            elif isinstance(value, float):
                writer.add_float32(key, value)
            elif isinstance(value, list):
                writer.add_array(key, value)
            else:
                writer.add_string(key, value)
        for name, ne, type in self.tensors:
            kind = TYPES[type.upper() if type not in ("q4_K", "q6_K") else type]
            block, size = gguf.GGML_QUANT_SIZES[kind]
            shape = [n for n in reversed(ne)]
            assert shape[-1] % block == 0, name
            data = numpy.zeros(shape[:-1] + [shape[-1] // block * size], dtype=numpy.uint8)
            writer.add_tensor(name, data, raw_dtype=kind)
        writer.write_header_to_file()
        writer.write_kv_data_to_file()
        writer.write_tensors_to_file()
        writer.close()


def attention(m, i, d=256, kv=64, fused=False, norms=True):
    b = f"blk.{i}."
    m.add(b + "attn_norm.weight", d)
    if fused:
        m.add(b + "attn_qkv.weight", d, 8)
    else:
        m.add(b + "attn_q.weight", d, 8).add(b + "attn_k.weight", d, 4).add(b + "attn_v.weight", d, 4)
    m.add(b + "attn_output.weight", d, 8)
    if norms:
        m.add(b + "attn_q_norm.weight", 32).add(b + "attn_k_norm.weight", 32)


def feed_forward(m, i, d=256, ff=256, gate=True):
    b = f"blk.{i}."
    m.add(b + "ffn_norm.weight", d)
    if gate:
        m.add(b + "ffn_gate.weight", d, 4)
    m.add(b + "ffn_up.weight", d, 4).add(b + "ffn_down.weight", ff, 4)


def experts(m, i, n, d=256, ff=256, shared=False):
    b = f"blk.{i}."
    m.add(b + "ffn_norm.weight", d).add(b + "ffn_gate_inp.weight", d, n, type="f32")
    m.add(b + "ffn_gate_exps.weight", d, 2, n).add(b + "ffn_up_exps.weight", d, 2, n)
    m.add(b + "ffn_down_exps.weight", ff, 2, n)
    if shared:
        m.add(b + "ffn_gate_inp_shexp.weight", d, type="f32")
        m.add(b + "ffn_gate_shexp.weight", d, 2).add(b + "ffn_up_shexp.weight", d, 2)
        m.add(b + "ffn_down_shexp.weight", ff, 2)


def ends(m, d=256, tied=False):
    m.add("token_embd.weight", d, 4).add("output_norm.weight", d)
    if not tied:
        m.add("output.weight", d, 4)
    return m


def dense(name, arch="llama", layers=9, d=256, ff=256, tied=False, fused=False, gate=True, **more):
    m = Model(name, arch, layers, **more)
    for i in range(layers):
        attention(m, i, d, fused=fused)
        feed_forward(m, i, d, ff, gate)
    return ends(m, d, tied)


def moe(name, arch, layers, n, d=256, ff=256, shared=False, tied=False, **more):
    m = Model(name, arch, layers, experts=n, **more)
    for i in range(layers):
        attention(m, i, d)
        experts(m, i, n, d, ff, shared)
    return ends(m, d, tied)


SSM = {"ssm.conv_kernel": 4, "ssm.inner_size": 64, "ssm.state_size": 16, "ssm.time_step_rank": 4, "ssm.group_count": 2}


def hybrid(name, arch, layers, n, d=256, ff=256, nextn=0, interval=4, split_ba=True, **more):
    keys = dict(SSM)
    keys["rope.dimension_sections"] = [2, 2, 2, 0]
    m = Model(name, arch, layers + nextn, experts=n, nextn=nextn, keys=keys, **more)
    for i in range(layers + nextn):
        b = f"blk.{i}."
        if i >= layers or (i + 1) % interval == 0:
            attention(m, i, d)
        else:
            m.add(b + "attn_norm.weight", d).add(b + "attn_qkv.weight", d, 8).add(b + "attn_gate.weight", d, 8)
            m.add(b + "ssm_conv1d.weight", 4, 8, type="f32").add(b + "ssm_a", 4).add(b + "ssm_dt.bias", 4)
            if split_ba:
                m.add(b + "ssm_alpha.weight", d, 4).add(b + "ssm_beta.weight", d, 4)
            else:
                m.add(b + "ssm_ba.weight", d, 8)
            m.add(b + "ssm_norm.weight", 16).add(b + "ssm_out.weight", d, 8)
        m.add(b + "post_attention_norm.weight", d)
        if n:
            experts(m, i, n, d, ff, shared=True)
        else:
            feed_forward(m, i, d, ff)
        if i >= layers:
            m.add(b + "nextn.eh_proj.weight", 2 * d, 4).add(b + "nextn.enorm.weight", d)
            m.add(b + "nextn.hnorm.weight", d).add(b + "nextn.shared_head_norm.weight", d)
    return ends(m, d)


def latent(name, arch, layers, n, d=256, ff=256, split=True, keys=(), **more):
    base = {"attention.kv_lora_rank": 64, "attention.q_lora_rank": 64, "expert_feed_forward_length": 64,
            "leading_dense_block_count": 1, "expert_shared_count": 1, "expert_weights_scale": 1.0,
            "attention.key_length": 64, "attention.value_length": 64, "attention.key_length_mla": 64,
            "attention.value_length_mla": 64, "rope.dimension_count": 32}
    base.update(keys)
    m = Model(name, arch, layers, experts=n, keys=base, **more)
    for i in range(layers):
        b = f"blk.{i}."
        m.add(b + "attn_norm.weight", d).add(b + "attn_q_a.weight", d, 8).add(b + "attn_q_a_norm.weight", 64)
        m.add(b + "attn_q_b.weight", d, 8).add(b + "attn_kv_a_mqa.weight", d, 8).add(b + "attn_kv_a_norm.weight", 64)
        if split:
            m.add(b + "attn_k_b.weight", 128, 8, 4).add(b + "attn_v_b.weight", d, 8, 4)
        else:
            m.add(b + "attn_kv_b.weight", d, 8)
        m.add(b + "attn_output.weight", d, 8)
        if i == 0:
            feed_forward(m, i, d, ff)
        else:
            experts(m, i, n, d, ff, shared=True)
            m.add(b + "exp_probs_b.bias", n)
    return ends(m, d)


def slim(name, arch, layers, heads, kv_heads, tied=False):
    """Many layers with the tensors that the rules single out."""
    m = Model(name, arch, layers, heads=heads, kv_heads=kv_heads)
    for i in range(layers):
        b = f"blk.{i}."
        m.add(b + "attn_v.weight", 256, 2).add(b + "attn_output.weight", 256, 2).add(b + "ffn_down.weight", 256, 2)
        if i < 3:
            m.add(b + "ffn_up.weight", 256, 2)
    return ends(m, tied=tied)


def oddities():
    """Names and shapes at the edges of the rules."""
    m = Model("oddities", "llama", 10, heads=8, kv_heads=2)
    for i in (0, 1, 2, 9):
        attention(m, i)
        feed_forward(m, i)
    m.add("blk.10.attn_v.weight", 256, 2).add("position_embd.weight", 256, 4).add("token_types.weight", 256, 2)
    m.add("blk.1.extra.weight", 256, 1).add("blk.1.deep.weight", 256, 1, 3).add("blk.1.deep4.weight", 256, 1, 1, 2)
    m.add("abcde", 256, 2).add("blk.2.attn_rel_b.weight", 256, 2).add("blk.2.laurel_l.weight", 256, 2)
    m.add("v.blk.0.attn_v.weight", 256, 2).add("v.position_embd.weight", 256, 2).add("mm.0.weight", 256, 2)
    m.add("blk.2.ssm_in.weight", 256, 2).add("blk.2.indexer.k_proj.weight", 256, 2).add("blk.1.weightless", 256, 2)
    m.add("blk.1.time_mix_w1.weight", 256, 2).add("blk.1.odd.weight", 100, 2).add("blk.1.wide.weight", 288, 2)
    m.add("blk.01.attn_v.weight", 256, 2).add("blk.9x.ffn_down.weight", 256, 2)
    m.add("blk.2.channel_mix_key.weight", 128, 2).add("blk.2.attn_k_b.weight", 64, 2, 3)
    m.add("blk.1.cls.output.weight", 320, 2).add("blk.1.attn_v.bias", 256)
    return ends(m)


def models():
    yield dense("llama-gqa4", layers=9)
    yield dense("llama-gqa1", layers=17, heads=4, kv_heads=4)
    yield dense("llama-tied-gqa8", layers=8, heads=8, tied=True, source="f16")
    yield dense("llama-rows-96-80", layers=4, d=96, ff=80)
    yield dense("llama-rows-80-tied", layers=3, d=80, ff=48, tied=True)
    yield dense("llama-rows-288", layers=5, d=288, ff=1408)
    yield dense("llama-f32", layers=3, source="f32")
    yield dense("llama-requantized", layers=4, source="q8_0")
    yield dense("phi3-fused", "phi3", layers=10, fused=True, gate=False, heads=8,
                keys={"rope.dimension_count": 32, "attention.sliding_window": 64})
    yield dense("falcon", "falcon", layers=20, fused=True, gate=False)
    yield slim("llama-70b", "llama", 80, 64, 8)
    yield slim("llama-65b", "llama", 80, 64, 64)
    yield slim("qwen2-72b-tied", "qwen2", 80, 64, 16, tied=True)
    yield moe("mixtral", "llama", 8, 8)
    yield moe("mixtral-rows-1408-tied", "llama", 4, 8, ff=1408, tied=True, heads=8)
    yield moe("qwen3moe", "qwen3moe", 12, 16, heads=8, keys={"expert_feed_forward_length": 64})
    yield moe("qwen3moe-rows-1408", "qwen3moe", 6, 4, ff=1408, keys={"expert_feed_forward_length": 64})
    yield moe("qwen2moe-shared", "qwen2moe", 8, 60, shared=True, heads=2, kv_heads=2,
              keys={"expert_feed_forward_length": 64, "expert_shared_feed_forward_length": 64})
    yield moe("gpt-oss-rows-2880", "gpt-oss", 6, 4, d=2880, ff=2880, heads=8,
              keys={"expert_feed_forward_length": 64, "attention.sliding_window": 128})
    yield hybrid("qwen35moe", "qwen35moe", 12, 16, nextn=1, heads=16, kv_heads=2)
    yield hybrid("qwen35-dense", "qwen35", 16, 0, nextn=1, heads=24, kv_heads=4)
    yield hybrid("qwen3next", "qwen3next", 8, 8, split_ba=False, heads=16, kv_heads=2)
    yield latent("deepseek2", "deepseek2", 6, 4)
    yield latent("deepseek2-joint-1408", "deepseek2", 6, 4, ff=1408, split=False)
    kda = dict(SSM) | {"kda.head_dim": 32, "kda.gate_lower_bound": -1.0, "expert_gating_func": 2}
    yield latent("bailingmoe3", "bailingmoe3", 5, 4, keys=kda)
    glm = latent("glm5-next", "glm5-next", 5, 4, keys=kda | {
        "attention.indexer.head_count": 2, "attention.indexer.key_length": 32, "attention.indexer.top_k": 8,
        "attention.indexer.kpool": 4, "hyper_connection.count": 4, "hyper_connection.sinkhorn_iterations": 2,
        "hyper_connection.epsilon": 1e-6})
    for name in ("hc_attn_fn", "indexer.attn_q_b", "indexer.proj", "ssm_f_a", "ssm_out", "indexer_compressor_kv"):
        glm.add(f"blk.1.{name}.weight", 256, 2)
    yield glm
    for name, layers, prune, make in (("llama-pruned", 12, "0,4,11", lambda n, l: dense(n, layers=l)),
                                      ("mixtral-pruned", 9, "3,1", lambda n, l: moe(n, "llama", l, 8)),
                                      ("qwen35moe-pruned", 8, "6,7", lambda n, l: hybrid(n, "qwen35moe", l, 4, nextn=1))):
        pruned = make(name, layers)
        pruned.pruned = prune
        yield pruned
    backwards = moe("mixtral-keep-split", "llama", 8, 8)
    backwards.tensors.reverse()
    backwards.keep_split = True
    yield backwards
    scattered = dense("llama-keep-split", layers=9)
    scattered.tensors = scattered.tensors[1::2] + scattered.tensors[::2]
    scattered.keep_split = True
    yield scattered
    yield gemma3n()
    yield mamba()
    yield oddities()


def gemma3n():
    m = dense("gemma3n", "gemma3n", layers=8, tied=True, heads=8, kv_heads=2,
              keys={"attention.sliding_window": 64, "attention.shared_kv_layers": 2,
                    "embedding_length_per_layer_input": 32})
    m.add("per_layer_token_embd.weight", 256, 4).add("per_layer_model_proj.weight", 256, 4)
    m.add("altup_proj.weight", 256, 2, 3)
    m.rules = ["per_layer_token=q5_K"]
    return m


def mamba():
    m = Model("mamba", "mamba", 5, heads=0, kv_heads=0,
              keys={k: v for k, v in SSM.items() if "group" not in k})
    for i in range(5):
        b = f"blk.{i}."
        m.add(b + "attn_norm.weight", 256).add(b + "ssm_in.weight", 256, 4).add(b + "ssm_conv1d.weight", 4, 8, type="f32")
        m.add(b + "ssm_x.weight", 256, 2).add(b + "ssm_dt.weight", 16, 8).add(b + "ssm_a", 16, 8, type="f32")
        m.add(b + "ssm_out.weight", 256, 4)
    return ends(m, tied=True)


def option_sets(model):
    """Name and flags of every set of options; `@imatrix` stands for a file."""
    rules = [r"(down|ssm_out|attn_out).*=Q5_K", r"^blk\.[0-2]\..*(up|attn_v|qkv|_in|_b)\b=q8_0", r"^token_embd\.weight$=iq4_nl"]
    rules = model.rules + [r for r in rules if any(re.search(r.split("=")[0], t[0]) for t in model.tensors)]
    with_rules = [x for r in rules for x in ("--tensor-type", r)]
    yield "normal", []
    yield "pure", ["--pure"]
    yield "imatrix", ["--imatrix", "@imatrix"]
    yield "rules", with_rules
    yield "pure-rules-imatrix", ["--pure", "--imatrix", "@imatrix"] + with_rules
    yield "output", ["--output-tensor-type", "q5_1"]
    yield "output-embedding", ["--output-tensor-type", "q5_K", "--token-embedding-type", "q3_K"]
    yield "leave-embedding", ["--leave-output-tensor", "--token-embedding-type", "q8_0"]
    if model.rules:
        yield "embedding-rules", ["--token-embedding-type", "q4_1"] + with_rules[:2]


LETTERS = {"f32": "f", "f16": "h", "bf16": "b", "q8_0": "8", "q4_0": "u", "q4_1": "v", "q5_0": "w", "q5_1": "x",
           "q2_K": "2", "q3_K": "3", "q4_K": "4", "q5_K": "5", "q6_K": "6", "iq4_nl": "n", "iq4_xs": "s", "mxfp4": "m"}


LINE = re.compile(r"^\[ *\d+/ *\d+\] (\S+) +- \[([ \d,]+)\], type = +(\S+), size = +\S+ MiB(?: -> +\S+ MiB \((\S+)\))?$")


def dry_run(tool, path, mix, flags):
    result = subprocess.run([tool, *flags, "--dry-run", path, mix], capture_output=True, text=True)
    rows = [m.groups() for m in map(LINE.match, (result.stdout + result.stderr).splitlines()) if m]
    if result.returncode != 0 or not rows:
        return None, result.stderr[-600:]
    return [(name, [int(x) for x in ne.split(",")], type, new or type) for name, ne, type, new in rows], ""


def trimmed(ne):
    """The shape without trailing ones, but with at least one dimension."""
    while len(ne) > 1 and ne[-1] == 1:
        ne = ne[:-1]
    return ne


def imatrix(path):
    writer = gguf.GGUFWriter(path, "unused")
    writer.kv_data[0].clear()
    writer.add_string("general.type", "imatrix")
    writer.add_array("imatrix.datasets", ["text"])
    writer.add_uint32("imatrix.chunk_count", 1)
    writer.add_uint32("imatrix.chunk_size", 512)
    writer.add_tensor("none.weight.in_sum2", numpy.ones((1, 32), numpy.float32))
    writer.add_tensor("none.weight.counts", numpy.ones((1, 1), numpy.float32))
    writer.write_header_to_file()
    writer.write_kv_data_to_file()
    writer.write_tensors_to_file()
    writer.close()


def record(tool, model, folder, importance):
    path = str(folder / (model.name + ".gguf"))
    model.write(path)
    options = list(option_sets(model))
    lines = [f"model {model.name}",
             f"facts {model.arch} {model.experts} {model.heads} {model.kv_heads} {model.layers} {model.nextn}"]
    if model.pruned:
        lines += [f"pruned {model.pruned}"] + [f"source {t[0]}" for t in model.tensors]
    if model.keep_split:
        lines.append("order given")
    listed = False
    count = 0
    body = []
    for mix in MIXES:
        body.append(f"mix {mix}")
        seen = {}
        for name, flags in options:
            if mix in FLOAT_MIXES and "--tensor-type" in flags:
                continue
            common = ["--prune-layers", model.pruned] if model.pruned else []
            common += ["--keep-split"] if model.keep_split else []
            rows, error = dry_run(tool, path, mix, common + [importance if f == "@imatrix" else f for f in flags])
            if rows is None:
                sys.exit(f"{model.name} {mix} {name}: llama-quantize failed\n{error}")
            assert model.pruned or len(rows) == len(model.tensors), (model.name, len(rows), len(model.tensors))
            if not listed:
                lines += [f"tensor {n} {t} {','.join(map(str, trimmed(ne)))}" for n, ne, t, _ in rows]
                lines += [f"options {n} {' '.join(f)}".rstrip() for n, f in options]
                lines.append("types " + " ".join(f"{k}={v}" for k, v in LETTERS.items()))
                listed = True
            text = "".join(LETTERS[r[3]] for r in rows)
            count += len(rows)
            body.append(f"{name} = {seen[text]}" if text in seen else f"{name} {text}")
            seen.setdefault(text, name)
    pathlib.Path(path).unlink()
    return "\n".join(lines + body) + "\n", count


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--quantize", required=True, help="the llama-quantize program")
    parser.add_argument("--out", type=pathlib.Path, required=True, help="folder of the golden files")
    parser.add_argument("--check", action="store_true", help="compare with the recorded files instead of writing")
    parser.add_argument("--only", help="the name of one model")
    arguments = parser.parse_args()
    arguments.out.mkdir(parents=True, exist_ok=True)
    total = different = 0
    with tempfile.TemporaryDirectory() as temporary:
        folder = pathlib.Path(temporary)
        importance = str(folder / "imatrix.gguf")
        imatrix(importance)
        for model in models():
            if arguments.only and model.name != arguments.only:
                continue
            text, count = record(arguments.quantize, model, folder, importance)
            total += count
            target = arguments.out / (model.name + ".txt")
            if not arguments.check:
                target.write_text(text)
            elif not target.exists() or target.read_text() != text:
                different += 1
                print(f"{model.name}: differs from {target}")
            print(f"{model.name}: {count} decisions", flush=True)
    print(f"{total} decisions" + (f", {different} files differ" if arguments.check else ""))
    sys.exit(1 if different else 0)


if __name__ == "__main__":
    main()
