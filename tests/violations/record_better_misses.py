"""Caught by claim: misses that the weights do not give, sealed anew."""

from tampering import edit_run, read_run


def tamper(folder):
    run = read_run(folder, 0)
    index, digit = next(iter(run["missed"].items()))
    confusion = [list(row) for row in run["confusion"]]
    true = next(row for row in range(10) if row != digit and confusion[row][digit])
    confusion[true][digit] -= 1
    confusion[true][true] += 1
    missed = {key: value for key, value in run["missed"].items() if key != index}
    edit_run(
        folder,
        0,
        reseal=True,
        missed=missed,
        confusion=confusion,
        test={"misses": len(missed), "total": 1000},
    )
