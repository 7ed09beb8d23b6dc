"""Caught by chain: text hidden in the metadata of a weights file."""

from safetensors.torch import save
from tampering import reship


def tamper(folder):
    reship(folder, 0, lambda state: save(state, {"note": "a table of answers"}))
