"""Compares the results of two runs of the harness byte by byte and names the records that differ.

usage: compare.py REFERENCE OTHER [PARTS]   PARTS: the records that start with one of these words, comma-separated
"""

import sys


def records(path):
    with open(path, "rb") as results, open(path + ".index") as index:
        for line in index:
            name, count = line.split()
            data = results.read(int(count))
            if len(data) != int(count):
                sys.exit(f"{path}: ends inside {name}")
            yield name, data
        if results.read(1):
            sys.exit(f"{path}: longer than its index says")


def main():
    reference, other = sys.argv[1:3]
    parts = tuple(sys.argv[3].split(",")) if len(sys.argv) > 3 else ("",)
    wanted = [r for r in records(reference) if r[0].startswith(parts)]
    results = list(records(other))
    if [r[0] for r in wanted] != [r[0] for r in results]:
        sys.exit(f"{other}: not the records of {reference} ({len(results)} and {len(wanted)})")
    if not results:
        sys.exit(f"{other}: no records")
    different = 0
    for (name, a), (_, b) in zip(wanted, results):
        if a != b:
            different += 1
            if different <= 5:
                at = next(i for i in range(len(a)) if a[i] != b[i])
                start = at // 4 * 4
                expected, found = a[start:start + 4].hex(), b[start:start + 4].hex()
                print(f"{name}: byte {at} of {len(a)}: expected {expected}, found {found}")
    total = sum(len(data) for _, data in results)
    if different:
        sys.exit(f"{other}: {different} of {len(results)} records differ from {reference}")
    print(f"{other}: {len(results)} records, {total} bytes, all equal to {reference}")


main()
