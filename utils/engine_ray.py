"""The engine of a Ray cluster: each job is a task, on whichever machine has room.

Its machines need the packages and nothing else. The code of the toolkit and of the zoo, and the
images, come with the tasks; checkpoints and results come back. So no disk is shared.
Ray is an extra; this module is imported where `--ray` is given.
"""

import asyncio
import importlib
import io
import shutil
import signal
import socket
import tarfile
import tempfile
from collections import defaultdict, deque
from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

import msgspec

from torchbudget.command import SIGNALS
from torchbudget.data.images import Dataset
from torchbudget.errors import EXIT_FAIL, TorchBudgetError, UsageError
from torchbudget.evidence.files import write_atomically
from torchbudget.report.text import first_line
from utils.checkpoint import list_checkpoints
from utils.engines import ENDINGS, WORKER, thread_variables
from utils.events import Done, EpochDone, Event, Failed, Happened, Lost, read_event, write_line
from utils.jobs import RESULT, TOOLKIT, Job, list_sources, name_zoo
from utils.throughput import Plan

SECONDS_TO_ANSWER = 10.0
Named = tuple[str, bytes]
"""A file: its path below the folder of a job, and its content."""


class Mailbox:
    """An actor: events from all tasks to the program, answers back to each."""

    def __init__(self) -> None:
        self.events: asyncio.Queue[tuple[bytes, Named | None]] = asyncio.Queue()
        self.answers: dict[str, asyncio.Queue[bool]] = defaultdict(asyncio.Queue)

    async def put(self, line: bytes, checkpoint: Named | None) -> None:
        await self.events.put((line, checkpoint))

    async def take(self, seconds: float) -> list[tuple[bytes, Named | None]]:
        """All events that have come; waits so long for the first."""
        try:
            items = [await asyncio.wait_for(self.events.get(), seconds)]
        except TimeoutError:
            return []
        while not self.events.empty():
            items.append(self.events.get_nowait())
        return items

    async def answer(self, job: str, go_on: bool) -> None:
        await self.answers[job].put(go_on)

    async def ask(self, job: str) -> bool:
        return await self.answers[job].get()


def do_job(
    job: Job, zoo: str, dataset: Dataset, checkpoint: Named | None, mailbox: Any
) -> tuple[bytes, bytes]:
    """Do a job in a folder that is removed; its last event, and the result as a tar archive.

    It goes on from `checkpoint`, and sends its own after each epoch.
    """
    import ray

    worker = importlib.import_module(WORKER.stem)
    job = msgspec.structs.replace(job, zoo=str(TOOLKIT / zoo))
    last: list[Event] = []
    with tempfile.TemporaryDirectory(prefix="job-") as name:
        folder = Path(name)
        if checkpoint:
            write_atomically(folder / checkpoint[0], checkpoint[1])

        def send(event: Event) -> None:
            last[:] = [event]
            saved = newest_checkpoint(folder) if isinstance(event, EpochDone) else None
            ray.get(mailbox.put.remote(write_line(event), saved))

        def goes_on() -> bool:
            return ray.get(mailbox.ask.remote(job.name))

        worker.perform(job, folder, send, goes_on, copy_images(dataset))
        return write_line(last[0]), pack(folder / RESULT)


def copy_images(dataset: Dataset) -> Dataset:
    """The data set in memory of its own: what Ray shares cannot be written to."""
    copies = {}
    for name in ("train", "test"):
        if images := getattr(dataset, name):
            pixels, labels = images.pixels.clone(), images.labels.clone()
            copies[name] = replace(images, pixels=pixels, labels=labels)
    return replace(dataset, **copies)


def newest_checkpoint(folder: Path) -> Named | None:
    """The last checkpoint below the folder of a job."""
    for place in (folder / "checkpoints").glob("*"):
        for path in list_checkpoints(place)[-1:]:
            return path.relative_to(folder).as_posix(), path.read_bytes()
    return None


def keep_checkpoint(folder: Path, checkpoint: Named) -> None:
    """Write a checkpoint into the folder of its job; older ones go."""
    path = folder / checkpoint[0]
    write_atomically(path, checkpoint[1])
    for old in list_checkpoints(path.parent)[:-1]:
        old.unlink()


def pack(folder: Path) -> bytes:
    """A folder as a tar archive; b"" where it is not there."""
    content = io.BytesIO()
    if folder.is_dir():
        with tarfile.open(fileobj=content, mode="w") as archive:
            archive.add(folder, arcname=".")
    return content.getvalue()


def unpack(archive: bytes, folder: Path) -> None:
    """Make the folder of an archive, whole or not at all; one that is there stays."""
    if not archive or folder.is_dir():
        return
    folder.parent.mkdir(parents=True, exist_ok=True)
    partial = Path(tempfile.mkdtemp(dir=folder.parent, prefix=f".{folder.name}."))
    try:
        with tarfile.open(fileobj=io.BytesIO(archive)) as content:
            content.extractall(partial, filter="data")
        partial.rename(folder)
    except BaseException:
        shutil.rmtree(partial, ignore_errors=True)
        raise


