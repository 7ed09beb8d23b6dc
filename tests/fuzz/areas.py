"""The areas of input: for each, an endless row of mutants and what reads them."""

import functools
import gzip
import hashlib
import io
import json
import os
import shutil
import struct
import warnings
import zipfile
from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path

import msgspec
import torch
from csv_files import write_csv
from PIL import Image
from tiny_zoo import ZOO, Tiny

from fuzz.law import Attempt, Bench
from fuzz.mutations import ODD_TEXTS, mutate_bytes, mutate_json, mutate_value
from torchbudget.data.from_files import read_rows
from torchbudget.data.images import Dataset
from torchbudget.data.mnist import IMAGE, IdxLoader, load_mnist_sample
from torchbudget.declare.entry import describe
from torchbudget.declare.zoofile import load_zoo, locate
from torchbudget.evidence.results import read_results
from torchbudget.evidence.state_dict import read_state_dict
from torchbudget.evidence.weights import load_weights, save_weights
from torchbudget.gates.waivers import read_waivers
from utils import kaggle, study, table, trials_table
from utils.checkpoint import load_checkpoint, save_checkpoint
from utils.lab_book import Trial, read_book
from utils.picture import read_picture
from utils.resume import resume_training
from utils.space import make_space
from utils.training import Training

ROOT = Path(__file__).resolve().parents[2]
ENTRY = replace(
    ZOO[0],
    recipe=replace(ZOO[0].recipe, epochs=2, batch_size=20, amp="off", val_images=20),
)
WAIVERS = """\
[[waiver]]
entry = "tiny"
gate = "accuracy"
accepted = 62
reason = "a retrained seed is under way"
owner = "Ada"
expires = 2026-03-31
"""
ZOO_FILE = '''\
"""A zoo."""
from tiny_zoo import Tiny
from torchbudget import Budget, Entry, data

ZOO = (
    Entry(name="tiny", network=Tiny, data=data.MNIST_SAMPLE, budget=Budget(max_params=5_000)),
)
'''


class Payload:
    """Makes the canary where it is unpickled."""

    def __init__(self, canary: Path) -> None:
        self.canary = canary

    def __reduce__(self) -> tuple[Callable[..., object], tuple[object, ...]]:
        return os.mkdir, (str(self.canary),)


@functools.cache
def few_images() -> Dataset:
    """A hundred real images to train on, and twenty to test by."""
    sample = load_mnist_sample()
    chosen = torch.arange(0, 4_000, 40)
    return Dataset("mnist_sample", sample.train[chosen], sample.test[:20])


def place(bench: Bench, name: str, content: bytes) -> Path:
    """A mutant as a file of that name, alone among the inputs."""
    folder = bench.folder / "inputs"
    shutil.rmtree(folder, ignore_errors=True)
    folder.mkdir()
    (folder / name).write_bytes(content)
    return folder / name


# --- files of the judge ---------------------------------------------------------------------------


def mutate_results(bench: Bench) -> Iterator[Attempt]:
    document = json.loads((ROOT / "results.json").read_bytes())
    document["runs"] = document["runs"][:1]
    zoo = bench.folder / "zoo.py"
    zoo.write_text(ZOO_FILE)
    while True:
        path = place(bench, "results.json", mutate_json(document, bench.draw))
        if bench.draw.random() < 0.1:
            words = ["--zoo", str(zoo), "--results", str(path)]
            yield None, functools.partial(table.main, words), "the zoo's table"
        else:
            yield path, functools.partial(read_results, path), "a results file"


def mutate_weights(bench: Bench) -> Iterator[Attempt]:
    original = bench.folder / "original.safetensors"
    contents = []
    for stored in ("float32", "int8"):
        save_weights(original, Tiny(), stored)
        contents.append(original.read_bytes())
    while True:
        content = bench.draw.choice(contents)
        (size,) = struct.unpack("<Q", content[:8])
        header = json.loads(content[8 : 8 + size])
        mutant = mutate_bytes(content, bench.draw)
        if bench.draw.random() < 0.5:
            changed = mutate_json(header, bench.draw)
            mutant = struct.pack("<Q", len(changed)) + changed + content[8 + size :]
        path = place(bench, "tiny-seed0.safetensors", mutant)
        yield path, functools.partial(load_weights, path, Tiny()), "a weights file"
        yield path, functools.partial(read_state_dict, path), "a weights file to be recorded"


