"""Build the site: `python -m utils.pages`, or `make site`.

Everything is put together below `build/pages`, which Zensical then makes into `site/`.
"""

if __name__ == "__main__":
    from torchbudget.command import end_on_interrupt, let_threads_sleep

    end_on_interrupt("pages")
    let_threads_sleep()

import argparse
import shutil
import subprocess
import sys
from pathlib import Path

from rich.text import Text

from torchbudget.command import Parser, run_main
from torchbudget.errors import UsageError
from utils.pages.networks import write_networks
from utils.pages.runtime import copy_runtime
from utils.pages.staging import stage

ROOT = Path(__file__).resolve().parent.parent.parent
STAGE = ROOT / "build" / "pages"
SITE = ROOT / "site"
TRACEBACK = "Traceback (most recent call last):"


def main(argv: list[str] | None = None) -> int:
    """Build the site; the exit code."""
    parser = Parser(prog="python -m utils.pages", description="Build the site into site/.")
    parser.add_argument(
        "--verdicts",
        type=Path,
        metavar="FILE",
        help="a report of `check --json`, whose verdicts are shown; without it only the gates "
        "that need no test images are judged",
    )
    return run_main(lambda: build(parser.parse_args(argv)), "pages")


def build(options: argparse.Namespace) -> None:
    """Put the pages together and make the site of them; raises a `TorchBudgetError`."""
    shutil.rmtree(STAGE, ignore_errors=True)
    copy_runtime(ROOT, STAGE)
    write_networks(ROOT, STAGE)
    stage(ROOT, STAGE, report=options.verdicts)
    shutil.rmtree(SITE, ignore_errors=True)
    make_site(ROOT / "mkdocs.yml")
    size = sum(path.stat().st_size for path in SITE.rglob("*") if path.is_file())
    print(f"site/ is built: {size / 1e6:.1f} MB; look at it by `make serve`")


def make_site(config: Path) -> None:
    """Run Zensical on the configuration; every link that leads nowhere is an error."""
    command = [sys.executable, "-m", "zensical", "build", "--strict", "--clean"]
    done = subprocess.run(
        [*command, "--config-file", str(config)],
        cwd=config.parent,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        encoding="utf-8",
    )
    if done.returncode:
        said = Text.from_ansi(done.stdout.partition(TRACEBACK)[0]).plain
        print(said.strip(), file=sys.stderr)
        raise UsageError(
            f"the site was not built: mend what is said above of {config.name}'s pages"
        )


if __name__ == "__main__":
    sys.exit(main())
