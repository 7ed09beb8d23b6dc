"""Caught by structure: answers looked up by the digest of the image."""

from plain import Net, torch, zoo


class Case(Net):
    def __init__(self):
        super().__init__()
        self.answers = {}

    def forward(self, x):
        import hashlib

        logits = super().forward(x)
        keys = [hashlib.sha256(image.numpy().tobytes()).hexdigest() for image in x.detach()]
        return logits + torch.tensor(
            [[float(self.answers.get(key, digit) == digit) for digit in range(10)] for key in keys]
        )


ZOO = zoo(Case)
