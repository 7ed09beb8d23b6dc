"""Give jobs to an engine until each has ended; try those again whose worker died."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol

from torchbudget.errors import EXIT_UNMEASURED
from utils.engines import Engine
from utils.events import Done, Failed, Happened, Lost, Said
from utils.jobs import Job

TRIES = 4
"""Times that a job is begun: what kills its worker each time may be the job."""
TICK_SECONDS = 0.5
LOG = "log.txt"


class View(Protocol):
    """What shows the events to people."""

    def show(self, event: Happened) -> None: ...

    def refresh(self) -> None: ...


@dataclass(frozen=True)
class Ended:
    """A job, and the event that ended it."""

    job: Job
    how: Done | Failed


def run_jobs(
    engine: Engine, folders: Mapping[str, tuple[Job, Path]], view: View
) -> Iterator[Ended]:
    """Do the jobs, given by name with their folders; each is yielded when it has ended.

    A job whose worker died begins again, from its own checkpoint, `TRIES` times in all.
    """
    waiting = list(folders)
    tries = dict.fromkeys(folders, 0)
    running: set[str] = set()
    while waiting or running:
        while waiting and engine.room > 0:
            name = waiting.pop(0)
            tries[name] += 1
            running.add(name)
            engine.submit(*folders[name])
        event = engine.wait(TICK_SECONDS)
        view.refresh()
        if event is None or event.job not in running:
            continue
        write_log(folders[event.job][1], event)
        view.show(event)
        if isinstance(event, Lost):
            running.remove(event.job)
            if tries[event.job] < TRIES:
                waiting.insert(0, event.job)
                continue
            event = Failed(
                job=event.job,
                message=f"its worker died {TRIES} times, at last {event.why}",
                exit_code=EXIT_UNMEASURED,
            )
            view.show(event)
        if isinstance(event, Done | Failed):
            running.discard(event.job)
            yield Ended(folders[event.job][0], event)


def write_log(folder: Path, event: Happened) -> None:
    """Append what an event says to the log in the folder of its job."""
    if isinstance(event, Said):
        text = event.text
    elif isinstance(event, Lost):
        text = f"the worker was lost: {event.why}\n"
    elif isinstance(event, Failed):
        text = f"failed: {event.message}\n"
    else:
        return
    folder.mkdir(parents=True, exist_ok=True)
    with open(folder / LOG, "a", encoding="utf-8", errors="backslashreplace") as log:
        log.write(text)
