"""The precision that training computes in, by what the device does natively."""

import torch


def has_native_bf16(device: torch.device) -> bool:
    """Whether `device` computes in bf16 natively, and so faster than in fp32.

    A CPU does with AVX-512 BF16 or AMX, a GPU from compute capability 8 on.
    """
    if device.type == "cuda":
        return torch.cuda.get_device_capability(device) >= (8, 0)
    return (
        torch.backends.cpu.get_cpu_capability().startswith("AVX512")
        and torch.cpu._is_avx512_bf16_supported()
    )


def choose_precision(amp: str, device: torch.device) -> str:
    """What `Recipe.amp` comes to on `device`: "bf16" or "fp16" if it is native, else "fp32"."""
    if amp == "bf16" and has_native_bf16(device):
        return "bf16"
    if amp != "off" and device.type == "cuda":
        return "fp16"
    return "fp32"


def autocast(precision: str, device: torch.device) -> torch.autocast:
    """Torch's autocast for "bf16" or "fp16"; for "fp32" it does nothing."""
    dtype = torch.float16 if precision == "fp16" else torch.bfloat16
    return torch.autocast(device.type, dtype, enabled=precision != "fp32")
