"""The gates: each a function from an entry and what was observed of it to a verdict.

A gate recomputes what it judges from the network, the weights and the data; the record in
`results.json` is a claim that it checks, never its source.
"""

from collections.abc import Callable
from dataclasses import replace

from torchbudget.declare.entry import Entry
from torchbudget.errors import Unmeasurable
from torchbudget.gates.accuracy import judge_accuracy
from torchbudget.gates.chain import judge_chain
from torchbudget.gates.claim import judge_claim
from torchbudget.gates.cost import judge_cost
from torchbudget.gates.epochs import judge_epochs
from torchbudget.gates.history import judge_history
from torchbudget.gates.leak import judge_leak
from torchbudget.gates.observation import Observation
from torchbudget.gates.params import judge_params
from torchbudget.gates.ratchet import JUDGED_WITH_BASELINE, judge_ratchet
from torchbudget.gates.seeds import judge_seeds
from torchbudget.gates.structure import judge_structure
from torchbudget.report.verdict import Status, Verdict

Gate = Callable[[Entry, Observation], Verdict]

GATES: dict[str, Gate] = {
    "params": judge_params,
    "structure": judge_structure,
    "cost": judge_cost,
    "seeds": judge_seeds,
    "epochs": judge_epochs,
    "history": judge_history,
    "leak": judge_leak,
    "chain": judge_chain,
    "claim": judge_claim,
    "accuracy": judge_accuracy,
    "ratchet": judge_ratchet,
}
"""Every gate by name, in the order they run."""

WITHOUT_BASELINE = tuple(name for name in GATES if name not in JUDGED_WITH_BASELINE)
"""The gates that need no baseline."""


def judge(name: str, entry: Entry, observation: Observation) -> Verdict:
    """The verdict of gate `name`.

    One that cannot measure is `not_run`, one that breaks is `error`.
    """
    try:
        verdict = GATES[name](entry, observation)
    except Unmeasurable as error:
        verdict = Verdict(
            gate=name,
            status=Status.NOT_RUN,
            observed=str(error),
            expected="a measurement",
            remedy=error.remedy,
        )
    except (Exception, SystemExit) as error:  # a network that exits would take the verdict with it
        verdict = Verdict(
            gate=name,
            status=Status.ERROR,
            observed=f"{type(error).__name__}: {error}",
            expected="a measurement",
            remedy="the gate itself broke; report it with the entry that broke it",
        )
    return replace(verdict, entry=entry.name)
