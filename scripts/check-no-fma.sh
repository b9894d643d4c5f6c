#!/bin/sh
# Fails when the kernels that make bytes hold a fused multiply-add: such an instruction rounds once where the format's
# definition rounds twice, and would change files. Arguments: object files; by default those of every build here.
# OBJDUMP names the disassembler.
#
# The matrix products under dot/ ask for fused multiply-adds; by default they are only read to see that the
# disassembler shows any.
set -eu
root=$(cd "$(dirname "$0")/.." && pwd)
objdump=${OBJDUMP:-objdump}
# vfmadd, vfmsub, vfnmadd, vfnmsub on x86; fmla, fmls, fmadd, fmsub, fnmadd, fnmsub on AArch64.
fused='[[:space:]](vfn?m(add|sub)|fn?m(add|sub)|fml[as])'
listing=$(mktemp)
trap 'rm -f "$listing"' EXIT

# Writes the instructions of an object; code that cannot be shown is an error, since it would look like clean code.
disassemble() {
  "$objdump" -d --no-show-raw-insn "$1" > "$listing" 2>&1 || { cat "$listing" >&2; return 1; }
  code=$("$objdump" -h -w "$1" | awk '/CODE|TEXT/ && $3 !~ /^0+$/' | wc -l)
  shown=$(grep -cE '^[[:space:]]*[0-9a-f]+:' "$listing" || true)
  if [ "$code" -ne 0 ] && [ "$shown" -eq 0 ]; then
    echo "$1: $objdump shows no instruction; does it know this architecture?" >&2
    cat "$listing" >&2
    return 1
  fi
}

if [ $# -eq 0 ]; then
  set -- $(find "$root/.build/" -path '*CQuantKernels.build/*' -name '*.o' ! -path '*CQuantKernels.build/dot/*')
  if [ $# -eq 0 ]; then
    echo "no object files; build first" >&2
    exit 2
  fi
  seen=0
  for object in $(find "$root/.build/" -path '*CQuantKernels.build/dot/*' -name '*.o'); do
    disassemble "$object" || exit 2
    seen=$((seen + $(grep -cE "$fused" "$listing" || true)))
  done
  if [ "$seen" -eq 0 ]; then
    echo "no fused multiply-add in the products either, which ask for them: the search does not work" >&2
    exit 2
  fi
fi
status=0
for object in "$@"; do
  disassemble "$object" || exit 2
  count=$(grep -cE "$fused" "$listing" || true)
  if [ "$count" -ne 0 ]; then
    echo "$object: $count fused multiply-adds" >&2
    grep -E "$fused" "$listing" | head -n 3 >&2
    status=1
  fi
done
[ $status -eq 0 ] && echo "no fused multiply-add in $# object files"
exit $status
