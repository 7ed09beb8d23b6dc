"""What a worker says of a job, and what it is told: one line of JSON each.

`Begun`, `Said`, `EpochDone` come while the job runs. Then one of `Done`, `Stopped` or `Failed`
ends it. An engine reports `Lost` where the worker died.
"""

import msgspec
from msgspec import Struct

from utils.jobs import Job


class Event(Struct, frozen=True, kw_only=True, tag=True, forbid_unknown_fields=True):
    """Something that happened to the job of that name."""

    job: str


class Begun(Event):
    """A worker has taken up the job, which has `epochs`."""

    epochs: int


class Said(Event):
    """Lines for the log of the job."""

    text: str


class EpochDone(Event):
    """Epoch number `done` of `epochs` is over; `seconds_left` are those of the rest.

    The worker of a trial waits for an `Answer` after each epoch but the last.
    """

    done: int
    epochs: int
    train_loss: float
    val_misses: int | None
    seconds_left: float


class Done(Event):
    """A run's folder has its result; a trial's final weights have `misses` of val."""

    misses: int | None = None


class Stopped(Event):
    """A trial without a value: it was told not to go on, or `why` it cannot be trained."""

    why: str = ""


class Failed(Event):
    """The job cannot be done, here or elsewhere; `exit_code` is that of the same run alone."""

    message: str
    exit_code: int


class Lost(Event):
    """The worker died in mid-job; the job can be tried again."""

    why: str


Happened = Begun | Said | EpochDone | Done | Stopped | Failed | Lost


class Order(Struct, frozen=True, kw_only=True, tag=True, forbid_unknown_fields=True):
    """Do `job` in `folder`."""

    job: Job
    folder: str


class Answer(Struct, frozen=True, kw_only=True, tag=True, forbid_unknown_fields=True):
    """Whether the trial that has just told of an epoch is to go on."""

    go_on: bool


def write_line(message: Happened | Order | Answer) -> bytes:
    """A message as a line."""
    return msgspec.json.encode(message) + b"\n"


def read_event(line: bytes) -> Happened:
    """The event of a line."""
    return msgspec.json.decode(line, type=Happened)


def read_order(line: bytes) -> Order | Answer:
    """The order or answer of a line."""
    return msgspec.json.decode(line, type=Order | Answer)