def mutate_lab_books(bench: Bench) -> Iterator[Attempt]:
    run = read_results(ROOT / "results.json")[0]
    trial = Trial(
        entry="tiny",
        seeds=[0, 1],
        misses=[3, 4],
        val_images=500,
        seconds=[1.5, 1.25],
        overrides=["epochs=3"],
        params=2_114,
        dataset="mnist_sample",
        train_images=3_500,
        precision="fp32",
        network=run.digests.network,
        initial=run.digests.weights,
        train=run.digests.train,
        val=run.digests.test,
        recipe=describe(ENTRY.recipe),
        teacher={"tiny-seed0": run.digests.weights},
        started=run.started,
        commit=run.commit,
        versions=run.versions,
        hardware=run.hardware,
        command="train.py tiny --trial",
    )
    whole = msgspec.json.encode(trial)
    while True:
        line = mutate_json(msgspec.to_builtins(trial), bench.draw)
        path = place(bench, "trials.jsonl", whole + b"\n" + line + b"\n")
        if bench.draw.random() < 0.2:
            yield (
                None,
                functools.partial(trials_table.main, ["--lab", str(path)]),
                "the lab's table",
            )
        else:
            yield path, functools.partial(read_book, path), "a lab book"


def mutate_waivers(bench: Bench) -> Iterator[Attempt]:
    while True:
        mutant = mutate_bytes(WAIVERS.encode(), bench.draw)
        path = place(bench, "waivers.toml", mutant)
        yield path, functools.partial(read_waivers, path), "a waivers file"


def mutate_zoo_files(bench: Bench) -> Iterator[Attempt]:
    while True:
        mutant = mutate_bytes(ZOO_FILE.encode(), bench.draw)
        path = place(bench, "zoo.py", mutant)
        yield path, functools.partial(load_zoo, path), "a zoo file"
        yield path, functools.partial(locate, path, "tiny", "max_params"), "where a zoo file says"


# --- files of training ----------------------------------------------------------------------------


def mutate_checkpoints(bench: Bench) -> Iterator[Attempt]:
    data = few_images()
    with torch.random.fork_rng(devices=[]):
        training = Training(ENTRY, 0, data.train, data.test, torch.device("cpu"))
        training.epoch()
    state = training.state_dict() | {"recipe": describe(ENTRY.recipe), "resumed": []}
    save_checkpoint(bench.folder / "checkpoints", 1, state)
    content = (bench.folder / "checkpoints" / "epoch-001.pt").read_bytes()
    while True:
        path = place(bench, "epoch-001.pt", mutate_checkpoint(content, state, bench))
        yield path, functools.partial(load_checkpoint, path.parent), "a checkpoint"
        yield path.parent, functools.partial(resume, path, data), "a checkpoint to resume from"
        path = path.rename(path.with_suffix(".pth"))
        yield path, functools.partial(read_state_dict, path), "a state dict to be recorded"


def mutate_checkpoint(content: bytes, state: dict[str, object], bench: Bench) -> bytes:
    """Other bytes, other content, or an archive with other bytes and right checksums."""
    kind = bench.draw.randrange(4)
    if kind == 0:
        return mutate_bytes(content, bench.draw)
    saved = io.BytesIO()
    if kind == 1:
        torch.save(mutate_value(state, bench.draw), saved)
    elif kind == 2:
        torch.save(state | {"resumed": Payload(bench.canary)}, saved)
    else:
        with zipfile.ZipFile(io.BytesIO(content)) as old, zipfile.ZipFile(saved, "w") as new:
            for name in old.namelist():
                part = old.read(name)
                new.writestr(name, mutate_bytes(part, bench.draw) if "pkl" in name else part)
    return saved.getvalue()