def knock(address: str) -> None:
    """Raises `OSError` where nobody listens: Ray itself would try for ever.

    For "auto" that is the last cluster that was begun on this machine, which may have ended.
    """
    if address == "auto":
        from ray._private.services import canonicalize_bootstrap_address

        address = canonicalize_bootstrap_address(address) or ""
    host, _, port = address.rpartition("://")[2].rpartition(":")
    if host and port.isdecimal():
        socket.create_connection((host.strip("[]"), int(port)), SECONDS_TO_ANSWER).close()


class RayEngine:
    """Tasks on the cluster at `address`, each of as many cores as the plan has threads.

    `datasets` are by the digests of their training images. At most `plan.num_jobs` tasks are there
    at a time; with 0, as many as the cluster has cores for. Raises `UsageError` where Ray is not
    installed, `TorchBudgetError` where no cluster answers.
    """

    def __init__(
        self,
        address: str,
        zoo_file: Path,
        datasets: Mapping[str, Dataset],
        plan: Plan,
        device: str,
    ) -> None:
        try:
            import ray
        except ImportError as error:
            raise UsageError(
                "--ray needs the package ray, which is not installed; install it as in "
                ".venv/bin/python -m pip install ray"
            ) from error
        self.ray = ray
        self.plan = plan
        self.zoo = name_zoo(zoo_file)
        self.datasets = datasets
        self.shared: dict[str, Any] = {}
        self.tasks: dict[Any, tuple[Job, Path]] = {}
        self.happened: deque[Happened] = deque()
        self.sources = tempfile.TemporaryDirectory(prefix="sources-")
        for name, path in list_sources(zoo_file).items():
            copy = Path(self.sources.name) / name
            copy.parent.mkdir(parents=True, exist_ok=True)
            shutil.copyfile(path, copy)
        self._connect(address)
        self.mailbox = ray.remote(Mailbox).options(num_cpus=0).remote()
        self.do_job = ray.remote(do_job).options(
            num_cpus=plan.threads, num_gpus=int(device.startswith("cuda")), max_retries=0
        )

    def _connect(self, address: str) -> None:
        handlers = {number: signal.getsignal(number) for number in SIGNALS}
        try:
            knock(address)
            self.ray.init(
                address,
                runtime_env={
                    "working_dir": self.sources.name,
                    "env_vars": thread_variables(self.plan.threads),
                },
                log_to_driver=False,
                logging_level="error",
            )
        except Exception as error:  # whatever the network, or another version there, leads to
            self.sources.cleanup()
            raise TorchBudgetError(
                f"no Ray cluster answers at --ray {address}: {first_line(error)[:200]}; "
                "`ray start --head` begins one"
            ) from error
        finally:
            for number, handler in handlers.items():  # Ray takes SIGTERM for itself
                if handler is not None:
                    signal.signal(number, handler)

    @property
    def room(self) -> int:
        cores = self.ray.cluster_resources().get("CPU", 0)
        num_jobs = self.plan.num_jobs or max(int(cores // self.plan.threads), 1)
        return num_jobs - len(self.tasks)

    def submit(self, job: Job, folder: Path) -> None:
        if job.images not in self.shared:
            self.shared[job.images] = self.ray.put(self.datasets[job.images])
        if (folder / RESULT).is_dir():
            self.happened.append(Done(job=job.name))
            return
        task = self.do_job.remote(
            job, self.zoo, self.shared[job.images], newest_checkpoint(folder), self.mailbox
        )
        self.tasks[task] = job, folder

    def wait(self, seconds: float) -> Happened | None:
        if not self.happened:
            self._receive(seconds)
        return self.happened.popleft() if self.happened else None

    def _receive(self, seconds: float) -> None:
        """Queue what has come: first what the tasks have said, then how those that ended did."""
        ended = []
        if self.tasks:
            ended, _ = self.ray.wait(list(self.tasks), num_returns=len(self.tasks), timeout=0)
        folders = {job.name: folder for job, folder in self.tasks.values()}
        for line, checkpoint in self.ray.get(self.mailbox.take.remote(0 if ended else seconds)):
            event = read_event(line)
            if checkpoint and event.job in folders:
                keep_checkpoint(folders[event.job], checkpoint)
            if not isinstance(event, ENDINGS):
                self.happened.append(event)
        for task in ended:
            self.happened.append(self._collect(task))

    def _collect(self, task: Any) -> Happened:
        """How a task ended; its result is in the job's folder."""
        job, folder = self.tasks.pop(task)
        try:
            line, archive = self.ray.get(task)
        except self.ray.exceptions.RayTaskError as error:
            return Failed(job=job.name, message=first_line(error), exit_code=EXIT_FAIL)
        except self.ray.exceptions.RayError as error:
            return Lost(job=job.name, why=type(error).__name__)
        unpack(archive, folder / RESULT)
        shutil.rmtree(folder / "checkpoints", ignore_errors=True)
        return read_event(line)

    def answer(self, job: str, go_on: bool) -> None:
        self.mailbox.answer.remote(job, go_on)

    def close(self) -> None:
        for task in self.tasks:
            self.ray.cancel(task, force=True)
        self.tasks.clear()
        self.ray.shutdown()
        self.sources.cleanup()
