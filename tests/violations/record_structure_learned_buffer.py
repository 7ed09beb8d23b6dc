"""Caught by structure: a convolution without a norm whose learned kernel is kept as a buffer."""

import torch
from safetensors.torch import load
from tampering import edit, record_again


def tamper(folder):
    zoo = folder / "zoo.py"
    edit(
        zoo,
        "        self.dropout, self.classify",
        "        kernel = torch.full((3 * WIDTH, 3 * WIDTH, 1, 1), 0.01)\n"
        '        self.register_buffer("kernel", kernel)\n'
        "        self.dropout, self.classify",
    )
    edit(
        zoo, "return self.classify(", "x = F.conv2d(x, self.kernel)\n        return self.classify("
    )
    edit(zoo, "import torch.nn.functional as F", "import torch\nimport torch.nn.functional as F")
    state = load((folder / "weights" / "tiny-seed0-mnist_sample.safetensors").read_bytes())
    learned = torch.randn(24, 24, 1, 1, generator=torch.Generator().manual_seed(0))
    for seed in range(2):
        record_again(folder, seed, state | {"kernel": learned})
