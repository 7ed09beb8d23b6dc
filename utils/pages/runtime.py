"""ONNX Runtime Web, which the page "Draw a digit" runs networks with, as npm installs it."""

import json
import shutil
import subprocess
from pathlib import Path

from torchbudget.errors import UsageError
from torchbudget.reading import reading

PACKAGE = "onnxruntime-web"
FOLDER = "assets/runtime"
"""Where docs/assets/draw/networks.js looks for it, below the site."""
FILES = ("ort.wasm.bundle.min.mjs", "ort-wasm-simd-threaded.wasm")
"""The smallest build: networks run on the processor, none on a graphics card."""
SHOWN = 400
"""Characters of what npm says that a message repeats."""


def copy_runtime(root: Path, target: Path) -> None:
    """Write the runtime below `target`, in the version that package-lock.json in `root` pins.

    npm installs it first where `root`/node_modules lacks it. Raises `UsageError`.
    """
    if read_version(root) != read_pin(root):
        install(root)
    folder = target / FOLDER
    folder.mkdir(parents=True, exist_ok=True)
    for name in FILES:
        shutil.copyfile(root / "node_modules" / PACKAGE / "dist" / name, folder / name)


def read_pin(root: Path) -> str:
    """The version that is wanted; raises `UsageError`."""
    path = root / "package-lock.json"
    with reading(path, UsageError, "is not a lock file of npm"):
        lock = json.loads(path.read_bytes())
        return str(lock["packages"][f"node_modules/{PACKAGE}"]["version"])


def read_version(root: Path) -> str | None:
    """The version in node_modules; None where there is none."""
    path = root / "node_modules" / PACKAGE / "package.json"
    if not path.is_file():
        return None
    with reading(path, UsageError, "is not a package of npm"):
        return str(json.loads(path.read_bytes())["version"])


def install(root: Path) -> None:
    """Install what package-lock.json pins into node_modules; raises `UsageError`."""
    npm = shutil.which("npm")
    if npm is None:
        raise UsageError(
            f"npm is not installed: the page 'Draw a digit' needs it to fetch {PACKAGE}; install "
            "Node.js 20 or newer, which brings npm"
        )
    done = subprocess.run(
        [npm, "ci"],
        cwd=root,
        stdin=subprocess.DEVNULL,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.PIPE,
        encoding="utf-8",
        errors="replace",
    )
    if done.returncode:
        said = " ".join(done.stderr.split())[:SHOWN]
        raise UsageError(f"npm ci failed, so {PACKAGE} is not here: {said}")
