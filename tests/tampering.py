"""Ways to tamper with a trained zoo's folder, and to judge it."""

import json
import subprocess
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from pathlib import Path

import msgspec
import torch
from safetensors.torch import load

from torchbudget import cli
from torchbudget.data.mnist import load_mnist_sample
from torchbudget.declare.entry import Entry
from torchbudget.declare.zoofile import load_zoo
from torchbudget.evidence.files import file_digest
from torchbudget.evidence.measure import count_confusion, predictions_digest
from torchbudget.evidence.record import record_run
from torchbudget.evidence.results import Run, TeacherRecord, seal
from torchbudget.report.verdict import Status


def judge(folder: Path, *words: str) -> tuple[int, dict[str, dict]]:
    """Exit code and verdicts by gate of the zoo in `folder`."""
    out = folder / "verdicts.json"
    code = cli.check(["--zoo", str(folder / "zoo.py"), "--json", str(out), *words])
    return code, {verdict["gate"]: verdict for verdict in json.loads(out.read_text())["verdicts"]}


def edit(path: Path, old: str, new: str) -> None:
    text = path.read_text(encoding="utf-8")
    assert old in text
    path.write_text(text.replace(old, new, 1), encoding="utf-8")


TEACHING = """

from dataclasses import replace

from utils.recipe import Teacher

(TINY,) = ZOO
PUPIL = replace(
    TINY,
    name="pupil",
    budget=replace(TINY.budget, seeds=1),
    recipe=replace(
        TINY.recipe, val_images=500, teacher=Teacher(entry=TINY, seeds=(0, 1), copies=2)
    ),
)
ZOO = (PUPIL, TINY)
"""


def add_pupil(folder: Path, **teaching: str) -> None:
    """Declare `pupil`, which both seeds of `tiny` teach, and record first weights as its run.

    `teaching` are exchanges in the text that declares it, made before it is recorded.
    """
    text = TEACHING
    for old, new in teaching.items():
        assert old in text
        text = text.replace(old, new)
    zoo_file = folder / "zoo.py"
    zoo_file.write_text(zoo_file.read_text(encoding="utf-8") + text, encoding="utf-8")
    pupil = load_zoo(zoo_file)["pupil"]
    torch.manual_seed(0)
    teacher = None if "entry=TINY," in text else TeacherRecord(entry="tiny", weights={})
    record_as_before(pupil, folder, 0, pupil.network(), teacher)


def edit_run(folder: Path, seed: int, reseal: bool = False, *, of: str = "tiny", **changes) -> None:
    path = folder / "results.json"
    document = json.loads(path.read_text())
    (run,) = [run for run in document["runs"] if (run["entry"], run["seed"]) == (of, seed)]
    run.update(changes)
    if reseal:
        fields = msgspec.to_builtins(seal(msgspec.convert(run, Run)))
        run.clear()
        run.update(fields)
    path.write_text(write_canonical(document))


def write_canonical(document: dict) -> str:
    """The document in the form in which the record is written."""
    blocks = []
    for run in document["runs"]:
        fields = [f"   {json.dumps(name)}: {json.dumps(value)}" for name, value in run.items()]
        blocks.append("  {\n" + ",\n".join(fields) + "\n  }")
    runs = ",\n".join(blocks)
    return f'{{\n "schema": {document["schema"]},\n "runs": [\n{runs}\n ]\n}}\n'


def right_one(folder: Path, seed: int) -> dict:
    """The fields of a run as if it had been right about one image that it missed."""
    run = read_run(folder, seed)
    labels = load_mnist_sample().test.labels
    predictions = labels.clone()
    for index, predicted in run["missed"].items():
        predictions[int(index)] = predicted
    index = int(next(iter(run["missed"])))
    predictions[index] = labels[index]
    missed = {key: predicted for key, predicted in run["missed"].items() if int(key) != index}
    return {
        "missed": missed,
        "confusion": count_confusion(labels, predictions, 10),
        "test": run["test"] | {"misses": len(missed)},
        "digests": run["digests"] | {"predictions": predictions_digest(predictions, 10)},
    }


