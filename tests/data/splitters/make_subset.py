"""Makes subset.json: what langchain-text-splitters returns for the beginning of a speech and two small texts.

  python make_subset.py sotu.txt python.json > subset.json

sotu.txt: the State of the Union address of 1 March 2022 (public domain). python.json: the full golden file, whose
33 sets of parameters are used again here. Needs Python 3.11 and langchain-text-splitters 1.1.3.
"""
import json
import logging
import re
import sys
from importlib.metadata import version

import langchain_text_splitters

LENGTHS = {
    "chars": len,
    "utf16": lambda s: len(s.encode("utf-16-le")) // 2,
    "utf8": lambda s: len(s.encode("utf-8")),
}
C, R = "CharacterTextSplitter", "RecursiveCharacterTextSplitter"

MIXED = (
    "早上好，世界。今天天气很好，我们去公园散步吧。\n吾輩は散歩する。どこへ行くともなく、ただ歩く。\n\n"
    "오늘은 날씨가 좋아서 공원까지 걸었습니다.\nمرحبا بالعالم، كيف حالك اليوم؟\nनमस्ते दुनिया, आप कैसे हैं?\n\n"
    "Emoji: \U0001f469\u200d\U0001f680 \U0001f468\u200d\U0001f469\u200d\U0001f467 \U0001f1eb\U0001f1ee \U0001f44d\U0001f3fd "
    "\U0001f600\U0001f601\U0001f602 \u2764\ufe0f and o\u0308 a\u030a, \U0001d54f\U0001d550 𠮷野家\n\n"
    "\ufeffOdd\u3000white\x85space\u2028here\u2029and\x1cthere\x1d, \xa0no-break\xa0\r\n\r\nWindows\tlines\x0b\x0c \x1f\n\n  \n end \n\n"
)
WORDS = (
    "One, two;  three\x1cfour ½five_six\u203fseven ٣٤ caf\u00e9 cafe\u0301\r\neight \x85 Nine. Ten! ELEVEN? twelve{2} [13] a-b "
    "\\d ^x$ 1.5 2.75\n\n# Title\n\nAA aa Aa bb abab xyxy\u2028line\n(paren) \"quoted\" 'it'\n\nlast.\n"
)


def c(separator, size=20, overlap=5, text="words", **params):
    p = dict(chunk_size=size, chunk_overlap=overlap, separator=separator, is_separator_regex=True, **params)
    return (text, C, "chars", p)


REGEXES = [
    r"\s+", r"\S+", r"\W+", r"\w+", r"\d", r"\D+", r"\b", r"\B", r"\W*", r"x*", r"|a", r"a|", r"(?=\s)", r"(?<=\s)", r"(?!\w)",
    r"(?<!\w)", r"$", r"^", r"(?m)$", r"(?m)^", r"\Z", r"\A", r"\n$", r".", r"(?s).{7}", r".+", r"(?i)a+", r"(?i:e)|T", r"(?x) a \ b # c",
    r"(?-i:E)", r"[^\S\n]+", r"[\s,;]+", r"[^\w\s]", r"[]x]", r"[^]x]+", r"[[a]", r"[a&&b]", r"[a~~b--c]", r"[\]\-a]", r"[a-]", r"[\d-]",
    r"\x41", r"\u00e9", r"\U000000e9", r"\141", r"\0", r"[\141\b]", r"{2}", r"e{2}", r"e{,2}l", r"e{1,}?", r"t{", r"{", r"l{a}", r"x{,}",
    r"(?:ab)*+", r"e++", r"(?>ab|a)b", r"(ab)", r"(a)|(b)", r"(?P<x>[ax])(?P<y>[by])", r"(.)\1", r"(?P<q>['\"]).*?(?P=q)", r"([.!?])\s", r"(a)?(?(1)b|e)",
    r"\(", r"\.", r"\#", r"\ ", r"(?#no)e", r"(?a)\w+", r"(?a:\s)", r"(?<=\. )|\n", r"(?<![0-9])[.,](?![0-9])", r"\t|\r\n?|\f|\v|\a",
    r"(?=(a))", r"()", r"", r"\n{2,}", r"(?:\r?\n)+", r"[\u2028\x85]", r"\\d", r"a{0}", r"(?i)CAFÉ", r"(?:)", r"|", r"[^a]", r"\w\b", r"\s*$",
]
BAD = [
    "(", ")", "[", "[]", "a**", "*a", "a{2}{3}", "\\", "\\q", "\\h", "\\x4", "\\u12", "\\400", "\\1", "(\\1)", "(?P<a>x)(?P<a>y)", "(?P=a)", "(?<a>x)",
    "a(?i)b", "[b-a]", "[a-\\d]", "a{3,2}", "(?L)a", "(?z)a", "^*", "\\b+", "(?P<1>a)", "(?", "\\8", "\\Q", "\\G", "\\K", "\\p{L}", "\\z",
]


