"""Which Python, packages, hardware and commit this is."""

import os
import platform
import re
import subprocess
from importlib import metadata
from pathlib import Path
from typing import Any

NAMED = ("torch", "torchvision", "numpy", "safetensors")


def installed_version(package: str) -> str | None:
    """Version without the build's local part ("2.15.0", not "2.15.0+cu132").

    None where the package is not installed.
    """
    try:
        return metadata.version(package).split("+")[0]
    except metadata.PackageNotFoundError:
        return None


def versions() -> dict[str, str]:
    """Python and the packages that decide what a run computes."""
    packages = {name: installed_version(name) or "missing" for name in NAMED}
    return {"python": platform.python_version()} | packages


def cpu_name() -> str:
    """The processor's model name."""
    try:
        text = Path("/proc/cpuinfo").read_text(encoding="utf-8")
    except OSError:
        text = ""
    model = re.search(r"model name\s*:\s*(.+)", text)
    return model.group(1).strip() if model else platform.processor() or platform.machine()


def platform_id() -> tuple[str, str]:
    """What two measurements share where not one prediction may differ: processor and torch."""
    return cpu_name(), installed_version("torch") or "missing"


def memory_gib() -> float:
    """Physical memory; 0 where the system does not say."""
    try:
        return round(os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES") / 2**30, 1)
    except (AttributeError, ValueError, OSError):
        return 0.0


def device_name(device: str) -> str:
    """The CPU's or the GPU's model name."""
    if device.startswith("cuda"):
        import torch

        return torch.cuda.get_device_name(device)
    return cpu_name()


def hardware(device: str) -> dict[str, Any]:
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
    """The commit that is checked out in `folder`, with "+" where its Python files have changes.

    "unknown" outside git.
    """
    head = _git(folder, "rev-parse", "--short=12", "HEAD")
    changes = _git(folder, "status", "--porcelain", "--untracked-files=no", "--", "*.py")
    if not head or changes is None:
        return "unknown"
    return head + ("+" if changes else "")


def _git(folder: Path, *words: str) -> str | None:
    """What git prints; None where it fails or is not there."""
    command = ["git", *words]
    try:
        done = subprocess.run(
            command, cwd=folder, capture_output=True, encoding="utf-8", check=True
        )
    except (OSError, subprocess.CalledProcessError):
        return None
    return done.stdout.strip()
