"""Run the shell blocks of README and docs in fresh clones: `python tests/readme_blocks.py ci`.

A comment above each block says who runs it: `<!-- run: suite -->` the test suite,
`<!-- run: ci -->` `.ci/run`, `<!-- run: stories -->` the tests of the installed package, or why
nobody does: `<!-- not run: reason -->`. What comes after "with" is put into the clone first: the
example network, the example zoo, or files of the competition. A comment above each block of Python
gives its name: `<!-- example: entry -->`.
"""

import os
import re
import subprocess
import sys
import tempfile
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
BLOCK = re.compile(
    r"(?:<!-- (?:run: (\w+)(?: with (\w+))?|not run: (.+?)) -->\n)?```bash\n(.*?)```", re.DOTALL
)
EXAMPLE = re.compile(r"<!-- example: (\w+) -->\n```python\n(.*?)```", re.DOTALL)

WORDS_OF_MAKE = (
    *("MAKEFLAGS", "MFLAGS", "MAKELEVEL"),
    *("ENTRY", "SEED", "TRIALS", "ARGS", "RECORD", "VERDICTS", "PORT"),
)
"""What a `make` was told, and tells its own programs: another one in a test is not told it."""


@dataclass(frozen=True)
class Block:
    """A shell block: its page, who runs it, what it needs, why nobody runs it, its text.

    What is not said is "".
    """

    page: str
    runner: str
    needs: str
    excuse: str
    text: str


def read_pages() -> dict[str, str]:
    """The pages that people read, by their paths: README.md, then those of docs/."""
    paths = [ROOT / "README.md", *sorted((ROOT / "docs").rglob("*.md"))]
    return {path.relative_to(ROOT).as_posix(): path.read_text(encoding="utf-8") for path in paths}


def read_blocks(pages: dict[str, str]) -> list[Block]:
    """The shell blocks of all pages, in order."""
    return [Block(page, *words) for page, text in pages.items() for words in BLOCK.findall(text)]


def read_examples(pages: dict[str, str]) -> dict[str, str]:
    """The blocks of Python by their names: a network, its import, its entry, whole zoo files."""
    examples = [example for text in pages.values() for example in EXAMPLE.findall(text)]
    assert len(dict(examples)) == len(examples), "two examples have one name"
    return dict(examples)


def steps_of_ci() -> set[str]:
    """The commands that `.ci/run` runs itself, as "make test"; it trains its fastest entry."""
    text = (ROOT / ".ci/run").read_text(encoding="utf-8")
    return {f"make {target}" for target in re.findall(r"^ *step ([a-z-]+)", text, re.MULTILINE)}


def copy_tree(folder: Path) -> None:
    """A clone of the working tree as git would commit it, with one commit."""
    names = subprocess.run(
        ["git", "ls-files", "-z", "--cached", "--others", "--exclude-standard"],
        cwd=ROOT,
        check=True,
        capture_output=True,
    ).stdout.decode()
    for name in filter(None, names.split("\0")):
        if (ROOT / name).is_file():
            (folder / name).parent.mkdir(parents=True, exist_ok=True)
            (folder / name).write_bytes((ROOT / name).read_bytes())
            (folder / name).chmod((ROOT / name).stat().st_mode)
    author = ["-c", "user.name=a", "-c", "user.email=a@example.org", "-c", "commit.gpgsign=false"]
    fast = ["-c", "core.compression=0"]
    for words in (["init", "-q"], [*fast, "add", "-A"], [*author, "commit", "-qm", "clone"]):
        subprocess.run(["git", *words], cwd=folder, check=True)


def paste_example(folder: Path) -> None:
    """Put the example network and its entry where the page says."""
    examples = read_examples(read_pages())
    model = folder / "model.py"
    text = model.read_text(encoding="utf-8")
    model.write_text(text + "\n\n" + examples["network"], encoding="utf-8")
    zoo = folder / "zoo.py"
    text = zoo.read_text(encoding="utf-8")
    text = text.replace("from model import", f"{examples['import']}from model import", 1)
    zoo.write_text(text.rstrip().removesuffix(")") + examples["entry"] + ")\n", encoding="utf-8")


def write_elsewhere(folder: Path) -> None:
    (folder / "elsewhere").mkdir()
    text = read_examples(read_pages())["elsewhere"]
    (folder / "elsewhere/zoo.py").write_text(text, encoding="utf-8")


def write_competition(folder: Path) -> None:
    """A small train.csv and test.csv, of the real sample."""
    sys.path[:0] = [str(ROOT), str(ROOT / "tests")]
    from csv_files import write_csv

    from torchbudget.data.mnist import load_mnist_sample

    sample = load_mnist_sample()
    write_csv(folder / "train.csv", sample.train.pixels, sample.train.labels)
    write_csv(folder / "test.csv", sample.test.pixels)


PREPARE = {
    "": lambda folder: None,
    "mine": paste_example,
    "elsewhere": write_elsewhere,
    "competition": write_competition,
}


def run_block(block: Block) -> str:
    """Run a block in a clone of its own; what it printed.

    Raises `CalledProcessError` where a command fails. Commands that `.ci/run` runs itself are left
    to it.
    """
    text = block.text
    for step in steps_of_ci():
        text = re.sub(rf"^{step}(?= *#| *$).*\n", "", text, flags=re.MULTILINE)
    if not text:
        return ""
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        copy_tree(folder)
        PREPARE[block.needs](folder)
        environment = os.environ | {"PYTHON": sys.executable, "OMP_NUM_THREADS": "1"}
        for variable in WORDS_OF_MAKE:
            environment.pop(variable, None)
        done = subprocess.run(
            ["bash", "-euc", text],
            cwd=folder,
            env=environment,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            encoding="utf-8",
        )
    done.check_returncode()
    return done.stdout


def try_block(block: Block) -> tuple[str, int]:
    """What a block printed, and its exit code."""
    try:
        return run_block(block), 0
    except subprocess.CalledProcessError as error:
        return error.output, error.returncode


def main(runner: str) -> int:
    """Run the blocks of `runner`, one a core at a time; the worst exit code."""
    blocks = [block for block in read_blocks(read_pages()) if block.runner == runner]
    if not blocks:
        print(f"no block is run by {runner!r}", file=sys.stderr)
        return 2
    worst = 0
    with ThreadPoolExecutor(os.cpu_count()) as pool:
        for block, (output, code) in zip(blocks, pool.map(try_block, blocks), strict=True):
            print(f"--- {block.page} ---\n{block.text}\n{output}", flush=True)
            if code:
                print(f"this block of {block.page} ended with exit code {code}", file=sys.stderr)
            worst = max(worst, abs(code))
    return worst


if __name__ == "__main__":
    sys.exit(main(*sys.argv[1:]))
