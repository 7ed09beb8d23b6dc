"""Caught by seeds: seed 1 under the name of seed 0, rounded to half precision."""

from safetensors.torch import save
from tampering import copy_run, reship


def tamper(folder):
    copy_run(folder, 1, 0)

    def halve(state):
        return save({name: value.half().to(value.dtype) for name, value in state.items()})

    reship(folder, 0, halve)
