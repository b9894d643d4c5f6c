#!/usr/bin/env python3
"""Prints what FloatConversionTests expects of -exp(x): a sum over ten million results of torch.exp, which llama.cpp's converter
calls for ssm_a.

  scripts/make-golden-exponential.py

Needs torch. On x86 processors that are not Intel's, torch's wheels compute it with one routine of Intel's library; on others
it has other last places, and this prints another number.
"""
import numpy as np
import torch

STEP = 23
# Magnitudes from 2^-10 to 16, in steps of 23 floats, of both signs: logarithms of decay rates lie within.
magnitudes = np.arange(0x3A800000, 0x41800000, STEP, dtype=np.uint32)
total = 0
for sign in (0, 0x80000000):
    x = (magnitudes | np.uint32(sign)).view(np.float32)
    y = (-torch.exp(torch.from_numpy(x))).numpy().view(np.uint32).astype(np.uint64)
    total += int((y * (2 * np.arange(y.size, dtype=np.uint64) + 1)).sum(dtype=np.uint64))
print(f"torch {torch.__version__}: {2 * magnitudes.size} values, sum {total % 2**64:#018x}")
