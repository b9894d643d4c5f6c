#!/usr/bin/env python3
"""Renders conversations with Jinja, for the tests of chat templates.

Without arguments, renders the templates in Tests/TextTokenizersTests/Encoding/Golden/templates (short ones, made for
the tests, with the same parts as published ones) into Golden/templates.json. With --templates FOLDER --output FILE,
renders all *.jinja of a folder, for a comparison with published templates. Needs the Python package jinja2.
"""

import argparse
import json
import pathlib

from jinja2 import sandbox

ROOT = pathlib.Path(__file__).resolve().parent.parent
GOLDEN = ROOT / "Tests/TextTokenizersTests/Encoding/Golden"


def environment():
    """As the Hugging Face library sets it up."""
    def raise_exception(message):
        raise ValueError(message)
    result = sandbox.ImmutableSandboxedEnvironment(trim_blocks=True, lstrip_blocks=True,
                                                   extensions=["jinja2.ext.loopcontrols"])
    result.globals["raise_exception"] = raise_exception
    result.filters["tojson"] = lambda value, **options: json.dumps(value, ensure_ascii=False, **options)
    return result


def conversations():
    def talk(*pairs):
        roles = {"s": "system", "u": "user", "a": "assistant", "t": "tool", "x": "narrator"}
        result = []
        for role, content, *reasoning in pairs:
            message = {"role": roles[role], "content": content}
            if reasoning:
                message["reasoning_content"] = reasoning[0]
            result.append(message)
        return result
    thought = "<think>\nFirst.\nThen.\n</think>\n\nDone."
    return [
        [],
        talk(("u", "Hello")),
        talk(("s", "Be kind."), ("u", "Hello")),
        talk(("s", "  Be kind.\n"), ("u", "\n Draw a pelican \t\u00a0\u2003")),
        talk(("s", ""), ("u", "")),
        talk(("u", "A"), ("a", "B"), ("u", "C")),
        talk(("s", "S"), ("u", "A"), ("a", " B "), ("u", " C\r\n"), ("a", "D\n")),
        talk(("u", "Q"), ("a", thought)),
        talk(("u", "Q"), ("a", thought), ("u", "R"), ("a", thought), ("u", "S")),
        talk(("u", "Q"), ("a", thought), ("a", "And more"), ("a", thought)),
        talk(("u", "Q"), ("a", "plain"), ("t", "42"), ("t", "43\n"), ("a", "It is 42.")),
        talk(("u", "Q"), ("a", "x", "because\n\n"), ("u", "R"), ("a", "y", "\n so ")),
        talk(("u", "Q"), ("a", "x", ""), ("t", "{\"a\": \"\\\u20ac\u0001\"}"), ("u", "<tool_response>\n1\n</tool_response>"), ("a", "z", "why")),
        talk(("u", "<tool_response>only</tool_response>"), ("a", "ok")),
        talk(("s", "S"), ("u", "A"), ("s", "again"), ("u", "B")),
        talk(("a", "I begin"), ("u", "A")),
        talk(("u", "A"), ("u", "B")),
        talk(("t", "7"), ("u", "A")),
        talk(("u", "A"), ("x", "meanwhile"), ("u", "B")),
        talk(("s", "only system")),
        talk(("u", "e\u0301 \u202e \U0001f600 <|im_end|> '\"{{ x }}"), ("a", "\u3000wide\u3000"), ("u", "\x1cgap\x85")),
        talk(("u", "Q"), ("a", "</think>\nno start"), ("u", "R"), ("a", "<think>a</think>b</think>\n\nc")),
        talk(("u", "Q"), ("a", "<think>\n\n</think>\n\nempty thought")),
        talk(("u", "Q"), ("a", "\n\nlines\n\n")),
    ]


def render(template, messages, prompt, thinking):
    variables = {} if thinking is None else {"enable_thinking": thinking}
    try:
        return template.render(
            messages=messages, add_generation_prompt=prompt, bos_token="<s>", eos_token="</s>", **variables)
    except Exception:
        return None


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--templates", type=pathlib.Path, default=GOLDEN / "templates")
    parser.add_argument("--output", type=pathlib.Path, default=GOLDEN / "templates.json")
    arguments = parser.parse_args()
    talks = conversations()
    result = {"conversations": talks, "templates": {}}
    for path in sorted(arguments.templates.glob("*.jinja")):
        template = environment().from_string(path.read_text())
        rendered = []
        for messages in talks:
            texts = [render(template, messages, prompt, thinking)
                     for prompt in (False, True) for thinking in (None, True, False)]
            different = list(dict.fromkeys(texts))
            rendered.append([different, [different.index(text) for text in texts]])
        result["templates"][path.stem] = {"file": path.name, "texts": rendered}
    arguments.output.write_text(json.dumps(result, ensure_ascii=True, separators=(",", ":")) + "\n")


if __name__ == "__main__":
    main()
