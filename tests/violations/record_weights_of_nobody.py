"""Caught by chain: weights with one number changed."""


def tamper(folder):
    path = folder / "weights" / "tiny-seed0-mnist_sample.safetensors"
    content = bytearray(path.read_bytes())
    content[-1] ^= 1
    path.write_bytes(content)
