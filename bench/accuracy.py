"""Measurement 2: seconds of training until at most 60 of the 10,000 test images are missed.

The published run measures test after each epoch, as its author did, to find the first epoch at
99.40 %. That flatters the published run. Ours is a whole, fixed schedule for each of ten seeds, and
only the final weights read test, once. If the zoo has `dash`, three times as many seeds of it take
part, for 99.0 %.

The clock of a run of ours starts before its first tensor is made and stops when its final weights
are on the CPU: set-up of the network, allocation, augmentation, steps, averaging and BatchNorm
statistics are inside. Imports, reading files, the split, and measuring val and test are outside,
and shown separately. All sides take turns. Finished turns are kept, so an interrupted bench can be
resumed.
"""

import statistics
import sys
import time
from dataclasses import replace
from typing import Any

import torch
from scipy import stats
from tqdm import tqdm

from bench.choice import ROOT, Choice, cut_short
from bench.plot import plot_accuracy
from bench.published import EPOCHS, Published
from bench.results import machine, read_measurements
from bench.startup import wall_seconds
from bench.stopwatch import BAR, show, spread, table
from torchbudget.data.images import Dataset
from torchbudget.data.split import split_train_val
from torchbudget.declare.entry import Entry
from torchbudget.declare.entry import describe as describe_entry
from torchbudget.evidence.machine import device_name, hardware
from torchbudget.evidence.measure import measure as measure_images
from utils import checkpoint
from utils.plots import save_figure
from utils.runs import scale_val
from utils.training import Training

KEPT = ROOT / "bench" / "results.json"
DASH_SEEDS = 3
"""Runs of `dash` for each run of the entry that is raced."""


def max_misses(dataset: Dataset, per_thousand: int) -> int:
    """The misses that a side may have: 6 of 1,000 are 99.40 %, 10 are 99.0 %."""
    return len(dataset.test) * per_thousand // 1_000


def order_turns(counts: dict[str, int]) -> list[str]:
    """Whose turn it is, in order: the turns of each side are spread evenly over the race.

    The first side of `counts` begins, when caches are cold.
    """
    turns = []
    for place, (name, count) in enumerate(counts.items()):
        offset = place / len(counts)
        turns += [((number + offset) / count, name) for number in range(count)]
    return [name for _, name in sorted(turns, key=lambda turn: turn[0])]


def run_ours(entry: Entry, seed: int, dataset: Dataset) -> dict:
    """Train a run from the first to the last step, then measure test once."""
    began = time.perf_counter()
    train, val = split_train_val(dataset, scale_val(entry, dataset))
    training = Training(entry, seed, train, val, torch.device("cpu"))
    while len(training.history) < entry.recipe.epochs:
        training.epoch()
    network = training.final_network()
    misses = measure_images(network, dataset.test, views=entry.views).misses
    return {
        "seed": seed,
        "seconds": training.seconds,
        "seconds_off_the_clock": time.perf_counter() - began - training.seconds,
        "misses": misses,
        "val_images": len(training.val),
        "history": [
            {"seconds": row.seconds, "val_misses": row.val_misses} for row in training.history
        ],
    }


