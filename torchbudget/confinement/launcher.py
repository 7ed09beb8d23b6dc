"""Confine this process, then become the command: what `process.start_confined` starts.

Three processes stand in a row. The *launcher* enters the namespaces, stays outside of the rest,
ends everything when its own parent dies, and tells the parent by a pipe what the system forbids and
how the command ended. The *init* is process 1 of the PID namespace: when it ends, the kernel kills
all in it. The *command* gives up its privileges last and is executed. Where there is no PID
namespace there is no init, and the launcher kills its descendants.

Only small modules of the standard library are imported here, for every confined process pays.
"""

import contextlib
import os
import resource
import select
import signal
import sys

from torchbudget.confinement import rules, tree

if sys.platform == "linux":
    from torchbudget.confinement import kernel, seccomp

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable
    from typing import NoReturn

ADDRESS_SPACE = 16 * 2**30
"""Bytes of addresses above the memory limit that a process may reserve; torch reserves many."""

MAX_OPEN_FILES = 1024

STATUS = "status"
FORBIDDEN = "forbidden"
ERROR = "error"


class Settings:
    """What the parent asks for, read from the words of the command line in this order.

    `folder` may be written; the command starts in `working_folder`; `memory` are bytes. `report`
    and `lifeline` are descriptors of pipes: the launcher writes lines to the first, and the second
    ends when the parent is dead. The means that `withheld` names are not used.
    """

    def __init__(self, words: list[str]) -> None:
        self.folder = words[0]
        self.working_folder = words[1]
        self.memory = int(words[2])
        self.report = int(words[3])
        self.lifeline = int(words[4])
        self.withheld = words[5].split(",")
        self.command = words[6:]

    def tell(self, kind: str, value: object) -> None:
        """Write a line to the parent: a word and a value."""
        line = f"{kind} {value}".replace("\n", " ")
        os.write(self.report, os.fsencode(line) + b"\n")


def main() -> None:
    """Run the command confined."""
    settings = Settings(sys.argv[1:])
    for number in (signal.SIGINT, signal.SIGPIPE, signal.SIGXFSZ):
        signal.signal(number, signal.SIG_DFL)
    for pipe in (settings.report, settings.lifeline):
        os.set_inheritable(pipe, False)
    max_threads = rules.MAX_THREADS + tree.count_threads()
    wakeup = watch_children()
    means: set[str] = set()
    if sys.platform == "linux":
        kernel.adopt_orphans()
        means = {rules.SUPERVISION}
        if os.getuid() != 0:  # RLIMIT_NPROC does not hold for root
            means.add(rules.PROCESS_LIMIT)
        means |= enter_best_namespaces(settings)
        with contextlib.suppress(OSError):
            kernel.hide_from_tracers()
    child = os.fork()
    if child == 0:
        if rules.PID_NAMESPACE in means:
            run_init(settings, means, max_threads)
        run_command(settings, means, max_threads)
    status = wait_for_child(child, wakeup, settings.lifeline)
    if rules.PID_NAMESPACE not in means:
        tree.kill_descendants(os.getpid())
        settings.tell(STATUS, os.waitstatus_to_exitcode(status))


def watch_children() -> int:
    """Return the descriptor of a pipe into which a byte is written when a child ends."""
    reader, writer = os.pipe()
    os.set_blocking(writer, False)
    signal.set_wakeup_fd(writer, warn_on_full_buffer=False)
    signal.signal(signal.SIGCHLD, lambda *_: None)
    return reader


def stop_watching_children() -> None:
    """Undo `watch_children` in a process that was forked from the one that called it."""
    signal.set_wakeup_fd(-1)
    signal.signal(signal.SIGCHLD, signal.SIG_DFL)


def wait_for_child(child: int, wakeup: int, lifeline: int) -> int:
    """Wait for `child` and for orphans; return its status. Kill all when the parent is dead."""
    while True:
        ready = select.select([wakeup, lifeline], [], [])[0]
        if lifeline in ready:
            tree.kill_descendants(os.getpid())
            sys.exit(1)
        os.read(wakeup, 4096)
        with contextlib.suppress(ChildProcessError):
            while (ended := os.waitpid(-1, os.WNOHANG))[0]:
                if ended[0] == child:
                    return ended[1]


