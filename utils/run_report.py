"""What is printed of a run: its misses, where it went, and what it counts as."""

from torchbudget.declare.entry import Entry
from torchbudget.evidence.results import Run, is_evidence
from utils.runs import RunPaths, Store, compare_runs


def report(result: Run, entry: Entry, store: Store, paths: RunPaths) -> None:
    """Print what a run gave and what it counts as."""
    print(describe_misses(result))
    print(
        f"trained in {result.train_seconds:.0f} s; weights in {store.weights}/\n"
        f"history and pictures in {paths.output}/{result.stem}-*"
    )
    if why := why_no_evidence(result, entry):
        print(f"This run is no evidence for the budget of {result.entry} ({why}).")
    elif store == paths.shipped:
        print(f"recorded in {store.results}")
    elif shipped := paths.shipped.find(result.stem):
        print(
            f"{compare_runs(result, shipped)}\nThe shipped run stays; this one is in "
            f"{store.results}. --record (make train RECORD=1) replaces the shipped one."
        )


def describe_misses(result: Run) -> str:
    if not result.test.total:
        return "trained on all rows: there are no test images"
    accuracy = 1 - result.test.misses / result.test.total
    text = f"test: {result.test.misses} misses of {result.test.total:,} ({accuracy:.2%})"
    if result.test_without_views:
        text += f", {result.test_without_views.misses} without views"
    if result.val:
        text += f", val: {result.val.misses} of {result.val.total:,}"
    return text


def why_no_evidence(result: Run, entry: Entry) -> str:
    """Why a run says nothing of the entry's budget; "" where it does."""
    if result.overrides:
        return f"overridden: {', '.join(result.overrides)}"
    if not is_evidence(result, entry):
        return f"trained on {result.dataset}"
    if result.seed >= entry.budget.seeds:
        return f"the budget declares {entry.budget.seeds} seeds, from 0"
    return ""
