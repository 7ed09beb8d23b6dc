"""Size: the parameters that a network declares, the ones it uses, and numbers hidden where nobody counts."""

from gates.observation import Observation
from utils.entry import Entry
from utils.structure import count_hidden, count_params, count_used
from utils.verdict import Status, Verdict


def judge_params(entry: Entry, seen: Observation) -> Verdict:
    """All parameters that the network declares, and what it hides in buffers and constants, are fewer than `budget.max_params`."""
    traces = (seen.train_trace, seen.eval_trace)
    declared, used, hidden = count_params(seen.network), count_used(seen.network, *traces), count_hidden(seen.network, *traces)
    total, limit = declared + hidden, entry.budget.max_params
    excess = total - limit + 1
    unused = f", {declared - used:,} of them never used" if used < declared else ", all used"
    return Verdict(
        gate="params",
        status=Status.FAIL if excess > 0 else Status.PASS,
        observed=f"{declared:,}{unused}" + (f", and {hidden:,} numbers outside the parameters" if hidden else ""),
        expected=f"fewer than {limit:,}",
        difference=f"{excess:+,} too many" if excess > 0 else f"{limit - total:,} below",
        field="max_params",
        remedy="remove the layers that forward never calls"
        if total - limit < declared - used
        else "make a layer narrower: check.py --only params shows the effect",
    )
