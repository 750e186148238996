#!/usr/bin/env bash
# Sets up what is needed and runs every check and every test. Safe to repeat.
#
# Data too large to commit is read from the folder TWINDEX_SHARED (default: ../shared beside the repository); in CI a missing
# folder is a failure, elsewhere the tests that need it say so.
set -euo pipefail
. "$(dirname "${BASH_SOURCE[0]}")/common.sh"

set_up
fetch_model || [ -z "${CI:-}" ] || fail "CI needs the embedding model"

say "Format and lint"
cargo fmt --all --check
cargo clippy --release --locked --workspace --all-targets --all-features -- -D warnings

say "Documentation"
RUSTDOCFLAGS="-D warnings" cargo doc --release --locked --no-deps --workspace --all-features

say "The core and the embedder for wasm32-unknown-unknown"
cargo check --locked -p twindex-core --target wasm32-unknown-unknown
RUSTFLAGS='--cfg getrandom_backend="wasm_js"' \
  cargo check --locked -p twindex-embed --target wasm32-unknown-unknown

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

say "All tests passed"