def resume(path: Path, data: Dataset) -> None:
    with torch.random.fork_rng(devices=[]):
        training = Training(ENTRY, 0, data.train, data.test, torch.device("cpu"))
        resume_training(training, path.parent)


def mutate_studies(bench: Bench) -> Iterator[Attempt]:
    data = few_images()
    objective = study.Objective(make_space(ENTRY, [], []), 0, data.train, data.test)
    original = bench.folder / "study.db"
    opened = study.open_study(study.open_storage(f"sqlite:///{original}"), "tiny", objective)
    with warnings.catch_warnings(action="ignore"):
        trial = opened.ask()
    for name, interval in objective.space.ranges.items():
        study.suggest(trial, name, interval)
    opened.tell(trial, 7)
    content = original.read_bytes()
    while True:
        path = place(bench, "study.db", mutate_bytes(content, bench.draw))
        yield None, functools.partial(read_study, path, objective), "a study"
        if bench.draw.random() < 0.2:
            url = bench.draw.choice(("redis://127.0.0.1:1", "pickle://x", *ODD_TEXTS))
            yield None, functools.partial(study.open_storage, url), "a storage"


def read_study(path: Path, objective: study.Objective) -> None:
    shutil.copy(path, path.parent.parent / "copy.db")  # Optuna writes into what it opens
    storage = study.open_storage(f"sqlite:///{path.parent.parent / 'copy.db'}")
    study.open_study(storage, "tiny", objective)


# --- images ---------------------------------------------------------------------------------------


def mutate_csvs(bench: Bench) -> Iterator[Attempt]:
    images = few_images().train[:3]
    original = bench.folder / "original.csv"
    labelled = write_csv(original, images.pixels, images.labels).read_bytes()
    plain = write_csv(original, images.pixels).read_bytes()
    while True:
        content = bench.draw.choice((labelled, plain))
        path = place(bench, "images.csv", mutate_bytes(content, bench.draw))
        read = kaggle.read_train_csv if content == labelled else kaggle.read_test_csv
        yield path, functools.partial(read, path), "a competition's file"
        yield path, functools.partial(read_rows, path), "a CSV of images"


def mutate_pictures(bench: Bench) -> Iterator[Attempt]:
    digit = Image.fromarray(255 - few_images().train.pixels[0, 0].numpy()).resize((60, 60))
    contents = []
    for form, mode in (("PNG", "L"), ("PNG", "RGBA"), ("PNG", "P"), ("JPEG", "RGB")):
        saved = io.BytesIO()
        digit.convert(mode).save(saved, form)
        contents.append(saved.getvalue())
    while True:
        mutant = mutate_bytes(bench.draw.choice(contents), bench.draw)
        path = place(bench, "digit.png", mutant)
        yield path, functools.partial(read_picture, path), "a picture"


def mutate_idx_files(bench: Bench) -> Iterator[Attempt]:
    data = few_images()
    contents = {}
    for part, images in (("train", data.train), ("t10k", data.test)):
        shape = struct.pack(">4I", 0x803, len(images), 28, 28)
        contents[f"{part}-images-idx3-ubyte"] = shape + images.pixels.numpy().tobytes()
        labels = images.labels.to(torch.uint8).numpy().tobytes()
        contents[f"{part}-labels-idx1-ubyte"] = struct.pack(">2I", 0x801, len(images)) + labels
    digests = {name: hashlib.sha256(content).hexdigest() for name, content in contents.items()}
    loader = IdxLoader("mnist", "MNIST", IMAGE, digests)
    packed = {f"{name}.gz": gzip.compress(content, 1) for name, content in contents.items()}
    folder = bench.folder / "inputs" / "MNIST" / "raw"
    while True:
        place(bench, "notes", b"")
        folder.mkdir(parents=True)
        for name, content in packed.items():
            (folder / name).write_bytes(content)
        name = bench.draw.choice(list(packed))
        (folder / name).write_bytes(mutate_bytes(packed[name], bench.draw))
        read = functools.partial(loader.read, bench.folder / "inputs", False)
        yield folder / name, read, "an IDX file"
