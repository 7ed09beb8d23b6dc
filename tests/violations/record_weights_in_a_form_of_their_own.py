"""Caught by chain: a scale times 127 and its whole numbers by 127, which is the same network.

So bits could be hidden in the choice among forms.
"""

import torch
from safetensors.torch import save
from tampering import edit, record_again, reship

from torchbudget.declare.zoofile import load_zoo


def tamper(folder):
    edit(folder / "zoo.py", "data=data.MNIST_SAMPLE", 'data=data.MNIST_SAMPLE, stored="int8"')
    (entry,) = load_zoo(folder / "zoo.py").values()
    for seed in (0, 1):
        torch.manual_seed(seed)
        network = entry.network()
        network.classify.weight.data[3] = 0.0
        network.classify.weight.data[3, 0] = 0.5
        record_again(folder, seed, network.state_dict())

    def turn(state):
        scale = state["classify.weight.scale"].clone()
        scale[3] *= 127
        weight = state["classify.weight"].clone()
        weight[3, 0] = 1
        return save(state | {"classify.weight": weight, "classify.weight.scale": scale})

    reship(folder, 0, turn)
