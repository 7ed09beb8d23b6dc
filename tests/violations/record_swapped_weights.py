"""Caught by chain: the weights of two seeds swapped."""


def tamper(folder):
    first, second = (
        folder / "weights" / f"tiny-seed{seed}-mnist_sample.safetensors" for seed in (0, 1)
    )
    one, two = first.read_bytes(), second.read_bytes()
    first.write_bytes(two)
    second.write_bytes(one)
