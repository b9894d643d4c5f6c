#!/usr/bin/env python3
"""Renders templates with Jinja, for the tests of chat templates.

Without arguments, makes the expected texts of the tests anew:
- Tests/TextTokenizersTests/Encoding/Golden/templates.json from the templates beside it (short ones, made for the tests,
  with the same parts as published ones);
- Tests/JinjaTemplatesTests/Golden/expected.json from snippets.jsonl, which has a piece of every construct, and from the
  templates beside it.

With --templates FOLDER, renders all *.jinja of a folder, such as models/templates in llama.cpp's source, and compares
the interpreter's texts with Jinja's: it runs `swift test` for that, which prints a line for each template.

Templates are set up as the Python package transformers does it, by its own function where it is installed; without it
the package jinja2 is enough.
"""

import argparse
import json
import os
import pathlib
import subprocess
import tempfile

from jinja2 import ext, nodes, sandbox

ROOT = pathlib.Path(__file__).resolve().parent.parent
GOLDEN = ROOT / "Tests/TextTokenizersTests/Encoding/Golden"
JINJA = ROOT / "Tests/JinjaTemplatesTests/Golden"


class Generation(ext.Extension):
    """The block {% generation %}, whose content is written like any other."""
    tags = {"generation"}

    def parse(self, parser):
        line = next(parser.stream).lineno
        body = parser.parse_statements(["name:endgeneration"], drop_needle=True)
        return nodes.CallBlock(self.call_method("_content"), [], [], body).set_lineno(line)

    def _content(self, caller):
        return caller()


def environment():
    """As the Hugging Face library sets it up."""
    def raise_exception(message):
        raise ValueError(message)

    def tojson(value, ensure_ascii=False, indent=None, separators=None, sort_keys=False):
        return json.dumps(value, ensure_ascii=ensure_ascii, indent=indent, separators=separators, sort_keys=sort_keys)
    result = sandbox.ImmutableSandboxedEnvironment(trim_blocks=True, lstrip_blocks=True,
                                                   extensions=[Generation, "jinja2.ext.loopcontrols"])
    result.globals["raise_exception"] = raise_exception
    result.globals["strftime_now"] = lambda text: __import__("datetime").datetime.now().strftime(text)
    result.filters["tojson"] = tojson
    return result


def compiled(text):
    try:
        from transformers.utils.chat_template_utils import _compile_jinja_template
    except ImportError:
        return environment().from_string(text)
    return _compile_jinja_template(text)


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


def ordered(value):
    """JSON whose objects are lists of pairs, since the order of members shows in texts."""
    if isinstance(value, dict):
        return {"object": [[key, ordered(item)] for key, item in value.items()]}
    return [ordered(item) for item in value] if isinstance(value, (list, tuple)) else value


def variables():
    """What snippets are given."""
    people = [
        {"name": "Ann", "age": 30, "team": "b", "tags": ["x", "y"]},
        {"name": "Bo", "age": 20, "team": "a", "tags": ["z"]},
        {"name": "cy", "age": 25, "team": "B", "tags": ["x"]},
    ]
    return {
        "s": "  Hello, world! \n", "l": [1, 2, 3, 4], "d": {"a": 1, "b": "two", "c": [3]}, "flag": "given",
        "shadow": {"items": "own", "get": 1, "values": 2}, "people": people,
        "nested": {"x": {"y": [1, {"z": "deep", "e": {}, "n": None}], "t": True, "f": 1.5}, "q": "\u00e9\"\n"},
    }


