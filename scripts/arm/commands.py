"""Prints the compiler commands of the C kernels for another target: the flags of SwiftPM's plan of the last build.

usage: commands.py TARGET DIRECTORY   one command per line; objects go to DIRECTORY
"""

import json
import pathlib
import re
import shlex
import sys

PLAN = ".build/release.yaml"


def flags_of(module):
    """The compiler and flags of a module, the same for all its files, without target, inputs and outputs."""
    for line in open(PLAN):
        match = re.match(r"\s+args: (\[.*\])$", line)
        if match and f"/{module}.build/" in line:
            args = json.loads(match.group(1))
            if "-c" in args:
                break
    else:
        sys.exit(f"{PLAN}: no command for {module}; build first")
    kept, skip = [], False
    for arg in args:
        if skip:
            skip = False
        elif arg in ("-target", "-MT", "-MF", "-o", "-c"):
            skip = True
        elif arg != "-MD":
            kept.append(arg)
    return kept


def main():
    target, directory = sys.argv[1:3]
    for module in ("CQuantKernels", "CRuntimeKernels"):
        command = flags_of(module) + ["--target=" + target, "-Wall", "-Wextra", "-Werror"]
        root = pathlib.Path("Sources")
        for source in sorted((root / module).rglob("*.c")):
            name = str(source.relative_to(root)).replace("/", "_")
            print(shlex.join(command + ["-c", str(source), "-o", f"{directory}/{name}.o"]))


main()
