#!/usr/bin/env bash
# Puts the fixtures that are small into the targets' corpora: seed.sh
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")"
fixtures=../../tests/data/fixtures
mkdir -p corpus/faiss corpus/langchain corpus/langchain_js
while IFS= read -r -d '' file; do
  name=$(printf '%s' "${file#"$fixtures"/}" | tr '/ ' '--')
  case $file in
  *.faiss) cp "$file" "corpus/faiss/$name" ;;
  # The first byte tells what follows, and of how many documents.
  */serialized.pkl) { printf '\0'; cat "$file"; } >"corpus/langchain/$name" ;;
  *.pkl) { printf '\051'; cat "$file"; } >"corpus/langchain/$name" ;;
  */docstore.json) { printf '\012'; cat "$file"; } >"corpus/langchain_js/$name" ;;
  */faiss.index) { printf '\0'; cat "$file"; } >"corpus/langchain_js/$name" ;;
  esac
done < <(find "$fixtures" -type f -size -40k -print0)
mkdir -p corpus/filter
printf '%s\n' '{"a": {"$gte": 1}, "$or": [{"b": "x"}, {"$not": {"tags": {"$contains": "y"}}}]}' '{"a": 1.5, "b": "x"}' '{"a": 2, "tags": ["y", 1]}' \
  '{"a": true}' '-1' '{}' '=' '{"a": 1, "tags": []}' >corpus/filter/mixed
printf '%s\n' '{"in.b": {"$in": [null, 1, [1], {"c": 2}]}, "a": {"$ne": 9007199254740993}}' '{"in": {"b": 1}}' '{"in.b": {"c": 2}}' '=' \
  '{"a": 9007199254740992.0, "in": {"b": [1.0]}}' '-0' '{"a": 9007199254740993}' >corpus/filter/paths
for target in faiss filter langchain langchain_js; do
  [ ! -d "crashes/$target" ] || cp "crashes/$target"/* "corpus/$target/"
  echo "$target: $(ls "corpus/$target" | wc -l) seeds"
done
