"""The peak speed of this machine: arithmetic by a large matrix product, memory by a large copy.

They run in the same process and with the same threads as what is compared with it.
"""

import torch

from bench.stopwatch import seconds_of

SIDE = 2_048
DTYPES = {"fp32": torch.float32, "bf16": torch.bfloat16}
COPIED = 1 << 28
"""Bytes of the copy, more than any cache holds."""


@torch.inference_mode()
def measure_peak(repeats: int) -> dict[str, float]:
    """Operations a second of the fastest of `repeats` products of two SIDE x SIDE matrices.

    One product before them warms up. A multiply-add is two operations.
    """
    peak = {}
    for name, dtype in DTYPES.items():
        seconds = _products(dtype, repeats + 1)
        peak[name] = 2 * SIDE**3 / min(seconds[1:])
    return peak


def _products(dtype: torch.dtype, count: int) -> list[float]:
    left, right = (torch.randn(SIDE, SIDE, dtype=dtype) for _ in range(2))
    return [seconds_of(lambda: left @ right) for _ in range(count)]


@torch.inference_mode()
def measure_bandwidth(repeats: int) -> float:
    """Bytes a second, read and written, of the fastest of `repeats` copies; one warms up."""
    source = torch.zeros(COPIED, dtype=torch.uint8)
    target = torch.zeros_like(source)
    seconds = [seconds_of(lambda: target.copy_(source)) for _ in range(repeats + 1)]
    return 2 * COPIED / min(seconds[1:])


def describe_peak(peak: dict[str, float]) -> str:
    return "peak, by a matrix product: " + ", ".join(
        f"{name} {value / 1e9:,.0f} Gop/s" for name, value in peak.items()
    )
