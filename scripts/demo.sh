#!/usr/bin/env bash
# The main job, on real text: splits the State of the Union address, embeds it, indexes it with FAISS, saves it, loads it, searches it; then builds the
# npm package and searches the same file in Node.
#
#   scripts/demo.sh [QUESTION...]
#
# Sets up what it needs on a Debian machine and says so; safe to repeat. The first run builds FAISS, a model runtime and the
# npm package (about fifteen minutes on two cores).
set -euo pipefail
. "$(dirname "${BASH_SOURCE[0]}")/common.sh"

question=${*:-What did the president say about Ketanji Brown Jackson}
set_up

embeddings=local
fetch_model || embeddings=lexical
if [ "$embeddings" = lexical ]; then
  say "The model cannot be had: using the built-in lexical embedding, which matches words and not meaning"
fi

say "Building twindex (FAISS is compiled from source the first time)"
cargo build --release --locked -p twindex --features full
twindex=target/release/twindex
index=target/demo

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

say "Your own text: $twindex build YOUR_FOLDER -o INDEX, then $twindex search INDEX \"a question\" (see $twindex --help)"
