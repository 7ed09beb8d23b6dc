"""Honest: capsules and two rounds of routing."""

from plain import Net, nn, torch, zoo


class Case(Net):
    def __init__(self):
        super().__init__()
        self.weight = nn.Parameter(torch.randn(6, 10, 4, 8) / 4)

    def forward(self, x):
        caps = self.features(x).flatten(2).unflatten(2, (11, 11)).mean(3)[:, :, :8]
        votes = torch.einsum("pods,nps->npod", self.weight, caps)
        logits = torch.zeros(votes.shape[:3])
        for _ in range(2):
            total = (logits.softmax(2).unsqueeze(3) * votes).sum(1)
            square = total.pow(2).sum(2, keepdim=True)
            out = total * square / (1 + square) / (square + 1e-8).sqrt()
            logits = logits + (votes * out.unsqueeze(1)).sum(3)
        return out.norm(dim=2)


ZOO = zoo(Case, requires=(), max_params=100_000)
