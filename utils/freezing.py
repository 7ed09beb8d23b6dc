"""Layers that learn no more: their gradients take time that the others can use."""

from dataclasses import dataclass

from torch import nn

from torchbudget.declare.validation import check, check_kind, reject


@dataclass(frozen=True, kw_only=True)
class Freeze:
    """From the share `after` of all steps on, the submodule `module` stays as it is.

    It computes as it will when the run has ended: its BatchNorm goes by the statistics that it has,
    its dropout does nothing. The first layers learn soonest, and nothing is propagated back through
    them: "FreezeOut" (Brock et al. 2017, arXiv:1706.04983), in one step.
    """

    module: str
    after: float

    def __post_init__(self) -> None:
        check_kind(self, str, "module")
        if not self.module:
            reject(self, "module must name a part of the network, not the whole")
        check(self, after=(0, 1))

    def find(self, network: nn.Module) -> nn.Module:
        """The submodule of `network`.

        Raises `DeclarationError` if it has none of that name, or if nothing else learns.
        """
        try:
            module = network.get_submodule(self.module)
        except AttributeError:
            names = ", ".join(name for name, _ in network.named_children())
            reject(self, f"module {self.module!r} is no part of the network; it has {names}")
        if {*network.parameters()} == {*module.parameters()}:
            reject(self, f"module {self.module!r} has all parameters; nothing else would learn")
        return module

    def is_due(self, steps: int, all_steps: int) -> bool:
        """Whether the next step, after `steps` of `all_steps`, leaves the submodule as it is."""
        return steps >= self.after * all_steps
