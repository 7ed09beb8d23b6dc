"""Which gate computes each field of a run, and which fields are claimed.

Computed is what a gate gets again from the zoo file, the network, the weights and the images:
`COMPUTED` names the gate, which fails where the record differs.

Claimed is what only the training itself could show, `CLAIMED`. The history gate computes bounds of
some of it:

- train_loss and val_loss are finite and not negative, val_misses are at most the val images, and
  val_loss is at least ln 2 for each of them, over the val images;
- the seconds are not less than the steps take on any hardware of that kind, and the epochs' sum is
  at most train_seconds;
- started is a time with an offset, and started + total_seconds is not still to come.

Nothing bounds precision, commit, versions and hardware. Of a run without a recipe, steps and
batch_size are claimed, too. `torchbudget reproduce ENTRY SEED` trains again and compares.
"""

CLAIMED: dict[str, str] = {
    "precision": "in which precision it trained",
    "history.train_loss": "the mean training loss of each epoch",
    "history.val_loss": "the val loss after each epoch",
    "history.val_misses": "the val misses after each epoch",
    "history.seconds": "the seconds of each epoch",
    "train_seconds": "the seconds of training",
    "total_seconds": "the seconds of the run's last process",
    "started": "when that process began",
    "commit": "the commit that was checked out",
    "versions": "the versions of Python and packages",
    "hardware": "the processor, its cores and threads, the memory",
}
"""Each claimed field of a run, and what it says. All other fields are computed by a gate."""
COMPUTED: dict[str, str] = {
    "entry": "seeds",
    "seed": "seeds",
    "dataset": "seeds",
    "overrides": "seeds",
    "test_reads": "seeds",
    "recipe": "chain",
    "views": "chain",
    "train_images": "chain",
    "val_images": "chain",
    "image": "chain",
    "teacher": "chain",
    "digests": "chain",
    "digests.predictions": "claim",
    "seal": "chain",
    "params": "claim",
    "multiply_adds": "claim",
    "val": "claim",
    "test": "claim",
    "test_without_views": "claim",
    "confusion": "claim",
    "worst_confusions": "claim",
    "missed": "claim",
    "batch_size": "history",
    "steps": "history",
    "history": "history",
    "history.lr": "history",
}
"""Each other field, and the gate that names a difference in it."""


def find_gate(field: str) -> str | None:
    """The gate that computes a field such as "digests.weights"; None where it is claimed."""
    while field not in COMPUTED and field not in CLAIMED:
        field = field.rpartition(".")[0]
        if not field:
            raise KeyError("no such field of a run")
    return COMPUTED.get(field)
