"""Caught by claim: running variances that hold numbers of the cheat's own, truly recorded."""

import torch
from safetensors.torch import load
from tampering import edit, read_run, record_again


def tamper(folder):
    room = read_run(folder, 0)["params"] + 40
    edit(folder / "zoo.py", "max_params=5_000", f"max_params={room}")
    state = load((folder / "weights" / "tiny-seed0-mnist_sample.safetensors").read_bytes())
    numbers = torch.rand(24, generator=torch.Generator().manual_seed(0))
    state["norm2.running_var"] *= 10 ** (4 * numbers - 2)
    record_again(folder, 0, state)
