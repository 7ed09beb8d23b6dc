"""Measurement 4: images a second of each network of the zoo with its shipped weights, a picture at a time and 1,000 at once, in every form that runs.

Entries that share a network share a row, and an ensemble is as fast as its members one after the other, which have rows. In fp32, one view.
"""

import tempfile
import time
from collections.abc import Callable
from pathlib import Path

import torch
from torch import nn

from bench.choice import ROOT, Choice
from bench.exported import FORMS, Form, make_forms
from bench.peak import describe_peak, measure_peak
from bench.stopwatch import show, spread, table, take_turns
from torchbudget.data.images import as_floats
from torchbudget.declare.entry import Ensemble, Entry
from torchbudget.evidence.weights import load_shipped
from torchbudget.network.structure import count_multiply_adds

BATCHES = (1, 1_000)
COMPARED = 1_000
ENOUGH = 0.2
"""Seconds that a run takes at least: calls are repeated until then."""


def choose_entries(choice: Choice) -> dict[str, list[Entry]]:
    """Name of a network: the entries that have it."""
    entries = (
        [choice.entry]
        if choice.named
        else [entry for entry in choice.zoo.values() if not isinstance(entry, Ensemble)]
    )
    networks = {entry.network: entry.network.__name__ for entry in entries}
    return {
        name: [entry for entry in entries if entry.network is network]
        for network, name in networks.items()
    }


def images_per_second(form: Form, images: torch.Tensor) -> float:
    calls, started = 0, time.perf_counter()
    while (seconds := time.perf_counter() - started) < ENOUGH:
        form(images)
        calls += 1
    return calls * len(images) / seconds


def count_differing(form: Form, images: torch.Tensor, batch: int, expected: torch.Tensor) -> int:
    """Of how many images `form`, a `batch` at a time, gives another digit than `expected` (N,)."""
    found = torch.cat([form(part).argmax(1) for part in images.split(batch)])
    return int((found != expected).sum())


def measure_network(network: nn.Module, images: torch.Tensor, batch: int, repeats: int) -> dict:
    """What each form does with `batch` of the normalised `images` at a time, the forms taking turns."""
    batch, expected = min(batch, len(images)), network(images).argmax(1)
    with tempfile.TemporaryDirectory() as folder:
        forms, reasons = make_forms(network, images[:batch].clone(), Path(folder))
        runs: dict[str, Callable[[], float]] = {
            name: lambda form=form: images_per_second(form, images[:batch])
            for name, form in forms.items()
        }
        found = take_turns(runs, repeats)
        whole = images[: len(images) // batch * batch]
        differing = {
            name: count_differing(form, whole, batch, expected[: len(whole)])
            for name, form in forms.items()
        }
    return {
        "images_per_second": {name: spread(rates) for name, rates in found.items()},
        "other_digits": differing,
        "does_not_run": reasons,
    }


@torch.no_grad()
def measure(choice: Choice) -> dict:
    images = choice.dataset.image.normalise(as_floats(choice.dataset.test.pixels[:COMPARED]))
    rows = []
    for name, entries in choose_entries(choice).items():
        network = load_shipped(entries[0], 0, ROOT / "weights")
        for batch in BATCHES:
            found = {
                "network": name,
                "entries": [entry.name for entry in entries],
                "batch": batch,
                "operations": 2 * count_multiply_adds(network),
            }
            rows.append(found | measure_network(network, images, batch, choice.repeats))
            print(describe_row(rows[-1]), flush=True)
    return {"compared_images": len(images), "rows": rows, "peak": measure_peak(choice.repeats)}


def describe_row(row: dict) -> str:
    rates = [f"{name} {show(rate, digits=0)}" for name, rate in row["images_per_second"].items()]
    return f"{row['network']}, batch {row['batch']}: {', '.join(rates)} images/s"


def describe(figures: dict) -> str:
    most = max(figures["peak"].values())
    cells = []
    for row in figures["rows"]:
        rates = {name: rate["median"] for name, rate in row["images_per_second"].items()}
        best = max(rates.values()) * row["operations"] / most
        differing = (
            ", ".join(f"{count} by {name}" for name, count in row["other_digits"].items() if count)
            or "0"
        )
        cells.append(
            (
                row["network"],
                row["batch"],
                *(f"{rates[name]:,.0f}" if name in rates else "-" for name in FORMS),
                f"{best:.1%}",
                differing,
            )
        )
    header = (
        "images a second",
        "batch",
        *FORMS,
        "best, of the higher peak",
        f"other digits of {figures['compared_images']:,}",
    )
    shared = [
        f"{row['network']}: {', '.join(row['entries'])}"
        for row in figures["rows"]
        if len(row["entries"]) > 1 and row["batch"] == 1
    ]
    reasons = [
        f"{row['network']}, batch {row['batch']}, {name}: {why}"
        for row in figures["rows"]
        for name, why in row["does_not_run"].items()
    ]
    return "\n".join([table(header, cells), describe_peak(figures["peak"]), *shared, *reasons])
