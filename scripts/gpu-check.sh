#!/usr/bin/env bash
# Builds what shows that Twindex works on NVIDIA cards, and runs it: see tests/src/bin/gpu_check.rs. Outside scripts/test.sh: it needs CUDA, and building takes long.
#
#   scripts/gpu-check.sh [ARGUMENT...]            builds, lints, tests and runs `gpu-check ARGUMENT...`; exit code 3 where there is no card
#   scripts/gpu-check.sh --pack FILE.tar.xz [DIR] builds and packs the program with the libraries it needs (but CUDA's) and a folder laid out like data/wordnet, for a
#                                                 machine that has a card, CUDA's runtime and cuBLAS, and nothing else; there: tar xf FILE.tar.xz && gpu-check/run
set -euo pipefail
. "$(dirname "${BASH_SOURCE[0]}")/common.sh"

pack=''
folder=''
if [ "${1:-}" = --pack ]; then
  pack=${2:?--pack takes a file}
  folder=${3:-}
  set --
fi
set_up
environment=$(scripts/cuda.sh)
eval "$environment"
say "Building FAISS for cards and gpu-check (FAISS the first time: 17 to 32 minutes on two cores)"
cargo build --release --locked -p twindex-tests --features gpu --bin gpu-check
program=$CARGO_TARGET_DIR/release/gpu-check

if [ -n "$pack" ]; then
  say "Packing"
  work=$(mktemp -d)
  trap 'rm -rf "$work"' EXIT
  mkdir -p "$work/gpu-check/lib"
  strip -o "$work/gpu-check/gpu-check" "$program"
  ldd "$program" | awk '$2 == "=>" && $3 ~ /^\// { print $3 }' | grep -Ev '/(libcuda|libcudart|libcublas|libcublasLt|libc|libm|libdl|librt|libpthread)\.so' |
    xargs -I{} cp -L {} "$work/gpu-check/lib/"
  [ -z "$folder" ] || cp -r "$folder" "$work/gpu-check/data"
  cat >"$work/gpu-check/run" <<'RUN'
#!/usr/bin/env bash
# Runs gpu-check with CUDA's runtime and cuBLAS, wherever this machine has them.
set -euo pipefail
here=$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd)
path=$here/lib
for library in libcudart.so.13 libcublas.so.13; do
  found=$(ldconfig -p 2>/dev/null | sed -n "s/.*$library.* => //p" | head -n 1)
  [ -n "$found" ] || found=$(find / -name "$library" -not -path '/proc/*' 2>/dev/null | head -n 1 || true)
  [ -n "$found" ] || { echo "$library is not on this machine" >&2; exit 2; }
  path=$path:$(dirname "$found")
done
[ ! -d "$here/data" ] || set -- "$here/data" "$@"
LD_LIBRARY_PATH=$path${LD_LIBRARY_PATH:+:$LD_LIBRARY_PATH} exec "$here/gpu-check" "$@"
RUN
  chmod +x "$work/gpu-check/run"
  tar -C "$work" -cJf "$pack" gpu-check
  ls -l "$pack"
  exit 0
fi

say "Lint and tests of what needs CUDA to be compiled"
cargo clippy --release --locked -p twindex --features gpu,full --all-targets -- -D warnings
cargo clippy --release --locked -p twindex-tests --features gpu --all-targets -- -D warnings
cargo test --release --locked -p twindex --features gpu,cli --lib --test device --test cli
say "gpu-check"
exec "$program" "$@"
