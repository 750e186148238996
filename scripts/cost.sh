#!/usr/bin/env bash
# How the cost of a search grows from 1,000 to 1,000,000 vectors, natively and in WebAssembly: tests/bench/COST.md and cost.svg.
#
#   scripts/cost.sh [--most ROWS]
#
# Takes half an hour on two cores and 8 GB of memory, after scripts/glosses.sh has made its data (half an hour more, once). TWINDEX_DATA names another folder laid out like data/wordnet.
set -euo pipefail
. "$(dirname "${BASH_SOURCE[0]}")/common.sh"

set_up
folder=${TWINDEX_DATA:-$(scripts/glosses.sh | tail -n 1)}
say "Building the benchmark (FAISS is compiled from source the first time)"
cargo build --release --locked -p twindex-tests --bin bench
pack_npm
say "Measuring over $folder"
node tests/bench/cost.mjs "$folder" --bench "${CARGO_TARGET_DIR:-target}/release/bench" "$@"
say "Ready: tests/bench/COST.md, tests/bench/cost.svg"
