"""`results.csv`: a row for each recorded run of each entry, as timm publishes its results."""

import csv
import io
from pathlib import Path

from torchbudget.declare.entry import Entry
from torchbudget.evidence.results import Run, evidence_of
from torchbudget.evidence.weights import weights_paths
from torchbudget.report.text import as_one_line
from utils.runs import count_bytes

COLUMNS = (
    "name",
    "seed",
    "params",
    "bytes",
    "multiply_adds",
    "misses",
    "total",
    "top1",
    "top1_err",
    "val_misses",
    "val_total",
    "epochs",
    "seconds",
    "hardware",
    "dataset",
    "weights",
    "digest",
    "date",
    "taught_by",
    "views",
    "misses_without_views",
)
"""`bytes` are those of the weights files, of an ensemble all its members'; `top1` is in per cent.

`misses` are of `total` test images. `seconds` are of training, `digest` is the SHA-256 of the
weights, `date` the day on which the run began, `taught_by` the entry of its teacher. What was not
told, or is not, is empty. With `views` a prediction is the mean over so many; `multiply_adds` are
those of one.
"""


def make_csv(entries: list[Entry], runs: list[Run], weights: Path) -> str:
    """The whole file: the evidence of each entry, in the zoo's order, by seed."""
    text = io.StringIO()
    writer = csv.writer(text, lineterminator="\n")
    writer.writerow(COLUMNS)
    for entry in entries:
        for _, run in sorted(evidence_of(entry, runs).items()):
            writer.writerow(make_cells(entry, run, weights))
    return text.getvalue()


def make_cells(entry: Entry, run: Run, weights: Path) -> list[object]:
    """The cells of a run under `COLUMNS`; `weights` is the folder of the weights files."""
    paths = weights_paths(entry, run.seed, weights)
    error = 100 * run.test.misses / max(run.test.total, 1)
    return [
        run.entry,
        run.seed,
        run.params,
        count_bytes(paths),
        run.multiply_adds,
        run.test.misses,
        run.test.total,
        f"{100 - error:.3f}",
        f"{error:.3f}",
        run.val.misses if run.val else None,
        run.val.total if run.val else None,
        None if run.epochs is None else round(run.epochs, 2),
        run.train_seconds,
        as_one_line(run.hardware.device),
        run.dataset,
        " ".join(f"{weights.name}/{path.name}" for path in paths),
        run.digests.weights,
        run.started[:10],
        run.teacher.entry if run.teacher else None,
        len(run.views) or None,
        run.test_without_views.misses if run.test_without_views else None,
    ]
