"""The forms in which checkpoints store quantized matrices: what config.json says, and the tensors of each matrix."""
from dataclasses import dataclass
from typing import Callable

import numpy as np

FP8_BLOCK = 128


@dataclass(frozen=True)
class Part:
    """A tensor of a quantized matrix."""

    ending: str  # after the name of the matrix, "weight" included
    dtype: str  # "" for the type of the checkpoint
    shape: Callable  # of (rows, columns)


@dataclass(frozen=True)
class Form:
    entry: dict  # quantization_config
    parts: tuple
    encode: Callable  # (matrix in f32, type of the checkpoint) to the arrays of all parts
    experts_only: bool = False
    fused: bool = False  # experts of the fused layout, and nothing else
    note: str = ""


def to_bf16(x):
    bits = x.view(np.uint32)
    return ((bits + 0x7FFF + ((bits >> 16) & 1)) >> 16).astype(np.uint16)


def encode(x, dtype):
    if dtype == "bf16":
        return to_bf16(np.ascontiguousarray(x, np.float32))
    return np.ascontiguousarray(x, np.float16 if dtype == "f16" else np.float32)


def widened(x, dtype):
    return (x.astype(np.uint32) << 16).view(np.float32) if dtype == "bf16" else x.astype(np.float32)


def float8_values():
    """The values of the codes 0 to 126 of E4M3 without infinities; the sign is the top bit."""
    code = np.arange(127)
    exponent, mantissa = code >> 3, code & 7
    return np.where(exponent == 0, mantissa / 512.0, (8 + mantissa) * 2.0 ** (exponent - 10.0)).astype(np.float32)


FLOAT8 = float8_values()
FLOAT4 = np.array([0, 0.5, 1, 1.5, 2, 3, 4, 6], np.float32)


def nearest(x, table, sign_bit):
    code = np.searchsorted((table[1:] + table[:-1]) / 2, np.abs(x))
    return (code | np.signbit(x) << sign_bit).astype(np.uint8)


def to_float8(x):
    return nearest(x, FLOAT8, 7)


def pairs(codes):
    """Two codes of four bits to a byte, the first one lower."""
    return codes[..., 0::2] | codes[..., 1::2] << 4


