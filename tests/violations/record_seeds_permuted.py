"""Caught by seeds: seed 1 under the name of seed 0, its channels in another order."""

from safetensors.torch import save
from tampering import copy_run, reship

PARTS = ("weight", "bias", "running_mean", "running_var")


def tamper(folder):
    copy_run(folder, 1, 0)

    def turn(state):
        changed = dict(state)
        for name in ("conv1.weight", *(f"norm1.{part}" for part in PARTS)):
            changed[name] = state[name].flip(0).contiguous()
        changed["conv2.weight"] = state["conv2.weight"].flip(1).contiguous()
        return save(changed)

    reship(folder, 0, turn)
