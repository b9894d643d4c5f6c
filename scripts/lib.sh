# Shared by the scripts beside it; source it, do not run it.
# Installs what is missing: libzstd's headers, and for the conformance checks a Python environment with peers.

set -euo pipefail
root=$(cd "$(dirname "${BASH_SOURCE[0]}")/.." && pwd)
cd "$root"

say() { printf '\n== %s\n' "$*"; }

as_root() {
  if [ "$(id -u)" = 0 ]; then "$@"; elif command -v sudo > /dev/null; then sudo "$@"; else
    echo "error: this needs root: $*" >&2
    exit 1
  fi
}

need_packages() {
  # $1: a file that shows that the packages are there; the rest: Debian packages.
  local evidence=$1 answer
  shift
  if ! compgen -G "$evidence" > /dev/null; then
    command -v apt-get > /dev/null || { echo "error: install by hand: $*" >&2; exit 1; }
    # A person is asked; a script or CI is not there to answer.
    if [ -t 0 ] && [ -t 2 ] && [ -z "${CI:-}" ]; then
      read -r -p "Install $* with apt-get? [Y/n] " answer
      case $answer in [Nn]*) echo "error: install by hand: $*" >&2; exit 1 ;; esac
    fi
    say "installing $*"
    as_root apt-get update -qq
    as_root env DEBIAN_FRONTEND=noninteractive apt-get install -y -qq "$@"
  fi
}

need_toolchain() {
  command -v swift > /dev/null || {
    echo "error: no Swift toolchain (6.3 or later) on the PATH" >&2
    exit 1
  }
  if [ "$(uname)" = Linux ]; then
    need_packages '/usr/include/zstd.h' libzstd-dev
    need_packages '/usr/lib/*/librsvg-2.so.2' librsvg2-2 pkg-config
  elif [ "$(uname)" = Darwin ]; then
    pkg-config --exists libzstd librsvg-2.0 2> /dev/null || {
      command -v brew > /dev/null || { echo "error: install zstd, librsvg and pkg-config first" >&2; exit 1; }
      say "installing zstd, librsvg and pkg-config"
      brew install zstd librsvg pkg-config
    }
  fi
}

# A Python environment with the peers that the conformance checks compare with.
# Sets $peer_python. A peer that cannot be installed is an error, not a reason to skip.
need_peers() {
  if ! python3 -c 'import venv, ensurepip' 2> /dev/null; then
    need_packages '/nonexistent' python3 python3-venv
  fi
  peer_python="$root/.build-peers/bin/python"
  if ! "$peer_python" -c 'import xllamacpp, gguf, numpy' 2> /dev/null; then
    say "installing the peers xllamacpp and gguf into .build-peers"
    python3 -m venv .build-peers
    "$peer_python" -m pip install -q --disable-pip-version-check xllamacpp gguf numpy
  fi
}

# The compiler's output goes to a file; it is shown when the build fails.
build_release() {
  local log=.build/release-build.log
  say "building (release); output in $log"
  mkdir -p .build
  swift build -c release > "$log" 2>&1 || { tail -n 60 "$log" >&2; exit 1; }
  bin=$(swift build -c release --show-bin-path)
}

# Prints the path of the tool of swift-argument-parser that writes manual pages, after building it.
manual_tool() {
  swift build -c release --product generate-manual >> .build/release-build.log 2>&1 \
    || { tail -n 20 .build/release-build.log >&2; exit 1; }
  echo "$bin/generate-manual"
}