def enter_best_namespaces(settings: Settings) -> set[str]:
    """Enter all namespaces that the kernel grants; return which. A child tries them first."""
    if "namespaces" in settings.withheld:
        return set()
    user = {rules.USER_NAMESPACE: kernel.NEW_USER}
    mounts = {rules.MOUNT_NAMESPACE: kernel.NEW_MOUNTS}
    network = {rules.NETWORK_NAMESPACE: kernel.NEW_NETWORK}
    processes = {rules.PID_NAMESPACE: kernel.NEW_PIDS, "IPC namespace": kernel.NEW_IPC}
    choices = (
        user | mounts | network | processes,
        user | network | processes,
        mounts | network | processes,
        user | network,
    )
    for choice in choices:
        kinds = sum(choice.values())
        if succeeds_in_child(kernel.enter_namespaces, kinds):
            kernel.enter_namespaces(kinds)
            return set(choice)
    return set()


def succeeds_in_child(action: "Callable[[int], None]", argument: int) -> bool:
    """Return whether `action` raises no `OSError`, tried where its effects do not last."""
    child = os.fork()
    if child == 0:
        try:
            action(argument)
        except OSError:
            os._exit(1)
        os._exit(0)
    return os.waitpid(child, 0)[1] == 0


def run_init(settings: Settings, means: set[str], max_threads: int) -> "NoReturn":
    """Be process 1: mount, start the command, wait for it and for orphans, tell its status."""
    kernel.die_with_parent()
    if rules.MOUNT_NAMESPACE in means:
        means = means | mount_all(settings)
    kernel.drop_privileges()
    child = os.fork()
    if child == 0:
        run_command(settings, means, max_threads)
    ended = os.wait()
    while ended[0] != child:
        ended = os.wait()
    settings.tell(STATUS, os.waitstatus_to_exitcode(ended[1]))
    os._exit(0)


def mount_all(settings: Settings) -> set[str]:
    """Mount what the kernel grants in this mount namespace; return the means that this gives."""
    means = set()
    with contextlib.suppress(OSError):
        kernel.mount_own_proc()
        means.add(rules.OWN_PROC)
        # A limit of the namespace since Linux 6.14; older kernels refuse to write it.
        kernel.write("/proc/sys/kernel/pid_max", str(rules.MAX_PROCESS_ID))
        means.add(rules.PROCESS_LIMIT)
    with contextlib.suppress(OSError):
        kernel.make_all_read_only_but(settings.folder)
        means.add(rules.READ_ONLY_MOUNTS)
    return means


def run_command(settings: Settings, means: set[str], max_threads: int) -> "NoReturn":
    """Give up what the command may not have, tell what is forbidden, and become the command."""
    try:
        if sys.platform == "linux":
            os.setsid()
            kernel.die_with_parent()
        os.chdir(settings.working_folder)
        limit_resources(settings.memory, max_threads)
        if sys.platform == "linux":
            means = means | restrict_self(settings, means)
        signal.set_wakeup_fd(-1)
        signal.signal(signal.SIGCHLD, signal.SIG_DFL)
        settings.tell(FORBIDDEN, ",".join(rules.list_forbidden(means)))
        os.execvp(settings.command[0], settings.command)
    except Exception as error:
        settings.tell(ERROR, error)
    finally:
        os._exit(127)


def restrict_self(settings: Settings, means: set[str]) -> set[str]:
    """Apply what lasts through `exec`; return the means that this gives."""
    gained = set()
    with contextlib.suppress(OSError):
        kernel.drop_privileges()
        gained.add(rules.NO_NEW_PRIVILEGES)
    if "landlock" not in settings.withheld:
        with contextlib.suppress(OSError):
            version = kernel.find_landlock_version()
            kernel.forbid_writes_but(settings.folder, version)
            gained.add(rules.LANDLOCK)
            if version >= kernel.LANDLOCK_WITH_SCOPES:
                gained.add(rules.LANDLOCK_SCOPES)
    if "filter" not in settings.withheld:
        out_of_reach = {rules.PID_NAMESPACE, rules.LANDLOCK_SCOPES} & (means | gained)
        with contextlib.suppress(OSError):
            seccomp.filter_calls(
                process=None if out_of_reach else os.getpid(),
                file_attributes=rules.READ_ONLY_MOUNTS in means,
            )
            gained.add(rules.CALL_FILTER)
    return gained


def limit_resources(memory: int, max_threads: int) -> None:
    """Limit each process of the command; the watch of the parent limits them together."""
    limits = {
        resource.RLIMIT_CORE: 0,
        resource.RLIMIT_FSIZE: memory,
        resource.RLIMIT_AS: memory + ADDRESS_SPACE,
        resource.RLIMIT_NOFILE: MAX_OPEN_FILES,
        resource.RLIMIT_NPROC: max_threads,
    }
    for kind, limit in limits.items():
        hard = resource.getrlimit(kind)[1]
        lowest = limit if hard == resource.RLIM_INFINITY else min(limit, hard)
        with contextlib.suppress(OSError, ValueError):
            resource.setrlimit(kind, (lowest, lowest))
