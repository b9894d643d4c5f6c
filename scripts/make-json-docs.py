#!/usr/bin/env python3
"""Makes docs/json.md from the types that --json prints and their comments; --check says whether it is up to date.

A property without a comment is an error, so every key of every document is described."""
import os, re, sys

ROOT = os.path.dirname(os.path.dirname(os.path.abspath(__file__)))

# Document, the command that prints it, the type in the source.
DOCUMENTS = [
    ("pouch.plan", "pouch-convert --dry-run --json, pouch-quantize --dry-run --json", "PlanReport"),
    ("pouch.plans", "pouch-convert --dry-run --json, pouch-quantize --dry-run --json, for several outputs", "PlansReport"),
    ("pouch.conversion", "pouch-convert --json, pouch-quantize --json", "ConversionReport"),
    ("pouch.inspection", "pouch-inspect --json", "ModelInspection"),
    ("pouch.difference", "pouch-inspect --diff OTHER --json", "ModelDifference"),
    ("pouch.estimate", "pouch-estimate --json", "EstimateReport"),
    ("pouch.validation", "pouch-validate --json", "ValidationReport"),
    ("pouch.generation", "pouch-generate --json", "GenerateReport"),
    ("pouch.perplexity", "pouch-perplexity --json", "PerplexityReport"),
    ("pouch.importance", "pouch-imatrix --json", "ReportPrinter.Result"),
    ("pouch.importance-statistics", "pouch-imatrix --show-statistics --json", "ImportanceStatistics"),
    ("pouch.drawings", "pouch-svg-eval --json, and results.json in its folder", "RunReport"),
    ("pouch.geometry", "pouch-svg-eval --check-geometry DIR --json", "GeometryCheck.Report"),
    ("pouch.tuning", "pouch-tune --json", "TuneReport"),
    ("pouch.card", "pouch-card --json", "QuantizedCard"),
    ("pouch.benchmark.quantize", "pouch-bench quantize --json", "Report"),
    ("pouch.benchmark.matmul", "pouch-bench matmul --json", "ProductReport"),
    ("pouch.benchmark.decode", "pouch-bench decode --json", "DecodeReport"),
    ("pouch.error", "any command with --json that fails before its result", "ErrorReport"),
]

HEAD = """# What `--json` prints

Every command prints one JSON document on standard output with `--json`, keys sorted, and nothing else there. Each document
has, beside the keys below, `schema` (its kind), `schemaVersion` (1 for all today) and `pouchVersion`. The version of a kind
grows when a key is removed, renamed or changes its meaning; new keys may come at any time. A key whose value is not known is
left out. Numbers that JSON lacks are the texts `inf`, `-inf` and `nan`. Sizes are in bytes.

A command that fails before its result prints a `pouch.error` in its place, and the message on standard error as ever; the exit
code is the same as without `--json`. `pouch-validate` prints its report first, also for a file that is not sound.

This page is made by `scripts/make-json-docs.py` from the comments in the source; a check in `scripts/test` holds it up to date.
"""


# Types that are written as JSON; others of the same name are not meant.
CODABLE = set()


def types():
    """name -> list of (key, type, comment), nested types by dotted name."""
    found = {}
    for folder, _, files in os.walk(os.path.join(ROOT, "Sources")):
        for file in sorted(files):
            if file.endswith(".swift"):
                read(open(os.path.join(folder, file), encoding="utf-8").read(), found)
    return found


