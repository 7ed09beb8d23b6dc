"""Measurement 6: how the time and the peak memory of training grow as images, batch size, threads and parameters double."""

import json
import sys

import torch

from bench.choice import ROOT, Choice
from bench.startup import run_quietly
from bench.stopwatch import show, spread, table
from train import scale_val

WIDTHS = (8, 11, 16, 23, 32)
"""Each has about twice the parameters of the one before."""


def list_points(images: int) -> dict[str, list[int]]:
    """What grows: its values, the largest share of `images` last."""
    batches = [size for size in (64, 128, 256, 512, 1_024) if size <= images // 4]
    return {
        "images": [images // 8, images // 4, images // 2, images],
        "batch-size": batches,
        "threads": [1, 2],
        "width": list(WIDTHS),
    }


def measure_point(choice: Choice, images: int, name: str, value: int) -> dict:
    """Where it is not the images that grow, a quarter of them is enough."""
    words = {
        "images": images if name == "images" else images // 4,
        "threads": torch.get_num_threads(),
        "repeats": choice.repeats,
        "dataset": choice.data,
    }
    words |= {name: value} | ({"data-root": choice.data_root.resolve()} if choice.data_root else {})
    command = [
        sys.executable,
        "-m",
        "bench.point",
        choice.entry.name,
        *(word for key, each in words.items() for word in (f"--{key}", str(each))),
    ]
    found = json.loads(run_quietly(command, ROOT).stdout.splitlines()[-1])
    step = spread([seconds / found["steps"] for seconds in found["seconds"]])
    kept = {key: found[key] for key in ("params", "loaded_bytes", "peak_bytes")}
    return {"value": value, "epoch_seconds": spread(found["seconds"]), "step_seconds": step, **kept}


def measure(choice: Choice) -> dict:
    images = len(choice.dataset.train) - scale_val(choice.entry, choice.dataset)
    points = {}
    for name, values in list_points(images).items():
        points[name] = [measure_point(choice, images, name, value) for value in values]
        print(describe_growth(name, points[name]), end="\n\n", flush=True)
    return {"entry": choice.entry.name, "images": images, "points": points}


def describe_growth(name: str, points: list[dict]) -> str:
    """A row a point; "times" is the epoch's time against the row above, "loaded" when imports and data are in memory."""
    rows, before = [], None
    for point in points:
        seconds = point["epoch_seconds"]
        times = f"{seconds['median'] / before:.2f}" if before else "-"
        before, step = (
            seconds["median"],
            {key: 1_000 * point["step_seconds"][key] for key in ("median", "lowest", "highest")},
        )
        memory = [f"{point[key] / 1e6:,.0f}" for key in ("loaded_bytes", "peak_bytes")]
        rows.append(
            (
                f"{point['value']:,}",
                f"{point['params']:,}",
                show(seconds),
                times,
                show(step),
                *memory,
            )
        )
    return table(
        (
            name,
            "parameters",
            "seconds an epoch",
            "times",
            "ms a step",
            "peak MB, loaded",
            "peak MB, trained",
        ),
        rows,
    )


def describe(figures: dict) -> str:
    peak = max(point["peak_bytes"] for points in figures["points"].values() for point in points)
    return f"{figures['entry']}, {figures['images']:,} images: the highest peak of resident memory is {peak / 1e9:.2f} GB"
