"""Caught by seeds: seed 1 under the name of seed 0, with a little noise."""

import torch
from safetensors.torch import save
from tampering import copy_run, reship


def tamper(folder):
    copy_run(folder, 1, 0)

    def disturb(state):
        noise = torch.Generator().manual_seed(0)
        changed = {}
        for name, value in state.items():
            moved = value.is_floating_point() and value.dim() > 1
            step = 0.01 * torch.randn(value.shape, generator=noise) if moved else 0
            changed[name] = value + step * value if moved else value
        return save(changed)

    reship(folder, 0, disturb)
