"""Caught by chain: weights stored wider than the entry declares."""

from safetensors.torch import save
from tampering import reship


def tamper(folder):
    def widen(state):
        return save(
            {
                name: value.double() if value.is_floating_point() else value
                for name, value in state.items()
            }
        )

    reship(folder, 0, widen)
