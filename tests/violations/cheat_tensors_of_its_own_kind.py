"""Caught by structure: a tensor subclass whose __torch_function__ hides what runs."""

from plain import Net, nn, torch, zoo


class Quiet(torch.Tensor):
    @classmethod
    def __torch_function__(cls, func, types, args=(), kwargs=None):
        with torch._C.DisableTorchFunctionSubclass():
            return func(
                *[arg.as_subclass(torch.Tensor) if isinstance(arg, Quiet) else arg for arg in args],
                **(kwargs or {}),
            )


class Case(Net):
    def __init__(self):
        super().__init__()
        self.wide = nn.Linear(726, 10)

    def forward(self, x):
        x = self.features(x).as_subclass(Quiet)
        return self.wide(torch.flatten(x, 1))


ZOO = zoo(Case, max_params=20_000)
