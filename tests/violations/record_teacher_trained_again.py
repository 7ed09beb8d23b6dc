"""Caught by chain: a teacher that was trained again after it had taught."""

from safetensors.torch import save
from tampering import add_pupil, reship


def tamper(folder):
    add_pupil(folder)
    reship(folder, 1, lambda state: save({name: 2 * part for name, part in state.items()}))
