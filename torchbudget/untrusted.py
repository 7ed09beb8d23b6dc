"""Judging a zoo file that nobody vouches for, in a process with limits on time and memory."""

import json
import subprocess
import sys
import tempfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

from torchbudget.command import complain
from torchbudget.errors import EXIT_UNMEASURED, UsageError

START = """
import json, sys
settings = json.loads(sys.argv[1])
sys.path[:] = settings["path"]
from torchbudget.cli import check
from torchbudget.untrusted import judge_within_limits
sys.exit(judge_within_limits(settings, check))
"""
"""What the child process runs; it imports from where its parent imports."""


def judge_apart(
    words: list[str], zoo: Path, prog: str, *, max_seconds: float, max_memory: float
) -> int:
    """Judge `zoo` in a process of its own with `words`, the command's; return the exit code.

    The child may take `max_seconds` and `max_memory` GiB. It writes a receipt last; without that
    receipt nothing was judged.

    This stops a zoo file that ends the process, hangs or eats the memory. It does not stop one that
    forges the receipt: code that runs in the judge's process can do what the judge can. Judge such
    a file where it may do no harm, and read it. Raises `UsageError` where the system cannot limit
    a process's memory.
    """
    if sys.platform == "win32":
        raise UsageError("--untrusted limits memory by setrlimit, which Windows does not have")
    with tempfile.TemporaryDirectory() as folder:
        receipt = Path(folder) / "receipt"
        settings = {
            "path": sys.path,
            "words": [word for word in words if word != "--untrusted"],
            "zoo": str(zoo),
            "prog": prog,
            "receipt": str(receipt),
            "bytes": int(max_memory * 2**30),
        }
        command = [sys.executable, "-P", "-c", START, json.dumps(settings)]
        try:
            code = subprocess.run(command, timeout=max_seconds).returncode
        except subprocess.TimeoutExpired:
            complain(
                prog,
                f"no verdict within {max_seconds:g} s; "
                "the zoo file is too slow or never ends (--max-seconds)",
            )
            return EXIT_UNMEASURED
        if not receipt.exists() or receipt.read_text() != str(code):
            complain(
                prog,
                f"the judge ended (exit code {code}) without a verdict; "
                "the zoo file ended it or took its memory",
            )
            return EXIT_UNMEASURED
    return code


def judge_within_limits(settings: dict[str, Any], check: Callable[..., int]) -> int:
    """Judge in this process, the child, by the command's `check`; write the receipt.

    Ctrl-C is the parent's to answer, which then ends this process.
    """
    import resource
    import signal

    resource.setrlimit(resource.RLIMIT_DATA, (settings["bytes"], settings["bytes"]))
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    code = check(settings["words"], default_zoo=Path(settings["zoo"]), prog=settings["prog"])
    Path(settings["receipt"]).write_text(str(code))
    return code
