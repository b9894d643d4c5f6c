"""Loads a GGUF in llama.cpp (the xllamacpp wheel) and generates from it.

usage: run-in-llama.py MODEL.gguf PROMPT [OUTPUT.svg]

Prints what the model answers to the prompt in its chat template, greedily. Exits with
1 when the model does not load or does not answer with a finished SVG drawing.
"""

import os
import sys

import xllamacpp


def generate(model: str, prompt: str, token_limit: int = 700) -> str:
    params = xllamacpp.CommonParams()
    params.model.path = model
    params.n_ctx = 1024
    params.n_parallel = 1
    params.cpuparams.n_threads = 2
    params.warmup = False
    params.verbosity = 0
    server = xllamacpp.Server(params)
    text = f"<|im_start|>user\n{prompt}<|im_end|>\n<|im_start|>assistant\n"
    request = {"prompt": text, "n_predict": token_limit, "temperature": 0.0, "stream": False}
    answer = server.handle_completions(request)
    if "choices" in answer:
        return answer["choices"][0]["text"]
    return answer["content"]


def main() -> int:
    model, prompt = sys.argv[1], sys.argv[2]
    answer = generate(model, prompt)
    print(answer)
    start, end = answer.find("<svg"), answer.find("</svg>")
    if start < 0 or end < 0:
        print("error: llama.cpp's answer holds no finished drawing", file=sys.stderr)
        return 1
    if len(sys.argv) > 3:
        with open(sys.argv[3], "w", encoding="utf-8") as file:
            file.write(answer[start : end + len("</svg>")])
        print(f"written to {sys.argv[3]}")
    return 0


if __name__ == "__main__":
    code = main()
    sys.stdout.flush()
    sys.stderr.flush()
    # The wheel's server thread does not end with the interpreter.
    os._exit(code)
