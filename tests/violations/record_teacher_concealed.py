"""Caught by chain: a record that says nothing of the teacher that its recipe has."""

import json

import msgspec
from tampering import add_pupil, write_canonical

from torchbudget.evidence.results import Run, seal


def tamper(folder):
    add_pupil(folder)
    path = folder / "results.json"
    document = json.loads(path.read_text())
    run = document["runs"][0]
    del run["teacher"]
    document["runs"][0] = msgspec.to_builtins(seal(msgspec.convert(run, Run)))
    path.write_text(write_canonical(document))
