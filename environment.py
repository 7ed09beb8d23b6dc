"""Prints Python, packages, device and commit, and compares them with `requirements.txt`.

    python environment.py

Exit codes: 0 every package has the pinned version · 3 a package is missing or has another version,
or Python is too old
"""

if __name__ == "__main__":
    from torchbudget.command import end_on_interrupt

    end_on_interrupt("environment.py")

import os
import platform
import re
import sys
from pathlib import Path

from torchbudget.command import run_main
from torchbudget.evidence.machine import commit, cpu_name, installed_version, memory_gib

ROOT = Path(__file__).resolve().parent
MIN_PYTHON = (3, 11)


def pinned_versions(path: Path = ROOT / "requirements.txt") -> dict[str, str]:
    """The version of each package that a requirements file pins exactly."""
    pins = re.findall(r"^([\w.-]+)==([\w.]+)", path.read_text(encoding="utf-8"), re.MULTILINE)
    return dict(pins)


def default_device() -> str:
    """The device to train on: "cuda" if torch can use it, else "cpu"."""
    import torch

    return "cuda" if torch.cuda.is_available() else "cpu"


def find_problems() -> list[str]:
    """How this environment differs from the pinned one; empty if it does not."""
    problems = []
    if sys.version_info < MIN_PYTHON:
        problems.append(
            f"Python {platform.python_version()} is older than {MIN_PYTHON[0]}.{MIN_PYTHON[1]}"
        )
    for package, wanted in pinned_versions().items():
        version = installed_version(package)
        if version is None:
            problems.append(f"{package} {wanted} is not installed")
        elif version != wanted:
            problems.append(f"{package} is {version}, requirements.txt pins {wanted}")
    return problems


def main() -> int:
    """Print the verification; the exit code."""
    machine = f"{platform.system()} {platform.machine()}"
    print(f"python {platform.python_version()} on {machine}, commit {commit(ROOT)}")
    print(f"{cpu_name()}, {os.cpu_count()} cores, {memory_gib()} GiB")
    for package, wanted in pinned_versions().items():
        version = installed_version(package)
        if version == wanted:
            print(f"  ok   {package} {version}")
        else:
            print(f"  BAD  {package} {version or 'missing'} (pinned: {wanted})")
    problems = find_problems()
    if problems:
        print("\n".join([*problems, "run: make env-update"]), file=sys.stderr)
        return 3
    print(f"environment verified; trains on {default_device()}")
    return 0


if __name__ == "__main__":
    sys.exit(run_main(main, "environment.py"))
