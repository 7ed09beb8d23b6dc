"""Measurement 4: images a second of each network of the zoo with its shipped weights.

It is measured in every form that runs, one image at a time and 1,000 at once, in fp32 and with one
view. Entries that share a network share a row. An ensemble has no row: it takes as long as its
members one after the other.
"""

import tempfile
import time
from collections.abc import Callable
from functools import partial
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
"""The least seconds of a timed run: calls are repeated until then."""


def choose_entries(choice: Choice) -> dict[str, list[Entry]]:
    """The entries of each network, by its class and, where they give it arguments, by the entry."""
    if choice.named:
        entries = [choice.entry]
    else:
        entries = [entry for entry in choice.zoo.values() if not isinstance(entry, Ensemble)]
    chosen: dict[str, list[Entry]] = {}
    for entry in entries:
        network = entry.network
        has_arguments = isinstance(network, partial)
        name = f"{network.func.__name__} of {entry.name}" if has_arguments else network.__name__
        chosen.setdefault(name, []).append(entry)
    return chosen


def images_per_second(form: Form, images: torch.Tensor) -> float:
    calls = 0
    started = time.perf_counter()
    while (seconds := time.perf_counter() - started) < ENOUGH:
        form(images)
        calls += 1
    return calls * len(images) / seconds


def count_differing(form: Form, images: torch.Tensor, batch: int, expected: torch.Tensor) -> int:
    """The number of images for which `form` gives another digit than `expected` (N,)."""
    digits = torch.cat([form(part).argmax(1) for part in images.split(batch)])
    return int((digits != expected).sum())


def measure_network(network: nn.Module, images: torch.Tensor, batch: int, repeats: int) -> dict:
    """Time each form on `batch` of the normalised `images` at a time; the forms take turns."""
    batch = min(batch, len(images))
    expected = network(images).argmax(1)
    with tempfile.TemporaryDirectory() as folder:
        forms, reasons = make_forms(network, images[:batch].clone(), Path(folder))
        runs: dict[str, Callable[[], float]] = {
            name: lambda form=form: images_per_second(form, images[:batch])
            for name, form in forms.items()
        }
        speeds = take_turns(runs, repeats)
        whole = images[: len(images) // batch * batch]
        differing = {
            name: count_differing(form, whole, batch, expected[: len(whole)])
            for name, form in forms.items()
        }
    return {
        "images_per_second": {name: spread(rates) for name, rates in speeds.items()},
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
            about = {
                "network": name,
                "entries": [entry.name for entry in entries],
                "batch": batch,
                "operations": 2 * count_multiply_adds(network, choice.dataset.image),
            }
            rows.append(about | measure_network(network, images, batch, choice.repeats))
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
