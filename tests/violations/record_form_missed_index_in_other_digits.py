"""Caught by results: the index of a missed image in Arabic digits."""

import json

from tampering import write_canonical


def tamper(folder):
    path = folder / "results.json"
    document = json.loads(path.read_text())
    run = document["runs"][0]
    index = list(run["missed"])[-1]
    run["missed"][index.translate({48 + digit: 0x660 + digit for digit in range(10)})] = run[
        "missed"
    ].pop(index)
    path.write_text(write_canonical(document))