def read(text, found):
    scopes, depth, comment = [], 0, []
    for line in text.split("\n"):
        stripped = line.strip()
        match = re.match(r"(?:public |private |fileprivate |package )*(struct|enum|extension|final class) (\w[\w.]*)", stripped)
        if match and stripped.endswith("{"):
            name = match.group(2) if match.group(1) == "extension" or not scopes else ".".join(
                [scope[0] for scope in scopes[-1:]] + [match.group(2)])
            written = bool(re.search(r"\b(Codable|Encodable)\b", stripped))
            scopes.append((name, depth, written))
            if written:
                CODABLE.add(name)
                found.setdefault(name, [])
        field = re.match(r"(?:public |private |package )?(?:private\(set\) )?(?:var|let) `?(\w+)`?(?:: ([\w.\[\]:? ]+?))?(?: = (.+))?$", stripped)
        is_key = scopes and scopes[-1][2] and depth == scopes[-1][1] + 1
        if is_key and field and not stripped.startswith("static"):
            kind = field.group(2) or guess(field.group(3) or "")
            found[scopes[-1][0]].append((field.group(1), kind.strip(), " ".join(comment)))
        if stripped.startswith("///"):
            comment.append(stripped[3:].strip())
        else:
            comment = []
        code = re.sub(r'"(?:\\.|[^"\\])*"', "", re.sub(r"//.*", "", line))
        depth += code.count("{") - code.count("}")
        while scopes and depth <= scopes[-1][1]:
            scopes.pop()


def guess(value):
    if value.startswith('"'):
        return "String"
    if value in ("true", "false"):
        return "Bool"
    if re.fullmatch(r"-?\d+", value):
        return "Int"
    if re.fullmatch(r"-?\d+\.\d+", value):
        return "Double"
    return "String" if "version" in value.lower() else "Int"


SIMPLE = {"Int": "integer", "Int32": "integer", "Int64": "integer", "UInt32": "integer", "UInt64": "integer", "UInt": "integer",
          "Double": "number", "Float": "number", "String": "text", "Wording": "text", "Bool": "true or false"}


def describe(kind, scope, known, queue):
    """The type in words; types with keys of their own are put into the queue."""
    kind = kind.strip()
    if kind.endswith("?"):
        return describe(kind[:-1], scope, known, queue)
    if kind.startswith("[") and kind.endswith("]"):
        inner = kind[1:-1]
        if ":" in inner:
            return "map to " + describe(inner.split(":", 1)[1], scope, known, queue)
        return "list of " + describe(inner, scope, known, queue)
    if kind in SIMPLE:
        return SIMPLE[kind]
    parts = scope.split(".")
    for end in range(len(parts), -1, -1):
        name = ".".join(parts[:end] + [kind])
        if known.get(name) and name in CODABLE:
            if name not in queue:
                queue.append(name)
            return f"[{name}](#{anchor(name)})"
    last = kind.split(".")[-1]
    for name in sorted(known):
        if name.split(".")[-1] == last and known[name] and name in CODABLE:
            if name not in queue:
                queue.append(name)
            return f"[{name}](#{anchor(name)})"
    return "text"


def anchor(name):
    return name.lower().replace(".", "")


def page():
    known, lines, problems, shown = types(), [HEAD], [], set()
    for schema, command, root in DOCUMENTS:
        if not known.get(root):
            sys.exit(f"error: no type {root} in the sources")
        lines.append(f"## {schema}\n\n`{command}`\n")
        queue = [root]
        for name in queue:
            if name in shown:
                continue
            shown.add(name)
            if name != root:
                lines.append(f"### {name}\n")
            lines.append("| key | value | meaning |\n|---|---|---|")
            for key, kind, comment in known[name]:
                if not comment:
                    problems.append(f"{name}.{key} has no comment")
                text = re.sub(r"``([^`]*)``", r"`\1`", comment).replace("|", "\\|")
                lines.append(f"| `{key}` | {describe(kind, name, known, queue)} | {text} |")
            lines.append("")
    if problems:
        sys.exit("error: keys without a description:\n  " + "\n  ".join(problems))
    return "\n".join(lines).rstrip() + "\n"


def main():
    path = os.path.join(ROOT, "docs", "json.md")
    text = page()
    if "--check" in sys.argv[1:]:
        if not os.path.exists(path) or open(path, encoding="utf-8").read() != text:
            sys.exit("error: docs/json.md is out of date; run scripts/make-json-docs.py")
        print("docs/json.md is up to date")
    else:
        open(path, "w", encoding="utf-8").write(text)


main()