def copy_run(folder: Path, source: int, target: int) -> None:
    """Record the run of seed `source` under the name of seed `target`, weights and all."""
    fields = read_run(folder, source)
    del fields["seed"]
    edit_run(folder, target, reseal=True, **fields)
    weights = folder / "weights"
    content = (weights / f"tiny-seed{source}-mnist_sample.safetensors").read_bytes()
    (weights / f"tiny-seed{target}-mnist_sample.safetensors").write_bytes(content)


def reship(folder: Path, seed: int, change: Callable[[dict], bytes]) -> None:
    """Replace a weights file by what `change` makes of its tensors, and seal a record that fits."""
    path = folder / "weights" / f"tiny-seed{seed}-mnist_sample.safetensors"
    path.write_bytes(change(load(path.read_bytes())))
    digests = read_run(folder, seed)["digests"] | {"weights": file_digest(path)}
    edit_run(folder, seed, reseal=True, digests=digests)


def record_again(folder: Path, seed: int, state: dict[str, torch.Tensor]) -> None:
    """Record other weights of a seed as they measure here, with the history that it had."""
    (entry,) = load_zoo(folder / "zoo.py").values()
    record_as_before(entry, folder, seed, state)


def record_as_before(
    entry: Entry,
    folder: Path,
    seed: int,
    network: torch.nn.Module | dict[str, torch.Tensor],
    teacher: TeacherRecord | None = None,
) -> None:
    """Record a network as a run of `entry` that was trained as the run of `tiny` with that seed."""
    before = msgspec.convert(read_run(folder, seed), Run)
    record_run(
        entry,
        seed,
        network,
        folder=folder,
        dataset=load_mnist_sample(),
        steps=before.steps,
        batch_size=before.batch_size,
        seconds=before.train_seconds,
        history=before.history,
        teacher=teacher,
    )


def rename(folder: Path, seed: int, new: str, new_seed: int | None = None) -> None:
    """Give a seed of `tiny`, with its record and weights, to the entry `new`."""
    run = read_run(folder, seed)
    number = seed if new_seed is None else new_seed
    weights = folder / "weights"
    (weights / f"tiny-seed{seed}-mnist_sample.safetensors").rename(
        weights / f"{new}-seed{number}-mnist_sample.safetensors"
    )
    path = folder / "results.json"
    document = json.loads(path.read_text())
    document["runs"].remove(run)
    run |= {"entry": new, "seed": number}
    run["seal"] = msgspec.convert(run, Run).expected_seal()
    document["runs"].append(run)
    document["runs"].sort(key=lambda each: (each["entry"], each["seed"]))
    path.write_text(write_canonical(document))


def failed(verdicts: dict[str, dict]) -> set[str]:
    return {gate for gate, verdict in verdicts.items() if verdict["status"] == Status.FAIL}


def read_run(folder: Path, seed: int, of: str = "tiny") -> dict:
    (run,) = [
        run
        for run in json.loads((folder / "results.json").read_text())["runs"]
        if (run["entry"], run["seed"]) == (of, seed)
    ]
    return run


def commit(folder: Path) -> None:
    """Make `folder` a git repository with all it holds in one commit."""
    for words in (
        ["init", "-q"],
        ["add", "."],
        ["-c", "user.name=zoo", "-c", "user.email=zoo@example.org", "commit", "-qm", "base"],
    ):
        subprocess.run(["git", *words], cwd=folder, check=True)


def waive(folder: Path, gate: str, accepted: float, days: int) -> None:
    """Write a waiver for `tiny` that expires in `days` days."""
    expires = (datetime.now(UTC) + timedelta(days=days)).date()
    lines = [
        "[[waiver]]",
        'entry = "tiny"',
        f'gate = "{gate}"',
        f"accepted = {accepted}",
        'reason = "a test"',
        'owner = "zoo"',
        f"expires = {expires}",
    ]
    (folder / "waivers.toml").write_text("\n".join(lines) + "\n")


def leaves(value, path=()):
    """Every (path, value) of a JSON document that is no container."""
    if isinstance(value, (dict, list)):
        for key, item in value.items() if isinstance(value, dict) else enumerate(value):
            yield from leaves(item, (*path, key))
    else:
        yield path, value
