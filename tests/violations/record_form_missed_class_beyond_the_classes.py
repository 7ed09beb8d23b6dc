"""Caught by results: a missed image taken for a class that there is not."""

import json

from tampering import write_canonical


def tamper(folder):
    path = folder / "results.json"
    document = json.loads(path.read_text())
    missed = document["runs"][0]["missed"]
    missed[next(iter(missed))] = 2**62
    path.write_text(write_canonical(document))
