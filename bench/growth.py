"""Measurement 6: how the time and the peak memory of training grow.

Images, batch size, threads and parameters are doubled, one at a time.
"""

import json
import sys

import torch

from bench.choice import ROOT, Choice
from bench.startup import run_quietly
from bench.stopwatch import show, spread, table
from utils.runs import scale_val

WIDTHS = (8, 11, 16, 23, 32)
"""Each width has about twice the parameters of the one before."""


def list_points(images: int) -> dict[str, list[int]]:
    """What grows, and its values; the last number of images is all of them."""
    batches = [size for size in (64, 128, 256, 512, 1_024) if size <= images // 4]
    return {
        "images": [images // 8, images // 4, images // 2, images],
        "batch-size": batches,
        "threads": [1, 2],
        "width": list(WIDTHS),
    }


def measure_point(choice: Choice, images: int, name: str, value: int) -> dict:
    """Time one training; a quarter of the images is enough unless their number grows."""
    words = {
        "images": images if name == "images" else images // 4,
        "threads": torch.get_num_threads(),
        "repeats": choice.repeats,
        "dataset": choice.data,
    }
    words[name] = value
    command = [sys.executable, "-m", "bench.point", choice.entry.name]
    for key, word in words.items():
        command += [f"--{key}", str(word)]
    command += choice.words_of_root
    point = json.loads(run_quietly(command, ROOT).stdout.splitlines()[-1])
    return {
        "value": value,
        "epoch_seconds": spread(point["seconds"]),
        "step_seconds": spread([seconds / point["steps"] for seconds in point["seconds"]]),
        "params": point["params"],
        "loaded_bytes": point["loaded_bytes"],
        "peak_bytes": point["peak_bytes"],
    }


def measure(choice: Choice) -> dict:
    images = len(choice.dataset.train) - scale_val(choice.entry, choice.dataset)
    points = {}
    for name, values in list_points(images).items():
        points[name] = [measure_point(choice, images, name, value) for value in values]
        print(describe_growth(name, points[name]), end="\n\n", flush=True)
    return {"entry": choice.entry.name, "images": images, "points": points}


def describe_growth(name: str, points: list[dict]) -> str:
    """A row for each point.

    "times" is the time of an epoch divided by that of the row above. "loaded" is the peak of memory
    once imports and data are loaded.
    """
    rows = []
    before = None
    for point in points:
        seconds = point["epoch_seconds"]
        times = f"{seconds['median'] / before:.2f}" if before else "-"
        before = seconds["median"]
        step = {key: 1_000 * point["step_seconds"][key] for key in ("median", "lowest", "highest")}
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
    return (
        f"{figures['entry']}, {figures['images']:,} images: "
        f"the highest peak of resident memory is {peak / 1e9:.2f} GB"
    )
