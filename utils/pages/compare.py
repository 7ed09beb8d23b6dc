"""What the page that compares two runs reads: the missed images of each run, as JSON."""

import json
from collections.abc import Mapping, Sequence

from utils.pages.digits import COLUMNS, Sheet
from utils.pages.facts import Facts


def list_misses(facts: Sequence[Facts], sheets: Mapping[str, Sheet]) -> str:
    """JSON: `datasets` by name (images in the picture's order), and `runs` by "entry:seed".

    A run's `missed` maps the index of each missed test image to the class it was taken for.
    """
    datasets = {
        name: {
            "picture": sheet.file if sheet.size else None,
            "columns": COLUMNS,
            "size": sheet.size,
            "indices": sheet.indices,
            "labels": sheet.labels,
        }
        for name, sheet in sheets.items()
    }
    runs = {
        f"{run.entry}:{run.seed}": {
            "dataset": run.dataset,
            "total": run.test.total,
            "missed": run.missed,
        }
        for one in facts
        for run in one.runs
    }
    return json.dumps({"datasets": datasets, "runs": runs}, separators=(",", ":")) + "\n"
