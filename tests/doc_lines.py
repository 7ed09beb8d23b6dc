"""The Python blocks of a page, run as they stand in an interpreter of their own."""

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
    """Run `lines` by this Python with `flags`, in `cwd`, with no more environment than a path."""
    environment = {"PATH": "/usr/bin:/bin", "OMP_NUM_THREADS": "1", "HOME": str(cwd)}
    return subprocess.run(
        [sys.executable, *flags, "-c", lines],
        cwd=cwd,
        env=environment | variables,
        capture_output=True,
        text=True,
    )
