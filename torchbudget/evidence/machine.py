"""Which Python, packages, hardware and commit this is."""

import os
import platform
import re
import subprocess
from importlib import metadata
from pathlib import Path

NAMED = ("torch", "torchvision", "numpy", "safetensors")


def installed_version(package: str) -> str | None:
    """Version without the build's local part ("2.15.0", not "2.15.0+cu132"); None where it is not installed."""
    try:
        return metadata.version(package).split("+")[0]
    except metadata.PackageNotFoundError:
        return None


def versions() -> dict[str, str]:
    """Python and the packages that decide what a run computes."""
    return {"python": platform.python_version()} | {
        name: installed_version(name) or "missing" for name in NAMED
    }


def cpu_name() -> str:
    """The processor's model name."""
    try:
        models = re.search(r"model name\s*:\s*(.+)", Path("/proc/cpuinfo").read_text())
    except OSError:
        models = None
    return models.group(1).strip() if models else platform.processor() or platform.machine()


def memory_gib() -> float:
    """Physical memory."""
    return round(os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES") / 2**30, 1)


def device_name(device: str) -> str:
    """The CPU's or the GPU's model name."""
    if device.startswith("cuda"):
        import torch

        return torch.cuda.get_device_name(device)
    return cpu_name()


def hardware(device: str) -> dict[str, object]:
    """What a run's evidence says of the machine."""
    import torch

    return {
        "device": device_name(device),
        "cpu": cpu_name(),
        "cores": os.cpu_count() or 0,
        "threads": torch.get_num_threads(),
        "memory_gib": memory_gib(),
    }


def commit(folder: Path) -> str:
    """The commit that is checked out in `folder`, with "+" where the tree has changes; "unknown" outside git."""
    try:
        head = subprocess.run(
            ["git", "rev-parse", "--short=12", "HEAD"],
            cwd=folder,
            capture_output=True,
            text=True,
            check=True,
        ).stdout.strip()
        changed = subprocess.run(
            ["git", "status", "--porcelain", "--untracked-files=no", "--", "*.py"],
            cwd=folder,
            capture_output=True,
            text=True,
            check=True,
        ).stdout
    except (OSError, subprocess.CalledProcessError):
        return "unknown"
    return head + ("+" if changed else "")
