#!/bin/sh
# Fails when the kernels' object code holds a fused multiply-add: such an instruction rounds once where the format's
# definition rounds twice, and would change bytes. Arguments: object files; by default those of every build here.
set -eu
root=$(cd "$(dirname "$0")/.." && pwd)
if [ $# -eq 0 ]; then
  set -- $(find "$root/.build/" -path '*CQuantKernels.build*' -name '*.o')
fi
if [ $# -eq 0 ]; then
  echo "no object files; build first" >&2
  exit 2
fi
status=0
for object in "$@"; do
  # vfmadd, vfmsub, vfnmadd, vfnmsub on x86; fmla, fmls, fmadd, fmsub, fnmadd, fnmsub on AArch64.
  count=$(objdump -d --no-show-raw-insn "$object" | grep -cE '[[:space:]](vfn?m(add|sub)|fn?m(add|sub)|fml[as])' || true)
  if [ "$count" -ne 0 ]; then
    echo "$object: $count fused multiply-adds" >&2
    status=1
  fi
done
[ $status -eq 0 ] && echo "no fused multiply-add in $# object files"
exit $status
