"""Command lines: words that a command knows, words that are nearly so, and odd ones."""

import functools
import os
import random
import shutil
from collections.abc import Callable, Iterator
from pathlib import Path

from csv_files import write_csv
from tiny_zoo import ZOO, Tiny

import predict
import search
from fuzz.areas import ZOO_FILE, few_images
from fuzz.law import Attempt, Bench
from fuzz.mutations import ODD_TEXTS
from torchbudget import cli
from torchbudget.command import run_main
from torchbudget.evidence.weights import save_weights
from utils import options, table
from utils.trial_command import check_options, read_seeds

EVIL = """\
import os
os.mkdir({canary!r})
class Payload: pass
"""
CHECK = "tiny --only params --zoo zoo.py --results results.json --json - --json out.json \
--summary out.md --comment zoo.py --base-may-lack-zoo --junit zoo.py --sarif results.json \
--badge out.svg --github --explain chain --why tiny --max-seconds --weights weights \
--data-root weights --unt --base".split()
PREDICT = "digit.png --entry tiny --seed 0 --weights weights/tiny-seed0-mnist_sample.safetensors \
--zoo zoo.py --json --csv test.csv --out test.csv --out out.csv --train-csv train.csv \
--drop-overlap --data-root weights --onnx digit.png".split()
TRAIN = 'tiny --seed 0 --resume --check --record --device cpu --zoo zoo.py --train-csv train.csv \
--recipe.epochs 3 --recipe.schedule.max_lr 0.1 --recipe.optimizer SGD --recipe.augment \
--recipe.optimizer=evil.Payload --recipe=evil.Payload --recipe.average=evil.Payload \
--recipe.optimizer.help=evil.Payload --trial --seeds 0-4 --network width=4 --lab zoo.py \
--against declared --recipe.teacher tiny --recipe.teacher.share 0.5 --recipe.teacher none \
--recipe.optimizer={"class_path":"evil.Payload"}'.split()
SEARCH = "tiny --trials 3 --epochs 1 --seed 0 --search schedule.max_lr=0.1:1:log --fix augment \
--storage sqlite:///a.db redis://a --study name --device cpu --zoo zoo.py --out out".split()
RECORD = "record why explain tiny --weights weights/tiny-seed0-mnist_sample.safetensors --seed \
--steps 7 --batch-size 10 --epochs --seconds nan --zoo zoo.py --results results.json".split()
TABLE = "--zoo zoo.py --results results.json --json --wide --readme README.md".split()


def mutate_arguments(bench: Bench) -> Iterator[Attempt]:
    """Command lines of every program, in a folder of inputs that none of them may change."""
    inputs = bench.folder / "inputs"
    shutil.rmtree(inputs, ignore_errors=True)
    (inputs / "weights").mkdir(parents=True)
    (inputs / "zoo.py").write_text(ZOO_FILE)
    (inputs / "results.json").write_text('{"schema": 1, "runs": []}')
    (inputs / "evil.py").write_text(EVIL.format(canary=str(bench.canary)))
    save_weights(inputs / "weights" / "tiny-seed0-mnist_sample.safetensors", Tiny())
    images = few_images().train[:3]
    write_csv(inputs / "train.csv", images.pixels, images.labels)
    write_csv(inputs / "test.csv", images.pixels)
    commands: tuple[tuple[str, list[str], Callable[[list[str]], int]], ...] = (
        ("check", CHECK, cli.check),
        ("predict", PREDICT, predict.main),
        ("train", TRAIN, parse_training),
        ("search", SEARCH, parse_search),
        ("torchbudget", RECORD, parse_main),
        ("table", TABLE, table.main),
    )
    while True:
        name, known, main = bench.draw.choice(commands)
        words = draw_words(bench.draw, known)
        if name == "check":
            words += ["--only", "params"]  # the other gates take a second
        yield None, functools.partial(run_inside, inputs, main, words), f"{name} {words}"


def draw_words(draw: random.Random, known: list[str]) -> list[str]:
    """Up to six words."""
    words = []
    for _ in range(draw.randint(0, 6)):
        word = draw.choice(known)
        kind = draw.randrange(12)
        if kind == 0:
            word = draw_odd(draw)
        elif kind == 1:
            word = word[: draw.randint(1, len(word))]
        elif kind == 2:
            word = f"{word.partition('=')[0]}={draw_odd(draw)}"
        words.append(word)
    if "zoo.py" not in words:
        words += ["--zoo", "zoo.py"]
    return [word for word in words if word != "--untrusted"]


def draw_odd(draw: random.Random) -> str:
    """An odd text that a system can hand to a program: bytes without a zero."""
    return draw.choice(ODD_TEXTS).replace("\x00", "").replace("\ud800", "\udcff")


def run_inside(folder: Path, main: Callable[[list[str]], int], words: list[str]) -> int:
    """The exit code of a command that runs in a copy's working directory."""
    before = Path.cwd()
    os.chdir(folder)
    kept = {path.name for path in folder.iterdir()}
    try:
        return main(words)
    finally:
        os.chdir(before)
        for path in folder.iterdir():
            if path.name not in kept:
                shutil.rmtree(path) if path.is_dir() else path.unlink()


def parse_training(words: list[str]) -> int:
    """What `train.py` does with its words before it trains."""

    def parse() -> None:
        options.find_zoo(words, Path("zoo.py"))
        _, _, found = options.parse(words, {"tiny": ZOO[0]})
        check_options(found)
        if found.trial and found.seeds:
            read_seeds(found.seeds)

    return run_main(parse, "train.py")


def parse_search(words: list[str]) -> int:
    """What `search.py` does with its words before it opens a study."""
    return run_main(lambda: search.find_space(search.parse(words)) and None, "search.py")


def parse_main(words: list[str]) -> int:
    """What `torchbudget` does with its words before it measures."""
    return run_main(lambda: cli.make_main_parser().parse_args(words) and None, "torchbudget")