def talks_with_tools():
    """Conversations with all that templates look at."""
    weather = {"type": "function", "function": {
        "name": "get_weather", "description": "Weather of a place.\nToday's.", "parameters": {
            "type": "object", "required": ["place"], "properties": {
                "place": {"type": "string", "description": "Where, e.g. \"K\u00f6ln\""},
                "unit": {"type": "string", "enum": ["C", "F"]},
                "days": {"type": "array", "items": {"type": "integer"}, "description": "which"},
                "opts": {"type": "object", "properties": {"deep": {"type": "boolean", "default": True}}, "required": ["deep"]},
                "mix": {"anyOf": [{"type": "string"}, {"type": "null"}]}}}}}
    clock = {"type": "function", "function": {
        "name": "now", "description": "The time", "parameters": {"type": "object", "properties": {}}}}

    def call(number, name, arguments):
        return {"id": f"call0000{number}", "type": "function", "function": {"name": name, "arguments": arguments}}

    def result(number, content, **more):
        return {"role": "tool", "content": content, "tool_call_id": f"call0000{number}", **more}

    def say(role, content, **more):
        return {"role": role, "content": content, **more}
    rich = {"place": "K\u00f6ln", "days": [1, 2], "deep": True, "n": None, "f": 1.5, "o": {"a": "<b>"}}
    part = lambda text: {"type": "text", "text": text}
    talks = [(messages, None) for messages in conversations()]
    talks += [
        ([say("user", "Weather?")], [weather]),
        ([say("system", "Sys"), say("user", "Weather?")], [weather, clock]),
        ([say("system", "Sys"), say("user", "W?"), say("assistant", "", tool_calls=[call(1, "get_weather", rich)]),
          result(1, "{\"t\": 1}", name="get_weather"), say("assistant", "Fine."), say("user", "thanks")], [weather]),
        ([say("user", "W?"), say("assistant", "let me", reasoning_content="hm", tool_calls=[
            call(1, "get_weather", {"place": "X"}), call(2, "now", {})]),
          result(1, "1", name="get_weather"), result(2, "2", name="now")], [weather, clock]),
        ([say("user", "W?"), say("assistant", "", tool_calls=[call(1, "get_weather", "{\"place\": \"X\"}")]),
          result(1, "1"), say("assistant", "done", reasoning_content="r", thinking="r")], [weather]),
        ([say("user", "W?"), say("assistant", None, tool_calls=[call(1, "now", {})]), result(1, "1")], [clock]),
        ([say("user", "W?"), {"role": "assistant", "tool_calls": [call(1, "now", {})]}, result(1, "1"),
          say("user", "again")], [clock]),
        ([say("user", [part("parts"), part(" two")])], None),
        ([say("system", [part("sys")]), say("user", [{"type": "image"}, part("see")]),
          say("assistant", [part("ok")]), say("user", "x")], None),
        ([say("developer", "dev"), say("user", "hi")], None),
    ]
    return talks


def settings(messages, tools):
    """The variables of all ways to render a conversation."""
    result = []
    for prompt in (False, True):
        for more in ({}, {"enable_thinking": True}, {"enable_thinking": False}, {"thinking": True}):
            result.append({"messages": messages, "tools": tools, "documents": None, "add_generation_prompt": prompt,
                           "bos_token": "<s>", "eos_token": "</s>", **more})
    return result


def text(template, values):
    try:
        result = compiled(template).render(**values)
        result.encode()
        return result
    except Exception:
        return None


def jinja_cases(folder, snippets):
    """What the tests of the interpreter compare: for each template, texts by conversation and setting."""
    talks = [settings(*talk) for talk in talks_with_tools()]
    result = {"variables": ordered(variables()), "talks": ordered(talks), "snippets": [], "templates": []}
    for template in snippets:
        result["snippets"].append([template, text(template, variables())])
    for path in sorted(folder.glob("*.jinja")):
        template = path.read_text()
        different, places = [], []
        for talk in talks:
            for values in talk:
                rendered = text(template, values)
                if rendered not in different:
                    different.append(rendered)
                places.append(different.index(rendered))
        result["templates"].append({"name": path.stem, "template": template, "texts": different, "places": places})
    return result


def write(path, value):
    pathlib.Path(path).write_text(json.dumps(value, ensure_ascii=True, separators=(",", ":")) + "\n")


def make_goldens():
    talks = conversations()
    result = {"conversations": talks, "templates": {}}
    for path in sorted((GOLDEN / "templates").glob("*.jinja")):
        template = compiled(path.read_text())
        rendered = []
        for messages in talks:
            texts = [render(template, messages, prompt, thinking)
                     for prompt in (False, True) for thinking in (None, True, False)]
            different = list(dict.fromkeys(texts))
            rendered.append([different, [different.index(text) for text in texts]])
        result["templates"][path.stem] = {"file": path.name, "texts": rendered}
    write(GOLDEN / "templates.json", result)
    snippets = [json.loads(line) for line in (JINJA / "snippets.jsonl").read_text().splitlines()]
    write(JINJA / "expected.json", jinja_cases(JINJA / "templates", snippets))


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--templates", type=pathlib.Path, help="compare with Jinja on all *.jinja of this folder")
    arguments = parser.parse_args()
    if not arguments.templates:
        return make_goldens()
    with tempfile.TemporaryDirectory() as folder:
        cases = os.path.join(folder, "cases.json")
        write(cases, jinja_cases(arguments.templates, []))
        command = ["swift", "test", "-c", "release", "--disable-testable-imports", "--filter", "PublishedTemplateTests"]
        raise SystemExit(subprocess.run(command, cwd=ROOT, env={**os.environ, "POUCH_JINJA_CASES": cases}).returncode)


if __name__ == "__main__":
    main()
