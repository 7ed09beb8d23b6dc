"""Networks inside `torch.compile`, traced and run as what they wrap. Inert where nothing is compiled: the compiler is not imported."""

import sys
from contextlib import AbstractContextManager, nullcontext

import torch


def inline_compiled() -> AbstractContextManager:
    """Trace through what `torch.compile` wrapped."""
    dynamo = sys.modules.get("torch._dynamo")
    return dynamo.config.patch(error_on_nested_fx_trace=False) if dynamo else nullcontext()


def run_eagerly() -> AbstractContextManager:
    """Run what `torch.compile` wrapped as if it were not."""
    return (
        torch.compiler.set_stance("force_eager")
        if "torch._dynamo" in sys.modules
        else nullcontext()
    )
