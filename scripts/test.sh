#!/usr/bin/env bash
# Sets up what is needed and runs every check and every test. Safe to repeat.
#
# Data too large to commit is read from the folder TWINDEX_SHARED (default: ../shared beside the repository); in CI a missing
# folder is a failure, elsewhere the tests that need it say so.
set -euo pipefail
. "$(dirname "${BASH_SOURCE[0]}")/common.sh"

set_up
need_packages chromium firefox-esr wordnet-base
need_node
fetch_model || [ -z "${CI:-}" ] || fail "CI needs the embedding model"

# All features but `gpu`, which needs CUDA: scripts/gpu-check.sh checks that.
most_features=(--features twindex/full,twindex-core/testkit,twindex-wasm/approximate,twindex-wasm/halves,twindex-wasm/interop)

say "Format and lint"
cargo fmt --all --check
cargo clippy --release --locked --workspace --all-targets "${most_features[@]}" -- -D warnings

say "Documentation"
RUSTDOCFLAGS="-D warnings" cargo doc --release --locked --no-deps --workspace "${most_features[@]}"
RUSTDOCFLAGS="-D warnings" cargo doc --locked --no-deps --document-private-items -p twindex-wasm -p twindex-simd128 \
  --target wasm32-unknown-unknown --config 'target.wasm32-unknown-unknown.rustflags=["-Ctarget-feature=+simd128"]'

say "The core and the embedder for wasm32-unknown-unknown"
cargo check --locked -p twindex-core --target wasm32-unknown-unknown
embedder=(--locked -p twindex-embed-wasm --target wasm32-unknown-unknown
  --config 'target.wasm32-unknown-unknown.rustflags=["--cfg=getrandom_backend=\"wasm_js\""]')
cargo clippy "${embedder[@]}" -- -D warnings
RUSTDOCFLAGS="-D warnings" cargo doc --no-deps --document-private-items "${embedder[@]}"

say "Tests of the core (debug checks on)"
cargo test --locked -p twindex-core --features testkit

say "Tests without FAISS (no C++ compiler)"
CXX=/nonexistent CMAKE=/nonexistent cargo test --release --locked -p twindex --no-default-features --lib --tests

say "Tests of everything else"
cargo test --release --locked -p twindex-embed
cargo test --release --locked -p twindex --features full
cargo test --release --locked -p twindex-tests

say "Conformance with LangChain on the committed oracle"
cargo run --release --locked -q -p twindex-tests --bin conformance -- tests/data/oracle

say "What FAISS and LangChain wrote, on both engines"
cargo run --release --locked -q -p twindex-tests --bin fixtures -- tests/data/fixtures

say "What Twindex writes, read by the real FAISS and LangChain"
cargo build --release --locked -q -p twindex --features full
need_python_libraries
written=$(mktemp -d)
"$python" -W ignore tests/python/read_back.py target/release/twindex tests/data/fixtures "$written"
rm -rf "$written"

say "Fuzzing: a minute for each reader of what others wrote, and for filters"
need_cargo_fuzz
core/fuzz/seed.sh
for target in faiss filter langchain langchain_js; do
  # Without a sanitizer it needs no nightly compiler; safe Rust has little for one to find.
  (cd core && RUSTC_BOOTSTRAP=1 cargo fuzz run --sanitizer none "$target" -- -max_total_time=60 -rss_limit_mb=2048 -timeout=20 -max_len=65536 -verbosity=0 -print_final_stats=1)
done

# The same suites under WASI; tests that expect a panic are natively only, since a panic ends the module.
wasi() {
  local features=$1 flags=$2
  shift 2
  cargo test --locked --target wasm32-wasip1 --config "target.wasm32-wasip1.rustflags=[\"-Ctarget-feature=$features\"]" \
    --config "target.wasm32-wasip1.runner=[\"node\",\"--no-warnings\",$flags\"$repository/wasm/scripts/wasi.mjs\"]" "$@"
}
say "The core in WebAssembly"
wasi +simd128 '' -p twindex-core --features testkit --lib
say "The scan kernel in WebAssembly, plain and relaxed SIMD"
wasi +simd128 '' -p twindex-simd128 --features approximate,halves
relaxed='' # Newer engines have it without a flag, and do not know the flag. Node 20's first compiler gets its dot product wrong.
node --experimental-wasm-relaxed-simd -e '' 2>/dev/null && relaxed='"--experimental-wasm-relaxed-simd","--no-liftoff",'
wasi +simd128,+relaxed-simd "$relaxed" -p twindex-simd128 --features approximate,halves

pack_npm
say "Lint and types of the npm package"
for features in +simd128 +simd128,+relaxed-simd; do
  for more in '' approximate approximate,halves; do
    cargo clippy --locked -p twindex-wasm -p twindex-simd128 --features "$more" --target wasm32-unknown-unknown \
      --config "target.wasm32-unknown-unknown.rustflags=[\"-Ctarget-feature=$features\"]" -- -D warnings
  done
done
(cd tests/js && npm ci --silent --no-audit --no-fund --ignore-scripts)
(cd wasm && npm run --silent check)

say "The web app, built"
scripts/www.sh --no-serve --packed
(cd www && npm run --silent check)

say "Tests of the npm package, from its tarball, in Node and in browsers, and of the web app"
node --test --test-concurrency=1 tests/js/*.test.mjs tests/js/lib/*.test.mjs tests/js/lib/model/*.test.mjs
node tests/js/conformance.mjs tests/data/oracle
node tests/js/conformance.mjs tests/data/oracle --entry worker
node tests/js/fixtures.mjs tests/data/fixtures
node tests/js/fixtures.mjs tests/data/fixtures --entry worker

shared=${TWINDEX_SHARED:-../shared}
if [ -d "$shared/data/wordnet" ]; then
  say "Exact neighbours in Node, and the same bytes and answers on both targets"
  node tests/js/recall.mjs "$shared/data/wordnet"
  exchanged=$(mktemp -d)
  trap 'rm -rf "$exchanged"' EXIT
  cargo run --release --locked -q -p twindex-tests --bin exchange -- "$shared/data/wordnet" "$exchanged"
  node tests/js/exchange.mjs "$exchanged" "$shared/data/wordnet"
  cargo run --release --locked -q -p twindex-tests --bin exchange -- "$shared/data/wordnet" "$exchanged" --check
elif [ -n "${CI:-}" ]; then
  fail "CI needs the folder $shared (TWINDEX_SHARED)"
else
  say "Not run: comparisons over the WordNet pack, which is not in $shared (TWINDEX_SHARED)"
fi

say "The npm package in every environment"
node tests/js/packaging.mjs

say "All tests passed"
