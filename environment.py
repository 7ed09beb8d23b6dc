"""Which Python, packages, device and commit this is, and whether they will do.

    python environment.py

prints the verification; exit code 0, or 3 where something is missing or of another version than `requirements.txt` pins.
"""

import os
import platform
import re
import subprocess
import sys
from importlib import metadata
from pathlib import Path

ROOT = Path(__file__).resolve().parent
MIN_PYTHON = (3, 11)
NAMED = ("torch", "torchvision", "numpy", "safetensors")


def pinned_versions(path: Path = ROOT / "requirements.txt") -> dict[str, str]:
    """Package: version, from the exact pins of a requirements file."""
    pins = re.findall(r"^([\w.-]+)==([\w.]+)", path.read_text(), re.MULTILINE)
    return dict(pins)


def installed_version(package: str) -> str | None:
    """Version without the build's local part ("2.15.0", not "2.15.0+cu132"); None where it is not installed."""
    try:
        return metadata.version(package).split("+")[0]
    except metadata.PackageNotFoundError:
        return None


def versions() -> dict[str, str]:
    """Python and the packages that decide what a run computes."""
    return {"python": platform.python_version()} | {name: installed_version(name) or "missing" for name in NAMED}


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


def default_device() -> str:
    """ "cuda" where there is one, else "cpu"."""
    import torch

    return "cuda" if torch.cuda.is_available() else "cpu"


def hardware(device: str) -> dict[str, object]:
    """What a run's evidence says of the machine."""
    import torch

    return {"device": device_name(device), "cpu": cpu_name(), "cores": os.cpu_count() or 0, "threads": torch.get_num_threads(), "memory_gib": memory_gib()}


def commit() -> str:
    """The commit that is checked out, with "+" where the tree has changes; "unknown" outside git."""
    try:
        head = subprocess.run(["git", "rev-parse", "--short=12", "HEAD"], cwd=ROOT, capture_output=True, text=True, check=True).stdout.strip()
        changed = subprocess.run(
            ["git", "status", "--porcelain", "--untracked-files=no", "--", "*.py"], cwd=ROOT, capture_output=True, text=True, check=True
        ).stdout
    except (OSError, subprocess.CalledProcessError):
        return "unknown"
    return head + ("+" if changed else "")


def problems() -> list[str]:
    """What keeps this environment from being the pinned one; empty when it will do."""
    found = []
    if sys.version_info < MIN_PYTHON:
        found.append(f"Python {platform.python_version()} is older than {MIN_PYTHON[0]}.{MIN_PYTHON[1]}")
    for package, wanted in pinned_versions().items():
        if (version := installed_version(package)) is None:
            found.append(f"{package} {wanted} is not installed")
        elif version != wanted:
            found.append(f"{package} is {version}, requirements.txt pins {wanted}")
    return found


def main() -> int:
    """Print the verification; 0 when the environment will do, else 3."""
    print(f"python {platform.python_version()} on {platform.system()} {platform.machine()}, commit {commit()}")
    print(f"{cpu_name()}, {os.cpu_count()} cores, {memory_gib()} GiB")
    for package, wanted in pinned_versions().items():
        version = installed_version(package)
        print(f"  {'ok  ' if version == wanted else 'BAD '} {package} {version or 'missing'}" + ("" if version == wanted else f" (pinned: {wanted})"))
    if found := problems():
        print("\n".join([*found, "run: make env-update"]), file=sys.stderr)
        return 3
    print(f"environment verified; trains on {default_device()}")
    return 0


if __name__ == "__main__":
    sys.exit(main())