class Race:
    """All sides, a turn at a time: epochs of the published run, and whole runs of ours.

    `entries` are ours by side: "ours", which is compared with the published run, and "dash".
    `curve` has the seconds so far and the misses after each epoch of the published run.
    """

    def __init__(self, choice: Choice, entry: Entry) -> None:
        self.choice = choice
        self.dataset = choice.dataset
        self.entries = {"ours": entry}
        epochs = choice.epochs or EPOCHS
        counts = {"ours": choice.seeds, "published": epochs}
        if choice.dash:
            self.entries["dash"] = choice.dash
            counts["dash"] = DASH_SEEDS * choice.seeds
        self.turns = order_turns(counts)
        self.published = Published(self.dataset.train, epochs)
        self.curve: list[dict] = []
        self.runs: dict[str, list[dict]] = {side: [] for side in self.entries}
        recipes = {side: describe_entry(entry.recipe) for side, entry in self.entries.items()}
        self.started_as = {"recipes": recipes, **choice.describe(), **machine()}
        self.folder = choice.checkpoints / f"accuracy-{entry.name}-{choice.data}"

    @property
    def done(self) -> int:
        return len(self.curve) + sum(len(runs) for runs in self.runs.values())

    def resume(self) -> None:
        """Continue an interrupted race if it had this choice, machine and commit."""
        if not checkpoint.list_checkpoints(self.folder):
            return
        state = checkpoint.load_checkpoint(self.folder)
        if state["started_as"] != self.started_as:
            print("the interrupted bench had another choice, machine or commit; starting anew")
            checkpoint.clear_checkpoints(self.folder)
            return
        self.published.load_state_dict(state["published"])
        self.curve = state["curve"]
        self.runs = state["runs"]
        print(f"resuming: {self.done} of {len(self.turns)} turns are done")

    def turn(self) -> str:
        """Run the next turn and save it; what it gave, in a line."""
        side = self.turns[self.done]
        report = self.turn_published() if side == "published" else self.turn_ours(side)
        state = {
            "published": self.published.state_dict(),
            "curve": self.curve,
            "runs": self.runs,
            "started_as": self.started_as,
        }
        checkpoint.save_checkpoint(self.folder, self.done, state)
        return report

    def turn_ours(self, side: str) -> str:
        entry = self.entries[side]
        run = run_ours(entry, len(self.runs[side]), self.dataset)
        self.runs[side].append(run)
        return (
            f"{entry.name}, seed {run['seed']}: "
            f"{run['misses']} misses on test, {run['seconds']:.2f} s"
        )

    def turn_published(self) -> str:
        seconds = self.published.epoch()
        if self.curve:
            seconds += self.curve[-1]["seconds"]
        misses = measure_images(self.published.network, self.dataset.test).misses
        self.curve.append({"seconds": seconds, "misses": misses})
        return (
            f"published, epoch {len(self.curve)}: {misses} misses on test, {seconds:.1f} s so far"
        )

    def figures(self) -> dict[str, Any]:
        allowed = max_misses(self.dataset, 6)
        ours = summarise(self.runs["ours"], allowed)
        first = None
        for number, row in enumerate(self.curve, 1):
            if row["misses"] <= allowed:
                first = {"epoch": number, **row}
                break
        seconds = ours["seconds"]["all"]
        figures = {
            "entry": self.entries["ours"].name,
            "test_images": len(self.dataset.test),
            "max_misses": allowed,
            "published": {"curve": self.curve, "first": first},
            "ours": ours,
            "ratio": first and first["seconds"] / ours["mean_seconds"],
            "ratio_by_seed": first and spread([first["seconds"] / other for other in seconds]),
        }
        if "dash" in self.runs:
            allowed = max_misses(self.dataset, 10)
            dash = summarise(self.runs["dash"], allowed)
            dash["max_misses"] = allowed
            dash["share"] = dash["mean_seconds"] / ours["mean_seconds"]
            misses = [run["misses"] for run in self.runs["dash"]]
            test = stats.ttest_1samp(misses, allowed, alternative="less")
            dash["p_more_misses"] = float(test.pvalue)
            figures["dash"] = dash
        return figures


def summarise(runs: list[dict], allowed: int) -> dict[str, Any]:
    """The runs of one side, their misses, of which `allowed` are, and their seconds."""
    misses = [run["misses"] for run in runs]
    seconds = [run["seconds"] for run in runs]
    return {
        "runs": runs,
        "mean_misses": statistics.mean(misses),
        "worst_misses": max(misses),
        "num_within": sum(count <= allowed for count in misses),
        "mean_seconds": statistics.mean(seconds),
        "seconds": spread(seconds),
        "seconds_off_the_clock": spread([run["seconds_off_the_clock"] for run in runs]),
    }


def in_published_epochs(figures: dict) -> list[float]:
    """The seconds of each of our runs, in epochs of the published run beside them."""
    curve = figures["published"]["curve"]
    epoch = curve[-1]["seconds"] / len(curve)
    return [seconds / epoch for seconds in figures["ours"]["seconds"]["all"]]


