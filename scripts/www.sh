#!/usr/bin/env bash
# The web app, whole: builds a reverse dictionary natively from WordNet's definitions with the real model and FAISS, builds the page around the npm package,
# and serves it on this machine. The same file is built by Rust and searched in the browser.
#
#   scripts/www.sh [--all | --entries N] [--port 4173] [--no-serve] [--packed]
#
# --all takes all 117,000 entries in place of the 20,000 likeliest; --packed takes the npm package as it is in wasm/. What is built is kept in
# .cache/www and used again. Sets up what it needs on a Debian machine and says so; the first run builds FAISS, a model runtime and the npm package, and
# embeds the definitions.
set -euo pipefail
. "$(dirname "${BASH_SOURCE[0]}")/common.sh"

entries=20000
port=4173
serve=yes
packed=no
while [ $# -gt 0 ]; do
  case $1 in
    --all) entries=all ;;
    --entries) entries=${2:?--entries takes a number}; shift ;;
    --port) port=${2:?--port takes a number}; shift ;;
    --no-serve) serve=no ;;
    --packed) packed=yes ;;
    *) fail "unknown option $1: scripts/www.sh [--all | --entries N] [--port N] [--no-serve] [--packed]" ;;
  esac
  shift
done

set_up
need_packages wordnet-base
need_node

embeddings=(--embeddings local)
if ! fetch_model; then
  say "The model cannot be had: the dictionary will match words, not meaning"
  embeddings=(--embeddings lexical --dim 1024)
  TWINDEX_MODEL_DIR=
fi

say "Building twindex (FAISS is compiled from source the first time)"
cargo build --release --locked -p twindex --features full
twindex=${CARGO_TARGET_DIR:-target}/release/twindex

work=${TWINDEX_CACHE:-$repository/.cache}/www
mkdir -p "$work"
say "Reading WordNet"
glosses=$work/glosses-$entries.jsonl
if [ "$entries" = all ]; then
  node scripts/wordnet.mjs --all >"$glosses"
else
  node scripts/wordnet.mjs --entries "$entries" >"$glosses"
fi
wc -l <"$glosses" | sed 's/$/ entries/'

# Built anew when its texts or what embeds them change.
weights=${TWINDEX_MODEL_DIR:+$TWINDEX_MODEL_DIR/model.safetensors}
index=$work/$(cat "$glosses" ${weights:+"$weights"} <(echo "${embeddings[*]}") | sha256sum | cut -c1-16).twindex
if [ ! -f "$index" ]; then
  say "twindex build: embed, index with FAISS, save"
  "$twindex" build "$glosses" -o "$work/new.twindex" --metric cosine "${embeddings[@]}"
  mv "$work/new.twindex" "$index"
fi
"$twindex" info "$index"

# Its 128 lists take some 40 entries each to train on.
approximate=
[ "$(wc -l <"$glosses")" -lt 5000 ] || approximate=${index%.twindex}-ivf.twindex
if [ -n "$approximate" ] && [ ! -f "$approximate" ]; then
  say "The same entries in an IVF index with 8-bit codes, to compare with"
  "$twindex" list "$index" --jsonl --vectors |
    "$twindex" build - --input-format jsonl -o "$work/new.twindex" --metric cosine --index-factory IVF128,SQ8 --nprobe 8
  mv "$work/new.twindex" "$approximate"
fi

say "The same search, natively"
"$twindex" search "$index" "fear of being in open places" -k 3 "${embeddings[@]}"

[ "$packed" = yes ] || pack_npm
say "Building the page"
(cd www && npm ci --silent --no-audit --no-fund --ignore-scripts)
mkdir -p www/public/data
# The licence at the head of each of WordNet's files has to go with what is made of them.
sed -n 's/^  *[0-9]* //p;/^[0-9]/q' /usr/share/wordnet/data.noun >www/public/data/wordnet-licence.txt
node www/scripts/site.mjs --index "$index" ${approximate:+--approximate "$approximate"} --twindex "$twindex" ${TWINDEX_MODEL_DIR:+--model "$TWINDEX_MODEL_DIR"} --out www/public/data -- "${embeddings[@]}"
(cd www && npm run --silent build)

[ "$serve" = yes ] || exit 0
say "Open http://127.0.0.1:$port/ (Ctrl-C ends it)"
cd www
exec npx vite preview --host 127.0.0.1 --port "$port" --strictPort --logLevel warn
