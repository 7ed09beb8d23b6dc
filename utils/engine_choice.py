"""Which engine does the jobs of a command."""

from collections.abc import Iterable
from pathlib import Path

from torchbudget.data.images import Dataset
from utils.engines import Engine, LocalEngine
from utils.throughput import Plan


def open_engine(
    plan: Plan, zoo_file: Path, datasets: Iterable[Dataset], ray: str | None, device: str
) -> Engine:
    """The engine of this machine, or that of the cluster at the address `ray`.

    Raises `UsageError` where Ray is not installed, `TorchBudgetError` where no cluster answers.
    """
    if ray is None:
        return LocalEngine(plan.num_jobs, plan.threads)
    from utils.engine_ray import RayEngine

    by_digest = {dataset.train.digest: dataset for dataset in datasets}
    return RayEngine(ray, zoo_file, by_digest, plan, device)
