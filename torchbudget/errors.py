"""Every error that users can cause, as one tree; each class has the exit code of its command."""

from typing import ClassVar

EXIT_PASS = 0
EXIT_FAIL = 1
EXIT_USAGE = 2
EXIT_UNMEASURED = 3
EXIT_INTERRUPTED = 130


class TorchBudgetError(Exception):
    """Something that the user can mend; the message says what is wrong and what to do."""

    exit_code: ClassVar[int] = EXIT_UNMEASURED


# --- wrong usage or configuration ---------------------------------------------------------------


class UsageError(TorchBudgetError):
    """Words that a command does not take."""

    exit_code = EXIT_USAGE


class DeclarationError(UsageError, ValueError):
    """A value that a declaration rejects; the message names the class, the field and the reason."""


class ZooError(UsageError):
    """A zoo file that cannot be read: missing, failing on import, or without a usable `ZOO`."""


class ResultsError(UsageError):
    """A results file that cannot be read or is not of the schema; the message says where."""


class WaiverError(UsageError):
    """A waivers file that cannot be read or is not of the schema; the message says where."""


class BaselineError(UsageError):
    """A baseline that cannot be read: no git, no such commit, no zoo file there."""


# --- something is missing, or cannot be measured ------------------------------------------------


class BuildError(TorchBudgetError):
    """A zoo file that was not built: it ended its process, or took too much time or memory."""


class DataError(TorchBudgetError):
    """A data set that is missing, corrupt or not what its name says; the message names the file."""


class WeightsError(TorchBudgetError):
    """A weights file that is missing, corrupt or another network's; the message names the file."""


class CheckpointError(TorchBudgetError):
    """A checkpoint that is missing, corrupt or another run's; the message names the file."""


class StorageError(TorchBudgetError):
    """A file or folder that cannot be written; the message names it and says how to go on."""


class NetworkError(TorchBudgetError):
    """A network that cannot be built, traced or run; the message gives the network's own error."""


class ShardError(TorchBudgetError):
    """Shards that make no whole check: one is missing, there twice, or of another check."""


class Unmeasurable(TorchBudgetError):
    """Something that a gate needs is not here; `remedy` says how to get it."""

    def __init__(self, message: str, remedy: str) -> None:
        super().__init__(message)
        self.remedy = remedy


# --- void results -------------------------------------------------------------------------------


class OverlapError(TorchBudgetError):
    """Images trained on are also among those to be judged, so the result would be invalid."""

    exit_code = EXIT_FAIL


# --- interrupted ----------------------------------------------------------------------------------


class Interrupted(TorchBudgetError):
    """Ctrl-C; the message says how to continue."""

    exit_code = EXIT_INTERRUPTED
