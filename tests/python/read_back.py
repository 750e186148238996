"""What Twindex writes, opened by the real FAISS and the real LangChain: read_back.py TWINDEX FIXTURES FOLDER.

TWINDEX is the command line, FIXTURES is tests/data/fixtures, FOLDER an empty folder to work in. Stores that LangChain wrote go through Twindex's
own file and back; the real libraries then have to find in them what they had written. Ends with `N passed, M failed`.
"""

import json
import subprocess
import sys
from pathlib import Path

import faiss
import numpy
import pyarrow.parquet
from langchain_community.docstore.in_memory import InMemoryDocstore
from langchain_community.vectorstores import FAISS
from langchain_core.documents import Document
from langchain_core.embeddings import Embeddings

twindex, fixtures, folder = sys.argv[1], Path(sys.argv[2]), Path(sys.argv[3])
passed, failed = 0, 0


class Never(Embeddings):
    """Vectors come with the queries."""

    def embed_documents(self, texts):
        raise AssertionError("nothing is embedded")

    def embed_query(self, text):
        raise AssertionError("nothing is embedded")


def convert(source, target, *options):
    subprocess.run([twindex, "convert", str(source), str(target), "--quiet", "--force", *options], check=True, stdout=subprocess.DEVNULL)


def check(name, holds, detail=""):
    global passed, failed
    if holds:
        passed += 1
    else:
        failed += 1
        print(f"{name}: {detail}")


def near(a, b):
    return len(a) == len(b) and all(abs(x - y) <= 1e-5 * max(abs(y), 1.0) for x, y in zip(a, b))


def same_answers(name, store, expected):
    """The ids and scores that LangChain had given for the store it wrote."""
    for query in expected.get("queries", []):
        found = store.similarity_search_with_score_by_vector(query["embedding"], k=query["k"])
        wanted = query["results"]
        check(name, [doc.id for doc, _ in found] == [hit["id"] for hit in wanted], f"ids {[doc.id for doc, _ in found]}")
        check(name, near([float(score) for _, score in found], [hit["score"] for hit in wanted]), "scores")


def same_documents(name, store, expected):
    for position, doc in enumerate(expected["docs"]):
        found = store.docstore.search(store.index_to_docstore_id[position])
        check(name, isinstance(found, Document) and found.page_content == doc["page_content"], f"text of {doc['id']}")
        check(name, found.id == doc["id"], f"id {found.id}")
        check(name, found.metadata == doc["metadata"], f"metadata of {doc['id']}: {found.metadata}")


stores = ["flat_l2", "flat_ip", "after_delete", "after_merge", "unicode_nested", "many_docs", "normalized_l2", "custom_hnsw", "custom_ivf"]
for name in stores:
    expected = json.loads((fixtures / "langchain" / name / "expected.json").read_text())
    own = folder / f"{name}.twindex"
    convert(fixtures / "langchain" / name, own)
    normalize = ["--normalize"] if expected["normalize_L2"] else []
    options = {"normalize_L2": expected["normalize_L2"], "distance_strategy": expected["distance_strategy"]}

    convert(own, folder / name)
    store = FAISS.load_local(str(folder / name), Never(), allow_dangerous_deserialization=True, **options)
    same_documents(name, store, expected)
    same_answers(name, store, expected)
    # It is a store like any other: it grows, and is saved again.
    dim = store.index.d
    if not name.startswith("custom"):
        store.add_embeddings([("one more", [0.5] * dim)], ids=["one more"])
        check(name, store.index.ntotal == expected["ntotal"] + 1)
        store.delete(["one more"])
        same_answers(f"{name}, changed", store, expected)

    convert(own, folder / f"{name}.pkl")
    store = FAISS.deserialize_from_bytes((folder / f"{name}.pkl").read_bytes(), Never(), allow_dangerous_deserialization=True, **options)
    same_documents(f"{name}.pkl", store, expected)
    same_answers(f"{name}.pkl", store, expected)

    # A table that any tool reads, and one that such a tool has written.
    convert(own, folder / f"{name}.parquet")
    table = pyarrow.parquet.read_table(folder / f"{name}.parquet")
    check(name, table.column("id").to_pylist() == [doc["id"] for doc in expected["docs"]], "ids of the table")
    check(name, [json.loads(text) for text in table.column("metadata").to_pylist()] == [doc["metadata"] for doc in expected["docs"]], "metadata of the table")
    pyarrow.parquet.write_table(table.replace_schema_metadata(None), folder / "rewritten.parquet")
    metric = {"EUCLIDEAN_DISTANCE": "l2", "MAX_INNER_PRODUCT": "ip"}[expected["distance_strategy"]]
    convert(folder / "rewritten.parquet", folder / "rewritten.twindex", "--metric", metric, *normalize)
    convert(folder / "rewritten.twindex", folder / "rewritten")
    store = FAISS.load_local(str(folder / "rewritten"), Never(), allow_dangerous_deserialization=True, **options)
    same_documents(f"{name}, from a table", store, expected)

kinds = ["flat_l2", "flat_ip", "flat_empty", "idmap_flat", "idmap2_flat", "ivf_flat_l2", "ivf_flat_ip", "ivf_flat_sparse", "ivf_flat_empty",
         "ivf_flat_ids_array_map", "ivf_flat_ids_hash_map", "hnsw_flat_l2", "hnsw_flat_ip", "hnsw_sq8", "sq_8bit", "sq_8bit_ip", "sq_8bit_uniform", "sq_4bit",
         "sq_4bit_uniform", "sq_6bit", "sq_fp16", "sq_8bit_direct", "sq_8bit_direct_signed", "pq_8x8", "pq_8x4", "ivf_pq", "ivf_sq8", "refine_flat"]
for name in kinds:
    expected = json.loads((fixtures / "faiss" / f"{name}.json").read_text())
    convert(fixtures / "faiss" / f"{name}.faiss", folder / "kind.twindex")
    convert(folder / "kind.twindex", folder / "kind.faiss")
    index = faiss.read_index(str(folder / "kind.faiss"))
    check(name, index.ntotal == expected["ntotal"], f"{index.ntotal} vectors")
    # IVF lists of ids of one's own: what is written has them in an id map around positions.
    inner = faiss.downcast_index(index.index) if hasattr(index, "index") else index
    for parameter, value in expected["search_params"].items():
        target = inner.hnsw if parameter == "efSearch" else inner
        setattr(target, parameter, type(getattr(target, parameter))(value))
    distances, ids = index.search(numpy.array(expected["queries"], dtype="float32"), expected["k"])
    check(name, ids.tolist() == expected["ids"], "ids")
    found = numpy.array(expected["ids"]) >= 0
    check(name, near(distances[found].tolist(), numpy.array(expected["distances"], dtype="float32")[found].tolist()), "distances")

print(f"{passed} passed, {failed} failed")
sys.exit(0 if failed == 0 and passed > 0 else 1)
