"""Numbers that are kept as running statistics and are none: they count as parameters do."""

from collections import Counter
from collections.abc import Iterator, Mapping

from torchbudget.declare.entry import Ensemble
from torchbudget.gates.observation import Observation
from torchbudget.network.information import count_numbers


def count_strange(observation: Observation, seed: int) -> dict[str, int]:
    """How many numbers of `seed` are statistics that training images do not give back.

    By a line for each norm that keeps some. Nothing is compared where the budget has no
    `max_params`. Raises `Unmeasurable`.
    """
    if observation.entry.budget.max_params is None:
        return {}
    runs = Counter(list_runs(observation, seed))
    counts: dict[str, int] = {}
    for (part, number), times in runs.items():
        member = f"{part.entry.name}, seed {number}: " if len(runs) > 1 else ""
        for kept in part.find_strange(number):
            numbers = times * sum(count_numbers(part.network.state[name]) for name in kept.names)
            where = kept.module or kept.names[0]
            source = f" ({kept.source})" if kept.source else ""
            line = (
                f"{member}the statistics of {where}{source} are not those of the training images, "
                f"a mean is {kept.mean_distance:.3g} standard deviations off, "
                f"a variance by a factor of {kept.variance_ratio:.3g}: {numbers:,} numbers count"
            )
            counts[line] = numbers
    return counts


def list_runs(observation: Observation, seed: int) -> list[tuple[Observation, int]]:
    """Each network that takes part and the seed of its weights; a member for each vote."""
    if isinstance(observation.entry, Ensemble):
        seeds = [number for _, number in observation.entry.member_runs]
        return list(zip(observation.parts, seeds, strict=True))
    return [(observation, seed)]


def exceeds_limit(observation: Observation, strange: Mapping[str, int]) -> Iterator[str]:
    """Why strange statistics break the budget; nothing where it has room for them."""
    limit = observation.entry.budget.max_params
    if limit is None or not strange:
        return
    kept = sum(part.inspection.information.total for part in observation.parts)
    kept += observation.num_scales
    total = kept + sum(strange.values())
    if total >= limit:
        yield f"{'; '.join(strange)}; {total:,} in all, fewer than {limit:,} are allowed"
