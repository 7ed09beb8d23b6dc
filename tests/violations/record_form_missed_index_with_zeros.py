"""Caught by results: the index of a missed image with zeros before it."""

import json

from tampering import write_canonical


def tamper(folder):
    path = folder / "results.json"
    document = json.loads(path.read_text())
    run = document["runs"][0]
    index = list(run["missed"])[-1]
    run["missed"]["000" + index] = run["missed"].pop(index)
    path.write_text(write_canonical(document))
