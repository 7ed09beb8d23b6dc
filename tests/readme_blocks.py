"""Run the README's shell blocks in fresh clones: `python tests/readme_blocks.py ci`.

A comment above each block says who runs it: `<!-- run: suite -->` the test suite,
`<!-- run: ci -->` `.ci/run`, `<!-- run: stories -->` the tests of the installed package. What comes
after "with" is put into the clone first: the example network, the example zoo, or files of the
competition.
"""

import os
import re
import subprocess
import sys
import tempfile
from dataclasses import dataclass
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
BLOCK = re.compile(r"(?:<!-- run: (\w+)(?: with (\w+))? -->\n)?```bash\n(.*?)```", re.DOTALL)


@dataclass(frozen=True)
class Block:
    """A shell block: who runs it ("" where nobody does), what it needs, its text."""

    runner: str
    needs: str
    text: str


def read_blocks(readme: str) -> list[Block]:
    return [Block(runner, needs, text) for runner, needs, text in BLOCK.findall(readme)]


def read_examples(readme: str) -> list[str]:
    """The Python blocks: network, import, entry, a whole zoo file, a zoo of torchbudget's."""
    return re.findall(r"```python\n(.*?)```", readme, re.DOTALL)


def steps_of_ci() -> set[str]:
    """The commands that `.ci/run` runs itself, as "make test"; it trains its fastest entry."""
    lines = re.findall(r"^ *step ([a-z-]+)", (ROOT / ".ci/run").read_text(), re.MULTILINE)
    return {f"make {target}" for target in lines}


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
    """Put the example network and its entry where the README says."""
    network, line, entry = read_examples((folder / "README.md").read_text())[:3]
    model = folder / "model.py"
    model.write_text(model.read_text() + "\n\n" + network)
    zoo = folder / "zoo.py"
    text = zoo.read_text().replace("from model import", f"{line}from model import", 1)
    zoo.write_text(text.rstrip().removesuffix(")") + entry + ")\n")


def write_elsewhere(folder: Path) -> None:
    example = read_examples((folder / "README.md").read_text())[3]
    (folder / "elsewhere").mkdir()
    (folder / "elsewhere/zoo.py").write_text(example)


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


def run_block(block: Block) -> None:
    """Run a block in a clone of its own; raises `CalledProcessError` where a command fails.

    Commands that `.ci/run` runs itself are left to it.
    """
    text = block.text
    for step in steps_of_ci():
        text = re.sub(rf"^{step}(?= *#| *$).*\n", "", text, flags=re.MULTILINE)
    if not text:
        return
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        copy_tree(folder)
        PREPARE[block.needs](folder)
        environment = os.environ | {"PYTHON": sys.executable}
        for variable in ("MAKEFLAGS", "MFLAGS", "MAKELEVEL", "ENTRY", "SEED", "ARGS", "RECORD"):
            environment.pop(variable, None)
        subprocess.run(["bash", "-euc", text], cwd=folder, env=environment, check=True)


def main(runner: str) -> None:
    for block in read_blocks((ROOT / "README.md").read_text()):
        if block.runner == runner:
            print(f"--- README ---\n{block.text}", flush=True)
            run_block(block)


if __name__ == "__main__":
    main(*sys.argv[1:])