def fp8_blocks(x, dtype):
    """Codes of a matrix and a scale for each block, edge blocks included; the scale multiplies."""
    codes = np.empty(x.shape, np.uint8)
    scales = np.empty(tuple(-(-n // FP8_BLOCK) for n in x.shape), np.float32)
    for i in range(scales.shape[0]):
        for j in range(scales.shape[1]):
            at = np.s_[i * FP8_BLOCK:(i + 1) * FP8_BLOCK, j * FP8_BLOCK:(j + 1) * FP8_BLOCK]
            scales[i, j] = np.abs(x[at]).max() / np.float32(448)
            codes[at] = to_float8(x[at] / scales[i, j])
    return codes, scales


def fp8_tensor(x, dtype):
    scale = np.float32(np.abs(x).max() / np.float32(448))
    return to_float8(x / scale), scale, np.float32(0.0625)


def fp8_rows(x, dtype):
    scales = encode(np.abs(x).max(-1, keepdims=True) / np.float32(448), dtype)
    # Rounding the scale may push the largest value past the last code, which then stands for it.
    return to_float8(x / widened(scales, dtype)), scales


def int8_rows(x, dtype):
    scales = encode(np.abs(x).max(-1, keepdims=True) / np.float32(127), dtype)
    return np.clip(np.rint(x / widened(scales, dtype)), -128, 127).astype(np.int8), scales


def packed(bits, group):
    """Codes in words, the first lowest, half the range more than the value; and a scale for each group of a row."""

    def encode_matrix(x, dtype):
        half = 1 << bits - 1
        groups = x.reshape(len(x), -1, group or x.shape[1])
        scales = encode(np.abs(groups).max(-1) / np.float32(half - 1), dtype)
        values = np.clip(np.rint(groups / widened(scales, dtype)[..., None]), -half, half - 1)
        codes = (values + half).astype(np.uint32).reshape(len(x), -1, 32 // bits)
        words = (codes << np.arange(0, 32, bits, dtype=np.uint32)).sum(-1, dtype=np.uint32)
        return words, scales, np.array(x.shape, np.int32)

    return encode_matrix


def nvfp4(divides):
    """E2M1 codes, an E4M3 scale for 16 of a row, and one scale for all of these."""

    def encode_matrix(x, dtype):
        groups = x.reshape(len(x), -1, 16)
        whole = np.float32(np.abs(x).max() / np.float32(448 * 6))
        scales = to_float8(np.maximum(np.abs(groups).max(-1) / np.float32(6) / whole, FLOAT8[1]))
        codes = nearest(groups / (FLOAT8[scales] * whole)[..., None], FLOAT4, 3).reshape(x.shape)
        return pairs(codes), scales, np.float32(1) / whole if divides else whole, np.float32(0.125)

    return encode_matrix


def mxfp4(x, dtype):
    """E2M1 codes and the exponent of the scale of 32."""
    groups = x.reshape(*x.shape[:-1], -1, 32)
    exponents = np.floor(np.log2(np.maximum(np.abs(groups).max(-1), 1e-30))).astype(np.int32) - 2
    codes = nearest(groups / np.ldexp(np.float32(1), exponents)[..., None].astype(np.float32), FLOAT4, 3)
    return pairs(codes), (exponents + 127).astype(np.uint8)


def compressed(form, **weights):
    return {"quant_method": "compressed-tensors", "format": form, "quantization_status": "compressed",
            "ignore": ["lm_head", "re:.*mlp\\.gate$"],
            "config_groups": {"group_0": {"targets": ["Linear"], "input_activations": None, "weights": weights}}}


def blocks(rows, columns):
    return tuple(-(-n // FP8_BLOCK) for n in (rows, columns))


def same(rows, columns):
    return rows, columns


def row(rows, columns):
    return rows, 1


def words(bits, group):
    return (Part("weight_packed", "i32", lambda r, c: (r, c * bits // 32)),
            Part("weight_scale", "", lambda r, c: (r, c // (group or c))),
            Part("weight_shape", "i32", lambda r, c: (2,)))


NVFP4_WEIGHTS = dict(num_bits=4, type="float", symmetric=True, strategy="tensor_group", group_size=16)
FORMS = {
    "fp8": Form(
        {"quant_method": "fp8", "fmt": "e4m3", "activation_scheme": "dynamic", "weight_block_size": [FP8_BLOCK] * 2},
        (Part("weight", "fp8", same), Part("weight_scale_inv", "f32", blocks)), fp8_blocks),
    "fp8-tensor": Form(
        {"quant_method": "fp8", "fmt": "e4m3", "activation_scheme": "static", "weight_block_size": None},
        (Part("weight", "fp8", same), Part("weight_scale_inv", "f32", lambda r, c: ()),
         Part("activation_scale", "f32", lambda r, c: ())), fp8_tensor),
    "fp8-rows": Form(
        compressed("float-quantized", num_bits=8, type="float", symmetric=True, strategy="channel", dynamic=False),
        (Part("weight", "fp8", same), Part("weight_scale", "", row)), fp8_rows),
    "fp8-blocks": Form(
        compressed("float-quantized", num_bits=8, type="float", symmetric=True, strategy="block", dynamic=False,
                   block_structure=[FP8_BLOCK] * 2),
        (Part("weight", "fp8", same), Part("weight_scale", "f32", blocks)), fp8_blocks),
    "int8-rows": Form(
        compressed("int-quantized", num_bits=8, type="int", symmetric=True, strategy="channel"),
        (Part("weight", "i8", same), Part("weight_scale", "", row)), int8_rows),
    "modelopt-fp8": Form(
        {"quant_method": "modelopt", "quant_algo": "FP8", "ignore": ["lm_head"]},
        (Part("weight", "fp8", same), Part("weight_scale", "f32", lambda r, c: ()),
         Part("input_scale", "f32", lambda r, c: ())), fp8_tensor),
    # As Kimi K2 Thinking is released.
    "int4": Form(
        {**compressed("pack-quantized", num_bits=4, type="int", symmetric=True, strategy="group", group_size=32),
         "ignore": ["lm_head", "re:.*self_attn.*", "re:.*shared_experts.*", "re:.*mlp\\.(gate|up|down)_proj.*"]},
        words(4, 32), packed(4, 32), experts_only=True),
    "int4-all": Form(
        compressed("pack-quantized", num_bits=4, type="int", symmetric=True, strategy="group", group_size=128),
        words(4, 128), packed(4, 128)),
    "int4-rows": Form(
        compressed("pack-quantized", num_bits=4, type="int", symmetric=True, strategy="channel", group_size=None),
        words(4, None), packed(4, None), note="llama.cpp's converter refuses it"),
    "int8-groups": Form(
        compressed("pack-quantized", num_bits=8, type="int", symmetric=True, strategy="group", group_size=64),
        words(8, 64), packed(8, 64)),
    "nvfp4": Form(
        compressed("nvfp4-pack-quantized", **NVFP4_WEIGHTS),
        (Part("weight_packed", "u8", lambda r, c: (r, c // 2)), Part("weight_scale", "fp8", lambda r, c: (r, c // 16)),
         Part("weight_global_scale", "f32", lambda r, c: (1,)), Part("input_global_scale", "f32", lambda r, c: (1,))),
        nvfp4(True), note="llama.cpp's converter keeps its bits"),
    "modelopt-nvfp4": Form(
        {"quant_method": "modelopt", "quant_algo": "NVFP4", "group_size": 16, "ignore": ["lm_head"]},
        (Part("weight", "u8", lambda r, c: (r, c // 2)), Part("weight_scale", "fp8", lambda r, c: (r, c // 16)),
         Part("weight_scale_2", "f32", lambda r, c: ()), Part("input_scale", "f32", lambda r, c: ())),
        nvfp4(False), note="llama.cpp's converter keeps its bits"),
    # As gpt-oss is released; stacks of matrices.
    "mxfp4": Form(
        {"quant_method": "mxfp4", "modules_to_not_convert": ["model.layers.*.self_attn", "lm_head"]},
        (Part("_blocks", "u8", lambda e, r, c: (e, r, c // 32, 16)), Part("_scales", "u8", lambda e, r, c: (e, r, c // 32))),
        mxfp4, fused=True, note="llama.cpp's converter takes it from gpt-oss alone"),
}
