"""What a confined process may not do, in words, and which means of the system forbid it."""

NETWORK = "network"
LOCAL_SOCKETS = "sockets of other programs"
WRITES = "writes elsewhere"
SIGNALS = "signals to other processes"
TRACING = "memory and environment of other processes"
PRIVILEGES = "new privileges"
SURVIVORS = "processes that outlive it"
PROCESSES = "processes without end"
MEMORY = "memory above the limit"

RULES = (
    NETWORK,
    LOCAL_SOCKETS,
    WRITES,
    SIGNALS,
    TRACING,
    PRIVILEGES,
    SURVIVORS,
    PROCESSES,
    MEMORY,
)
"""All that is to be forbidden; time, output and each file's size are limited everywhere."""

MAX_PROCESSES = 64
"""Processes that may live at once below the launcher; the watch ends them all above it."""

MAX_THREADS = 256
"""Threads of all processes that may live at once, as RLIMIT_NPROC counts them."""

MAX_PROCESS_ID = 300 + MAX_PROCESSES
"""The highest process id in the PID namespace; the kernel takes none below 301."""


# The means that a system may lend.
USER_NAMESPACE = "user namespace"
NETWORK_NAMESPACE = "network namespace"
PID_NAMESPACE = "PID namespace"
MOUNT_NAMESPACE = "mount namespace"
OWN_PROC = "own /proc"
READ_ONLY_MOUNTS = "read-only mounts"
LANDLOCK = "Landlock"
LANDLOCK_SCOPES = "Landlock's scopes"
CALL_FILTER = "filter of system calls"
PROCESS_LIMIT = "limit on processes"
NO_NEW_PRIVILEGES = "no_new_privs"
SUPERVISION = "supervision"
"""The launcher adopts orphans and the parent watches descendants, as Linux allows."""


def list_forbidden(means: set[str]) -> list[str]:
    """Return the rules that `means` enforce, in the order of `RULES`.

    Landlock leaves modes and times of files open, which read-only mounts or the filter refuse;
    read-only mounts leave pipes open, which Landlock refuses. The filter lets a process signal
    itself only, where neither a namespace nor Landlock keeps others from it. The watch alone does
    not hold processes that multiply faster than it looks.
    """
    filtered = CALL_FILTER in means
    writes = LANDLOCK in means and (READ_ONLY_MOUNTS in means or filtered)
    signals = bool(means & {PID_NAMESPACE, LANDLOCK_SCOPES, CALL_FILTER})
    survivors = PID_NAMESPACE in means or (SUPERVISION in means and signals)
    watched = SUPERVISION in means and survivors
    enforced = {
        NETWORK: NETWORK_NAMESPACE in means or filtered,
        LOCAL_SOCKETS: filtered,
        WRITES: writes,
        SIGNALS: signals,
        TRACING: bool(means & {USER_NAMESPACE, OWN_PROC, LANDLOCK}),
        PRIVILEGES: NO_NEW_PRIVILEGES in means,
        SURVIVORS: survivors,
        PROCESSES: watched and PROCESS_LIMIT in means,
        MEMORY: watched and writes and filtered,
    }
    return [rule for rule in RULES if enforced[rule]]


def parse_report(told: bytes) -> dict[str, str]:
    """What the launcher told, its lines by their first word."""
    lines = told.decode(errors="replace").splitlines()
    return {kind: value for kind, _, value in (line.partition(" ") for line in lines)}


def list_allowed(report: dict[str, str]) -> tuple[str, ...]:
    """The rules that are not among those which the launcher told are enforced."""
    forbidden = report.get("forbidden", "").split(",")
    return tuple(rule for rule in RULES if rule not in forbidden)
