#!/usr/bin/env bash
# The CUDA toolkit that `--features gpu` builds FAISS with. Needs no GPU and no driver.
#
#   scripts/cuda.sh cargo build --release --features gpu     runs a command in the toolkit's environment
#   eval "$(scripts/cuda.sh)"                                or sets that environment in this shell
#
# The toolkit is the system's (CUDA_PATH, the nvcc on the PATH, or /usr/local/cuda) or, without one, NVIDIA's Python packages from PyPI, about 0.6 GB to fetch,
# in ${TWINDEX_CACHE:-<repository>/.cache}/cuda-13.0. TWINDEX_CUDA=pypi passes over the system's. Code is made for the architectures in CUDAARCHS, as CMake writes
# them (default 90, Hopper). Each set of architectures has a build folder of its own below CARGO_TARGET_DIR, since cargo does not see that the variable changed.
#
# Safe to repeat and to interrupt: packages already fetched are kept until all are there, the folder appears whole, and CMake goes on with the files that it had compiled.
set -euo pipefail
here=$PWD
. "$(dirname "${BASH_SOURCE[0]}")/common.sh"
# The command runs where it was called, with the paths that it was given.
cd "$here"

say() { echo "cuda.sh: $*" >&2; }

# One release of each, so that the compiler, its headers and the libraries fit each other.
packages=(nvidia-cuda-nvcc==13.0.88 nvidia-cuda-crt==13.0.88 nvidia-nvvm==13.0.88 'nvidia-cuda-runtime==13.0.*' 'nvidia-cuda-cccl==13.0.*'
  'nvidia-cuda-profiler-api==13.0.*' 'nvidia-cublas==13.0.*' 'nvidia-curand==10.4.0.*')

is_toolkit() { [ -x "$1/bin/nvcc" ] && [ -e "$1/include/cuda_runtime.h" ] && [ -e "$1/lib64/libcublas.so" ] && [ -e "$1/lib64/libcudart.so" ]; }

# The system's toolkit, if it has a whole one.
of_the_system() {
  local found
  [ "${TWINDEX_CUDA:-}" != pypi ] || return 1
  found=$(command -v nvcc || true)
  for found in "${CUDA_PATH:-}" "${found:+$(dirname "$(dirname "$(readlink -f "$found")")")}" /usr/local/cuda; do
    if [ -n "$found" ] && is_toolkit "$found"; then
      (cd "$found" && pwd)
      return 0
    fi
  done
  return 1
}

# The toolkit from PyPI, fetched once; prints its folder.
of_pypi() {
  local cache folder part toolkit library
  cache=${TWINDEX_CACHE:-$repository/.cache}
  mkdir -p "$cache"
  cache=$(cd "$cache" && pwd)
  folder=$cache/cuda-13.0
  if is_toolkit "$folder/nvidia/cu13"; then
    echo "$folder/nvidia/cu13"
    return 0
  fi
  [ "$(uname -s)-$(uname -m)" = Linux-x86_64 ] || fail "PyPI's CUDA is fetched for Linux on x86-64 alone: install the CUDA toolkit and set CUDA_PATH"
  python3 -m pip --version >/dev/null 2>&1 || need_packages python3 python3-pip
  say "fetching CUDA 13.0 from PyPI (about 0.6 GB, once)"
  python3 -m pip download --quiet --disable-pip-version-check --no-deps --only-binary :all: --dest "$cache/cuda-wheels" "${packages[@]}" >&2 ||
    fail "pip could not download CUDA; run this again to go on"
  say "unpacking it"
  # Not removed if this is interrupted: the next run starts over in it.
  part=$cache/cuda-13.0.part
  rm -rf "$part"
  python3 -m pip install --quiet --disable-pip-version-check --no-warn-script-location --root-user-action ignore --no-compile --no-deps --no-index --target "$part" "$cache"/cuda-wheels/*.whl >&2
  toolkit=$part/nvidia/cu13
  # Linkers look for the names without a version, CMake and cargo in lib64.
  ln -sfn lib "$toolkit/lib64"
  for library in cudart cublas cublasLt curand; do
    [ -e "$toolkit/lib/lib$library.so" ] || ln -s "$(cd "$toolkit/lib" && ls "lib$library".so.* | head -n 1)" "$toolkit/lib/lib$library.so"
  done
  is_toolkit "$toolkit" || fail "PyPI's packages are not laid out as expected, in $part"
  rm -rf "$folder"
  mv "$part" "$folder"
  rm -rf "$cache/cuda-wheels"
  echo "$folder/nvidia/cu13"
}

command -v cmake >/dev/null && command -v g++ >/dev/null || need_packages build-essential cmake libopenblas-dev
if toolkit=$(of_the_system); then
  say "the system's CUDA toolkit, $toolkit"
else
  toolkit=$(of_pypi)
  say "CUDA from PyPI, $toolkit"
fi
architectures=${CUDAARCHS:-90}
target=${CARGO_TARGET_DIR:-$repository/target}/cuda-${architectures//;/-}
say "$("$toolkit/bin/nvcc" --version | sed -n 's/.*release \([0-9.]*\).*/nvcc \1/p') for architecture $architectures, building in $target"

environment=(
  "CUDA_PATH=$toolkit" "CUDAToolkit_ROOT=$toolkit" "CUDACXX=$toolkit/bin/nvcc" "CUDAARCHS=$architectures"
  "CARGO_TARGET_DIR=$target"
  # Programs find libcudart and libcublas here when they run on this machine; elsewhere set it to where they lie.
  "LD_LIBRARY_PATH=$toolkit/lib64${LD_LIBRARY_PATH:+:$LD_LIBRARY_PATH}"
)
if [ $# -gt 0 ]; then
  exec env "${environment[@]}" "$@"
fi
printf 'export %q\n' "${environment[@]}"
