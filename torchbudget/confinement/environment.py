"""The environment of a confined process: no tokens, and folders of its own."""

import os
from pathlib import Path

PASSED_ON = {
    "LANG",
    "LANGUAGE",
    "LD_LIBRARY_PATH",
    "MKL_NUM_THREADS",
    "OMP_NUM_THREADS",
    "PATH",
    "PYTHONHASHSEED",
    "PYTHONPATH",
    "SYSTEMROOT",
    "TZ",
}
"""Names in the environment that a confined process receives, with those that begin with `LC_`."""


def scrub_environment(folder: Path) -> dict[str, str]:
    """Return the variables that a process confined to `folder` receives."""
    kept = {
        name: value
        for name, value in os.environ.items()
        if name in PASSED_ON or name.startswith("LC_")
    }
    temporary = str(folder / "tmp")
    own = {"PYTHONDONTWRITEBYTECODE": "1"}
    own |= dict.fromkeys(("HOME", "USERPROFILE"), str(folder / "home"))
    own |= dict.fromkeys(("TMPDIR", "TEMP", "TMP"), temporary)
    return kept | own
