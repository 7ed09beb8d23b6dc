"""Caught by chain: a tensor that the network has not."""

import torch
from safetensors.torch import save
from tampering import reship


def tamper(folder):
    reship(folder, 0, lambda state: save(state | {"table": torch.zeros(10, 10)}))
