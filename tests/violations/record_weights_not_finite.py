"""Caught by chain: weights that are no numbers."""

import torch
from safetensors.torch import save
from tampering import reship


def tamper(folder):
    def spoil(state):
        return save(state | {"classify.bias": torch.full_like(state["classify.bias"], torch.nan)})

    reship(folder, 0, spoil)
