#!/usr/bin/env bash
# The main job, on real text: splits the State of the Union address, embeds it, indexes it with FAISS, saves it, loads it, searches it; then builds the
# npm package and searches the same file in Node; then scripts/www.sh: builds a reverse dictionary, and serves the page that searches it in a browser.
#
#   scripts/demo.sh [--no-serve] [QUESTION...]
#
# Sets up what it needs on a Debian machine and says so; safe to repeat. The first run builds FAISS, a model runtime and the
# npm package (about twenty minutes on two cores), and embeds 20,000 definitions (a few more). The page is served until Ctrl-C; --no-serve ends before.
set -euo pipefail
. "$(dirname "${BASH_SOURCE[0]}")/common.sh"

serve=()
if [ "${1:-}" = --no-serve ]; then
  serve=(--no-serve)
  shift
fi
question=${*:-What did the president say about Ketanji Brown Jackson}
set_up

embeddings=local
fetch_model || embeddings=lexical
if [ "$embeddings" = lexical ]; then
  say "The model cannot be had: using the built-in lexical embedding, which matches words and not meaning"
fi

say "Building twindex (FAISS is compiled from source the first time)"
cargo build --release --locked -p twindex --features full
twindex=${CARGO_TARGET_DIR:-target}/release/twindex
index=${CARGO_TARGET_DIR:-target}/demo

say "twindex build: split, embed, index with FAISS, save"
"$twindex" build tests/data/sotu/sotu.txt -o "$index" --embeddings "$embeddings" --splitter recursive \
  --chunk-size 500 --chunk-overlap 50 --metric cosine

say "twindex info: what was saved"
"$twindex" info "$index"

say "twindex search: load it and ask \"$question\""
"$twindex" search "$index" "$question" --embeddings "$embeddings" -k 3

say "the same, more varied: --mmr"
"$twindex" search "$index" "$question" --embeddings "$embeddings" -k 3 --mmr

need_node
pack_npm
say "the same file in WebAssembly, in Node: what else is said about its first passage"
node scripts/demo.mjs "$index"

say "Your own text, natively: $twindex build YOUR_FOLDER -o INDEX, then $twindex search INDEX \"a question\" (see $twindex --help)"

say "The web app: a dictionary built natively, searched in the browser by meaning; your own texts too"
exec scripts/www.sh --packed "${serve[@]}"
