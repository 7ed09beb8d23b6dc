"""The Python blocks of a page, run as they stand in an interpreter of their own."""

import os
import re
import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent


def read_lines(page: Path) -> list[str]:
    """The Python blocks of a Markdown page, in its order."""
    return re.findall(r"```python\n(.*?)```", page.read_text(encoding="utf-8"), re.DOTALL)


def run_lines(
    lines: str, cwd: Path, *flags: str, **variables: str
) -> subprocess.CompletedProcess[str]:
    """Run `lines` by this Python with `flags`, in `cwd`, with `variables` in the environment."""
    inherited = {name: value for name, value in os.environ.items() if "PYTHON" not in name}
    return subprocess.run(
        [sys.executable, *flags, "-c", lines],
        cwd=cwd,
        env=inherited | {"OMP_NUM_THREADS": "1"} | variables,
        capture_output=True,
        text=True,
    )
