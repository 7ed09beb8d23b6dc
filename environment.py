"""Which Python, packages, device and commit this is, and whether they will do.

    python environment.py

prints the verification; exit code 0, or 3 where something is missing or of another version than `requirements.txt` pins.
"""

import os
import platform
import re
import sys
from pathlib import Path

from torchbudget.evidence.machine import commit, cpu_name, installed_version, memory_gib

ROOT = Path(__file__).resolve().parent


MIN_PYTHON = (3, 11)


def pinned_versions(path: Path = ROOT / "requirements.txt") -> dict[str, str]:
    """Package: version, from the exact pins of a requirements file."""
    pins = re.findall(r"^([\w.-]+)==([\w.]+)", path.read_text(), re.MULTILINE)
    return dict(pins)


def default_device() -> str:
    """ "cuda" where there is one, else "cpu"."""
    import torch

    return "cuda" if torch.cuda.is_available() else "cpu"


def problems() -> list[str]:
    """What keeps this environment from being the pinned one; empty when it will do."""
    found = []
    if sys.version_info < MIN_PYTHON:
        found.append(
            f"Python {platform.python_version()} is older than {MIN_PYTHON[0]}.{MIN_PYTHON[1]}"
        )
    for package, wanted in pinned_versions().items():
        if (version := installed_version(package)) is None:
            found.append(f"{package} {wanted} is not installed")
        elif version != wanted:
            found.append(f"{package} is {version}, requirements.txt pins {wanted}")
    return found


def main() -> int:
    """Print the verification; 0 when the environment will do, else 3."""
    print(
        f"python {platform.python_version()} on {platform.system()} {platform.machine()}, commit {commit(ROOT)}"
    )
    print(f"{cpu_name()}, {os.cpu_count()} cores, {memory_gib()} GiB")
    for package, wanted in pinned_versions().items():
        version = installed_version(package)
        print(
            f"  {'ok  ' if version == wanted else 'BAD '} {package} {version or 'missing'}"
            + ("" if version == wanted else f" (pinned: {wanted})")
        )
    if found := problems():
        print("\n".join([*found, "run: make env-update"]), file=sys.stderr)
        return 3
    print(f"environment verified; trains on {default_device()}")
    return 0


if __name__ == "__main__":
    sys.exit(main())
