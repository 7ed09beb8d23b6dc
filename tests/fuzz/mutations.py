"""Changes to files and texts, drawn from a seeded generator."""

import copy
import json
import random

ODD_TEXTS = (
    "",
    " ",
    "\x00",
    "\x1b]0;title\x07\x1b[2J",
    "\r",
    "first\nsecond",
    "\n::error file=README.md,line=1::forged\n",
    "::stop-commands::word",
    "##[error]forged",
    "\u2028",
    "\u202e",
    "\ud800",
    "é" * 40,
    "a|b\\|c",
    "<script>",
    "[link](https://example.com)",
    "../../etc",
    "/dev/full",
    "nan",
    "NaN",
    "-0",
    "1e999",
    "٣",
    "9" * 50,
    "-1",
    "true",
    "null",
    "x" * 5_000,
)
ODD_VALUES = (
    None,
    True,
    -1,
    0,
    2**31,
    2**62,
    2**70,
    1e308,
    -0.0,
    0.5,
    [],
    {},
    [[]],
    {"": None},
    *ODD_TEXTS[:20],
)
ODD_BYTES = (
    b"\xef\xbb\xbf",
    b"\xff\xfe",
    b"\x00" * 8,
    b"\xff" * 8,
    b"[" * 3_000,
    b"{" * 3_000,
    b'{"a":' * 2_000,
    b"9" * 5_000,
    b"\n::error::forged\n",
    b"\x1b[2J",
    b"PK\x03\x04",
    b"\x80\x02cos\nsystem\n",
)


def mutate_bytes(content: bytes, draw: random.Random) -> bytes:
    """The content after one to three changes of its bytes."""
    for _ in range(draw.randint(1, 3)):
        start = draw.randint(0, len(content))
        end = min(len(content), start + draw.choice((1, 2, 8, 64, 1_000)))
        kind = draw.randrange(7)
        if kind == 0:
            content = content[:start]
        elif kind == 1:
            content = content[:start] + content[end:]
        elif kind == 2:
            content = content[:start] + draw.choice(ODD_BYTES) + content[start:]
        elif kind == 3:
            content = content[:end] + content[start:]
        elif kind == 4:
            content = content[:start] + draw.randbytes(end - start) + content[end:]
        elif kind == 5:
            odd = draw.choice(ODD_TEXTS).encode("utf-8", "surrogatepass")
            content = content[:start] + odd + content[end:]
        elif start < len(content):
            flipped = content[start] ^ (1 << draw.randrange(8))
            content = content[:start] + bytes([flipped]) + content[start + 1 :]
    return content


def mutate_value(document: object, draw: random.Random) -> object:
    """A copy of plain lists and dicts in which one value, somewhere, is another or is gone."""
    document = copy.deepcopy(document)
    parent, key = document, None
    for _ in range(draw.randint(1, 6)):
        inner = parent if key is None else parent[key]
        if not isinstance(inner, dict | list) or not inner:
            break
        parent = inner
        keys = list(parent) if isinstance(parent, dict) else range(len(parent))
        key = draw.choice(keys)
    if key is None:
        return draw.choice(ODD_VALUES)
    kind = draw.randrange(4)
    if kind == 0:
        del parent[key]
    elif kind == 1 and isinstance(parent, dict):
        parent[draw.choice(ODD_TEXTS)] = parent.pop(key)
    elif kind == 2 and isinstance(parent, list):
        parent.append(copy.deepcopy(parent[key]))
    else:
        parent[key] = copy.deepcopy(draw.choice(ODD_VALUES))
    return document


def mutate_json(document: object, draw: random.Random) -> bytes:
    """A JSON file: another value somewhere, a key twice, or other bytes."""
    if draw.random() < 0.7:
        document = mutate_value(document, draw)
    text = json.dumps(document).encode("utf-8", "surrogatepass")
    kind = draw.randrange(4)
    if kind == 0:
        return mutate_bytes(text, draw)
    if kind == 1:
        keys = [part for part in text.split(b'"') if part.isalpha()] or [b"schema"]
        return text.replace(b"{", b'{"' + draw.choice(keys) + b'": 1, ', 1)
    return text
