#!/usr/bin/env bash
# Makes a data folder laid out like data/wordnet of all WordNet definitions (some 116,000), embedded by the real model natively, for the benchmarks:
#
#   cargo run --release -p twindex-tests --bin bench -- "$(scripts/glosses.sh | tail -n 1)"
#
# The last line of standard output is the folder, ${TWINDEX_CACHE:-<repository>/.cache}/glosses. It takes about a minute for each of 30 parts
# on two busy cores. Run again, it does nothing; interrupted, it goes on with the definitions that are missing. TWINDEX_PROGRAM names a
# `twindex` to use instead of building one. Sets up what it needs on a Debian machine.
set -euo pipefail
. "$(dirname "${BASH_SOURCE[0]}")/common.sh"

# Definitions between one point where it can go on and the next.
part_lines=4000

# What people read goes to standard error: standard output has the folder.
exec 3>&1 >&2

need_packages wordnet-base
need_node
fetch_model || fail "the embedding model cannot be had"
twindex=${TWINDEX_PROGRAM:-}
if [ -z "$twindex" ]; then
  set_up
  say "Building twindex (FAISS is compiled from source the first time)"
  cargo build --release --locked -p twindex --features full
  twindex=${CARGO_TARGET_DIR:-target}/release/twindex
fi

folder=${TWINDEX_CACHE:-$repository/.cache}/glosses
work=$folder.parts
mkdir -p "$folder" "$work"
say "Reading WordNet"
node scripts/glosses.mjs "$work/texts"

# Begun anew when the texts or the model change.
made_of=$(cat "$work"/texts/*.jsonl "$TWINDEX_MODEL_DIR/model.safetensors" <(echo "$part_lines") | sha256sum | cut -d' ' -f1)
if [ "$(cat "$folder/made-of.txt" 2>/dev/null)" = "$made_of" ]; then
  say "Already there: $folder"
  rm -rf "$work"
  echo "$folder" >&3
  exit 0
fi
if [ "$(cat "$work/made-of.txt" 2>/dev/null)" != "$made_of" ]; then
  rm -rf "$work"/lines-* "$work"/*.twindex
  echo "$made_of" >"$work/made-of.txt"
fi

# Embeds the lines of a file, unless an earlier run has: the store appears when it is whole.
embed() {
  [ -f "$2" ] || "$twindex" --quiet build "$1" --input-format jsonl -o "$2" --engine flat --embeddings local >/dev/null
}

split -l "$part_lines" -d -a 3 "$work/texts/corpus.jsonl" "$work/lines-"
say "twindex build: embedding"
embed "$work/texts/query-texts.jsonl" "$work/queries.twindex"
parts=("$work"/lines-???)
for part in "${parts[@]}"; do
  embed "$part" "$part.twindex"
  echo "  ${part##*-} of ${#parts[@]} parts"
done

ids() { node -e 'for (const line of require("fs").readFileSync(0, "utf8").trimEnd().split("\n")) console.log(JSON.parse(line).id)'; }

# Writes the vectors of a store, which has to hold the documents of a file, in their order.
vectors_of() {
  "$twindex" --quiet convert "$1" "$work/vectors.npy" --force >/dev/null
  cmp <(ids <"$work/vectors.jsonl") <(ids <"$2") || fail "$1 does not hold the documents of $2"
  mv "$work/vectors.npy" "$3"
}

say "Putting the parts together"
stores=("${parts[@]/%/.twindex}")
cp "${stores[0]}" "$work/all.twindex"
[ "${#stores[@]}" -eq 1 ] || "$twindex" --quiet merge "$work/all.twindex" "${stores[@]:1}" --engine flat >/dev/null
rm -f "$folder/made-of.txt"
vectors_of "$work/all.twindex" "$work/texts/corpus.jsonl" "$folder/embeddings.npy"
vectors_of "$work/queries.twindex" "$work/texts/queries.jsonl" "$folder/query_embeddings.npy"
mv "$work/texts/corpus.jsonl" "$work/texts/queries.jsonl" "$folder"
# The licence at the head of each of WordNet's files has to go with what is made of them.
sed -n 's/^  *[0-9]* //p;/^[0-9]/q' /usr/share/wordnet/data.noun >"$folder/LICENSE-WordNet.txt"
echo "$made_of" >"$folder/made-of.txt"
rm -rf "$work"
say "Ready: $folder"
echo "$folder" >&3