class Count(logging.Handler):
    n = 0

    def emit(self, record):
        self.n += 1


def main():
    speech = open(sys.argv[1], encoding="utf-8", newline="").read()
    texts = {"speech": speech[: speech.index("\n\n", 1700) + 2], "mixed": MIXED, "words": WORDS}
    full = json.load(open(sys.argv[2], encoding="utf-8"))["cases"]
    wanted = [("speech" if x["text"] == "sotu.txt" else "mixed", x["class"], x["length"], x["params"]) for x in full]
    for regex in REGEXES:
        wanted += [c(regex), c(regex, 8, 2, keep_separator=True), c(regex, 8, 2, keep_separator="end", strip_whitespace=False)]
    wanted += [c(r"\s*", text="mixed"), c(r"\W", text="mixed", keep_separator="end"), c("|。", text="mixed")]
    wanted += [
        ("words", R, "chars", dict(chunk_size=12, chunk_overlap=3, separators=[r"\n+", r"([.!?])\s", r"\b", ""], is_separator_regex=True, **k))
        for k in ({}, {"keep_separator": False}, {"keep_separator": "end"})
    ]
    wanted += [
        ("mixed", R, "utf16", dict(chunk_size=1, chunk_overlap=1)),
        ("mixed", R, "utf8", dict(chunk_size=2, chunk_overlap=2, separators=["", " "])),
        ("mixed", C, "utf8", dict(chunk_size=3, chunk_overlap=1, separator="")),
        ("words", C, "chars", dict(chunk_size=10, chunk_overlap=10, separator=" ")),
        ("words", R, "chars", dict(chunk_size=10, chunk_overlap=10)),
        ("words", R, "chars", dict(chunk_size=6, chunk_overlap=0, separators=["zz"])),
        ("words", R, "chars", dict(chunk_size=6, chunk_overlap=0, separators=[])),
    ] + [("words", C, "chars", dict(chunk_size=0, chunk_overlap=0)), ("words", R, "chars", dict(chunk_size=5, chunk_overlap=6))]
    wanted += [c(bad) for bad in BAD]
    log = Count()
    logger = logging.getLogger("langchain_text_splitters")
    logger.addHandler(log)
    logger.propagate = False
    cases = []
    for i, (text, cls, length, params) in enumerate(wanted):
        case = {"id": f"sub{i:03d}", "text": text, "class": cls, "length": length, "params": params}
        log.n = 0
        try:
            splitter = getattr(langchain_text_splitters, cls)(length_function=LENGTHS[length], add_start_index=True, **params)
            chunks = splitter.split_text(texts[text])
            case |= {"warnings": log.n, "chunks": chunks}
            documents = splitter.create_documents([texts[text]])
            case["start_index"] = [document.metadata["start_index"] for document in documents]
        except Exception as error:
            case["error"] = f"{type(error).__name__}: {error}"
        cases.append(case)
    def dump(value):
        """JSON with letters as they are, and what cannot be seen escaped."""
        text = json.dumps(value, ensure_ascii=False, separators=(",", ":"))
        return re.sub(r"[\x7f-\xa0\u2000-\u206f\u3000\ufeff]", lambda m: f"\\u{ord(m[0]):04x}", text)

    print('{"made_with":"langchain-text-splitters ' + version("langchain-text-splitters") + '",')
    print('"texts":' + dump(texts) + ',\n"cases":[')
    print(",\n".join(dump(x) for x in cases))
    print("]}")


main()
