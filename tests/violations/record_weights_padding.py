"""Caught by chain: bytes hidden in the header of a weights file."""

import struct

from safetensors.torch import save
from tampering import reship


def tamper(folder):
    def pad(state):
        content = save(state)
        (length,) = struct.unpack("<Q", content[:8])
        end = 8 + length
        return struct.pack("<Q", length + 64) + content[8:end] + b" " * 64 + content[end:]

    reship(folder, 0, pad)
