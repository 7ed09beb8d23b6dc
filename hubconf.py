"""The zoo for `torch.hub`: a function for each entry.

    network = torch.hub.load("path/of/this/folder", "slim", source="local", seed=0)

The weights are those of this repository; nothing else is downloaded. A network has `.transform`,
which makes its input of a PIL image or of uint8 pixels, and `.meta`, its card.

The modules of this folder have names that a host project may have, too, such as `utils`. So they
are imported apart: afterwards the import path and the modules of the host are as before, and only
`torchbudget` stays.
"""

import contextlib
import importlib.util
import pathlib
import sys

dependencies = ["torch", "numpy", "safetensors", "msgspec", "filelock"]

_ROOT = pathlib.Path(__file__).resolve().parent
_OLDEST_PYTHON = (3, 11)
_OLDEST_TORCH = (2, 11)
_JUDGE = "torchbudget"


def _check_installed():
    """Raise `RuntimeError` where Python, torch or another package is missing or too old."""
    if sys.version_info < _OLDEST_PYTHON:
        oldest, found = _dotted(_OLDEST_PYTHON), _dotted(sys.version_info[:2])
        raise RuntimeError(f"the zoo needs Python {oldest} or newer, this is {found}")
    missing = " ".join(name for name in dependencies if importlib.util.find_spec(name) is None)
    if missing:
        raise RuntimeError(f"the zoo needs what is not installed here: pip install {missing}")
    import torch

    version = tuple(int(part) for part in torch.__version__.split("+")[0].split(".")[:2])
    if version < _OLDEST_TORCH:
        raise RuntimeError(
            f"the zoo needs torch {_dotted(_OLDEST_TORCH)} or newer, this is {torch.__version__}: "
            "pip install --upgrade torch"
        )


def _dotted(version):
    return ".".join(map(str, version))


@contextlib.contextmanager
def _modules_of_this_folder():
    """Import from this folder first; afterwards the path and the modules are as before.

    Modules of the same names that a host project has imported step aside meanwhile.
    """
    names = {path.stem for path in _ROOT.glob("*.py")}
    names |= {path.parent.name for path in _ROOT.glob("*/__init__.py")}
    names -= {_JUDGE}
    aside = {name: module for name, module in sys.modules.items() if name.split(".")[0] in names}
    path = list(sys.path)
    for name in aside:
        del sys.modules[name]
    sys.path.insert(0, str(_ROOT))
    try:
        yield
    finally:
        sys.path[:] = path
        for name in [name for name in sys.modules if name.split(".")[0] in names]:
            del sys.modules[name]
        sys.modules.update(aside)


@contextlib.contextmanager
def _one_line(usage=RuntimeError):
    """Turn the errors of the zoo into one line: wrong words into `usage`, others `RuntimeError`."""
    from torchbudget.errors import TorchBudgetError, UsageError

    try:
        yield
    except TorchBudgetError as error:
        kind = usage if isinstance(error, UsageError) else RuntimeError
        raise kind(" ".join(str(error).split())) from None
    except ImportError as error:
        raise RuntimeError(f"the zoo cannot be imported: {error}") from None


def _make_function(hub, zoo, entry):
    """The function that `torch.hub.load` calls for an entry."""

    def load(pretrained=True, seed=0):
        with _one_line(usage=ValueError):
            return hub.load_network(zoo, entry.name, pretrained, seed)

    load.__name__ = load.__qualname__ = entry.name
    load.__doc__ = hub.describe_entry(zoo, entry)
    return load


def _make_functions():
    with _modules_of_this_folder(), _one_line():
        from utils import hub

        zoo = hub.read_zoo(_ROOT)
        return {name: _make_function(hub, zoo, entry) for name, entry in zoo.entries.items()}


_check_installed()
globals().update(_make_functions())
