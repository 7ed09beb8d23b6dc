"""Caught by seeds: the record and weights of another seed under the name of seed 0."""

from tampering import edit_run, read_run


def tamper(folder):
    other = read_run(folder, 1)
    weights = folder / "weights"
    (weights / "tiny-seed0-mnist_sample.safetensors").write_bytes(
        (weights / "tiny-seed1-mnist_sample.safetensors").read_bytes()
    )
    edit_run(
        folder,
        0,
        reseal=True,
        **{name: value for name, value in other.items() if name not in ("seed", "seal")},
    )
