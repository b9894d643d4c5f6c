"""Loads a GGUF in llama.cpp (the xllamacpp wheel) and generates from it.

usage: run-in-llama.py MODEL.gguf PROMPT [OUTPUT.svg]

Prints what the model answers to the prompt in its chat template, greedily. Exits with
1 when the model does not load or does not answer with a finished SVG drawing.
"""

import json
import sys

import xllamacpp


def generate(model: str, prompt: str) -> str:
    params = xllamacpp.CommonParams()
    params.model.path = model
    params.n_ctx = 1024
    params.n_parallel = 1
    params.cpuparams.n_threads = 2
    params.warmup = False
    server = xllamacpp.Server(params)
    text = f"<|im_start|>user\n{prompt}<|im_end|>\n<|im_start|>assistant\n"
    request = {"prompt": text, "n_predict": 700, "temperature": 0.0, "cache_prompt": False}
    answer = server.handle_completions(json.dumps(request))
    if isinstance(answer, (str, bytes)):
        answer = json.loads(answer)
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
    sys.exit(main())
