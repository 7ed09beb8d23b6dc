"""Caught by results: a missed image beyond the test images."""

import json

from tampering import write_canonical


def tamper(folder):
    path = folder / "results.json"
    document = json.loads(path.read_text())
    run = document["runs"][0]
    index = list(run["missed"])[-1]
    run["missed"][str(10**6)] = run["missed"].pop(index)
    path.write_text(write_canonical(document))