def compare_with(kept: dict | None, figures: dict) -> dict[str, Any] | None:
    """How much faster ours is than the runs of a kept measurement; None without those.

    Seconds are compared as shares of a published epoch on the same machine, by Welch's t-test. A
    processor shortens one network's steps more than another's, so on another `cpu` there are no
    `ratio` and `p_as_fast`.
    """
    if kept is None or kept["figures"]["entry"] != figures["entry"]:
        return None
    before, now = in_published_epochs(kept["figures"]), in_published_epochs(figures)
    if min(len(before), len(now)) < 2:
        return None
    found = {"commit": kept["commit"], "cpu": kept["hardware"]["cpu"]}
    if found["cpu"] != hardware("cpu")["cpu"]:
        return found
    test = stats.ttest_ind(before, now, equal_var=False)
    return found | {
        "ratio": statistics.mean(before) / statistics.mean(now),
        "p_as_fast": float(test.pvalue),
    }


def describe_comparison(kept: dict) -> tuple[str, str]:
    """The row of what `compare_with` gives."""
    if "ratio" not in kept:
        return f"the kept runs, of {kept['commit']}", f"not compared: they are of {kept['cpu']}"
    return (
        f"faster than the kept runs, of {kept['commit']}",
        f"{kept['ratio']:.2f} times, p {kept['p_as_fast']:.1g}",
    )


def measure(choice: Choice) -> dict:
    """Run every turn and draw the plot; then delete the saved turns."""
    entry = replace(choice.entry, recipe=cut_short(choice.entry.recipe, choice.epochs))
    race = Race(choice, entry)
    race.resume()
    with tqdm(total=len(race.turns), bar_format=BAR, leave=False, disable=None) as bar:
        bar.update(race.done)
        while race.done < len(race.turns):
            bar.set_description(race.turns[race.done])
            tqdm.write(race.turn())
            bar.update()
    figures = race.figures()
    figures["seconds_of_imports"] = wall_seconds([sys.executable, "-c", "import train"], ROOT)
    figures["kept"] = compare_with(read_measurements(KEPT).get("accuracy"), figures)
    save_figure(plot_accuracy(figures, device_name("cpu")), choice.plot)
    checkpoint.clear_checkpoints(race.folder)
    return figures


def describe_side(name: str, side: dict, allowed: str) -> list[tuple[str, str]]:
    """The rows of one of our entries."""
    return [
        (f"{name}: seeds within {allowed}", f"{side['num_within']} of {len(side['runs'])}"),
        (f"{name}: misses, mean and worst", f"{side['mean_misses']:.1f}, {side['worst_misses']}"),
        (f"{name}: seconds of training, mean", f"{side['mean_seconds']:.2f}"),
        (f"{name}: seconds of training", show(side["seconds"])),
        (f"{name}: off the clock", show(side["seconds_off_the_clock"])),
    ]


def describe(figures: dict) -> str:
    published = figures["published"]
    total = f"{figures['test_images']:,}"
    allowed = f"{figures['max_misses']} of {total}"
    first = published["first"]
    last = published["curve"][-1]
    reached = f"{first['seconds']:.1f} s, epoch {first['epoch']}" if first else "never"
    rows = [
        (f"published: first epoch within {allowed}", reached),
        (
            f"published: after epoch {len(published['curve'])}",
            f"{last['misses']} misses, {last['seconds']:.1f} s",
        ),
        *describe_side(figures["entry"], figures["ours"], allowed),
    ]
    if first:
        by_seed = figures["ratio_by_seed"]
        rows.append(
            (
                "published / mean of ours",
                f"{figures['ratio']:.1f} ({by_seed['lowest']:.1f} to {by_seed['highest']:.1f})",
            )
        )
    if figures["kept"]:
        rows.append(describe_comparison(figures["kept"]))
    dash = figures.get("dash")
    if dash:
        allowed = f"{dash['max_misses']} of {total}"
        rows += describe_side("dash", dash, allowed)
        rows.append(("dash: p that it misses more than that", f"{dash['p_more_misses']:.1g}"))
        rows.append((f"dash: seconds / {figures['entry']}'s", f"{dash['share']:.3f}"))
    rows.append(("imports, off the clock", f"{figures['seconds_of_imports']:.2f}"))
    return table(("time to accuracy", ""), rows)
