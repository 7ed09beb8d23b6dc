"""What the launcher asks of the Linux kernel: namespaces, read-only mounts, Landlock, privileges.

Every function raises `OSError` where the kernel refuses, and changes nothing that matters then. The
numbers are those of the kernel's headers; the calls from 424 on are the same on all processors.
Sources: the man pages user_namespaces(7), mount_setattr(2), landlock(7), prctl(2), capset(2).
"""

import ctypes
import os

NEW_MOUNTS = 0x00020000
NEW_IPC = 0x08000000
NEW_USER = 0x10000000
NEW_PIDS = 0x20000000
NEW_NETWORK = 0x40000000

_MS_BIND = 0x1000
_MS_REC = 0x4000
_MS_PRIVATE = 0x40000
_MS_NOSUID_NODEV_NOEXEC = 2 | 4 | 8
_AT_FDCWD = -100
_AT_RECURSIVE = 0x8000
_READ_ONLY = 1
_NO_SUID = 2
_NO_DEVICES = 4
_SYS_MOUNT_SETATTR = 442
_SYS_LANDLOCK_CREATE_RULESET = 444
_SYS_LANDLOCK_ADD_RULE = 445
_SYS_LANDLOCK_RESTRICT_SELF = 446

_PR_SET_PDEATHSIG = 1
_PR_SET_DUMPABLE = 4
_PR_CAPBSET_DROP = 24
_PR_SET_SECUREBITS = 0x1C
_PR_SET_CHILD_SUBREAPER = 36
_PR_SET_NO_NEW_PRIVS = 38
_SIGKILL = 9
_ROOT_HAS_NO_PRIVILEGES = 0x2F  # SECBIT_NOROOT, NO_SETUID_FIXUP, NO_CAP_AMBIENT_RAISE, all locked
_CAPABILITY_VERSION_3 = 0x20080522

DEVICES = ("/dev/null", "/dev/zero", "/dev/full", "/dev/random", "/dev/urandom")
"""Devices that stay usable; to write into them changes nothing."""

_WRITE_FILE = 1 << 1
_TRUNCATE = 1 << 14
_IOCTL_DEV = 1 << 15
_WRITES_OF_ABI_1 = _WRITE_FILE | sum(1 << bit for bit in range(4, 13))
_REFER_OF_ABI_2 = 1 << 13
_BIND_AND_CONNECT_TCP = 3
LANDLOCK_WITH_SCOPES = 6
_SCOPE_ABSTRACT_SOCKETS_AND_SIGNALS = 3

_libc = ctypes.CDLL(None, use_errno=True)


class _MountAttributes(ctypes.Structure):
    _fields_ = tuple(
        (name, ctypes.c_uint64) for name in ("set", "clear", "propagation", "user_namespace")
    )


class _Ruleset(ctypes.Structure):
    _fields_ = tuple((name, ctypes.c_uint64) for name in ("files", "network", "scopes"))


class _PathBeneath(ctypes.Structure):
    _pack_ = 1
    _fields_ = (("allowed", ctypes.c_uint64), ("parent", ctypes.c_int32))


def _checked(result: int, what: str) -> int:
    if result < 0:
        number = ctypes.get_errno()
        raise OSError(number, f"{what}: {os.strerror(number)}")
    return result


def _syscall(number: int, *arguments: object) -> int:
    result = _libc.syscall(ctypes.c_long(number), *arguments)
    return _checked(int(result), f"system call {number}")


def prctl(option: int, *values: int) -> None:
    """Call prctl(2) with `values` and zeros for the rest."""
    padded = [*values, 0, 0, 0, 0][:4]
    words = [ctypes.c_ulong(value) for value in padded]
    _checked(_libc.prctl(ctypes.c_int(option), *words), f"prctl {option}")


def die_with_parent() -> None:
    """Let the kernel kill this process when its parent dies."""
    prctl(_PR_SET_PDEATHSIG, _SIGKILL)


def adopt_orphans() -> None:
    """Become the parent of every descendant whose own parent dies."""
    prctl(_PR_SET_CHILD_SUBREAPER, 1)


def hide_from_tracers() -> None:
    """Close this process's memory, environment and files to processes of the same user."""
    prctl(_PR_SET_DUMPABLE, 0)


def write(path: str, text: str) -> None:
    """Write `text` into a file of /proc, which takes it or raises `OSError`."""
    with open(path, "wb", buffering=0) as file:
        file.write(text.encode())


def enter_namespaces(kinds: int) -> None:
    """Enter new namespaces of `kinds`, `NEW_...` added up; the user keeps its number in them."""
    user = os.geteuid()
    group = os.getegid()
    _checked(_libc.unshare(ctypes.c_int(kinds)), "unshare")
    if kinds & NEW_USER:
        write("/proc/self/setgroups", "deny")
        write("/proc/self/uid_map", f"{user} {user} 1")
        write("/proc/self/gid_map", f"{group} {group} 1")
    if kinds & NEW_MOUNTS:
        _mount(None, "/", None, _MS_REC | _MS_PRIVATE)


def _mount(source: str | None, target: str, kind: str | None, flags: int) -> None:
    words = [None if word is None else os.fsencode(word) for word in (source, target, kind)]
    _checked(_libc.mount(*words, ctypes.c_ulong(flags), None), f"mount {target}")


def _set_mount_attributes(path: str, *, add: int = 0, remove: int = 0, recursive: int = 0) -> None:
    attributes = _MountAttributes(add, remove, 0, 0)
    _syscall(
        _SYS_MOUNT_SETATTR,
        ctypes.c_int(_AT_FDCWD),
        os.fsencode(path),
        ctypes.c_uint(recursive),
        ctypes.byref(attributes),
        ctypes.c_size_t(ctypes.sizeof(attributes)),
    )


def mount_own_proc() -> None:
    """Mount a /proc that shows this PID namespace only."""
    _mount("proc", "/proc", "proc", _MS_NOSUID_NODEV_NOEXEC)


def make_all_read_only_but(folder: str) -> None:
    """Make every mount read-only and without devices, but for `folder` and the harmless devices."""
    devices = [device for device in DEVICES if os.path.exists(device)]
    for path in (folder, *devices):
        _mount(path, path, None, _MS_BIND)
    closed = _READ_ONLY | _NO_SUID | _NO_DEVICES
    _set_mount_attributes("/", add=closed, recursive=_AT_RECURSIVE)
    _set_mount_attributes(folder, remove=_READ_ONLY)
    for device in devices:
        _set_mount_attributes(device, remove=_NO_DEVICES)


def drop_privileges() -> None:
    """Give up all capabilities for good, here and in every program that is started from here."""
    prctl(_PR_SET_NO_NEW_PRIVS, 1)
    try:
        prctl(_PR_SET_SECUREBITS, _ROOT_HAS_NO_PRIVILEGES)
        for capability in range(64):
            prctl(_PR_CAPBSET_DROP, capability)
    except OSError:
        pass  # not privileged, or past the last capability
    header = (ctypes.c_uint32 * 2)(_CAPABILITY_VERSION_3, 0)
    none = (ctypes.c_uint32 * 6)()
    _checked(_libc.capset(ctypes.byref(header), ctypes.byref(none)), "capset")


def find_landlock_version() -> int:
    """Return the version of Landlock's interface; raise `OSError` where the kernel has none."""
    return _syscall(_SYS_LANDLOCK_CREATE_RULESET, None, ctypes.c_size_t(0), ctypes.c_uint(1))


def forbid_writes_but(folder: str, version: int) -> None:
    """Let Landlock of `version` refuse every write outside `folder`, and what else it can.

    From version 4 on it also refuses TCP, from version 6 on also abstract sockets of and signals to
    processes outside. Every version refuses to trace processes outside. Needs `drop_privileges`.
    """
    handled = _WRITES_OF_ABI_1
    handled |= _REFER_OF_ABI_2 if version >= 2 else 0
    handled |= _TRUNCATE if version >= 3 else 0
    handled |= _IOCTL_DEV if version >= 5 else 0
    network = _BIND_AND_CONNECT_TCP if version >= 4 else 0
    scopes = _SCOPE_ABSTRACT_SOCKETS_AND_SIGNALS if version >= LANDLOCK_WITH_SCOPES else 0
    rules = _Ruleset(handled, network, scopes)
    size = 8 if version < 4 else 16 if version < LANDLOCK_WITH_SCOPES else 24
    ruleset = _syscall(
        _SYS_LANDLOCK_CREATE_RULESET,
        ctypes.byref(rules),
        ctypes.c_size_t(size),
        ctypes.c_uint(0),
    )
    _allow_beneath(ruleset, folder, handled)
    for device in DEVICES:
        if os.path.exists(device):
            _allow_beneath(ruleset, device, handled & (_WRITE_FILE | _TRUNCATE | _IOCTL_DEV))
    _syscall(_SYS_LANDLOCK_RESTRICT_SELF, ctypes.c_int(ruleset), ctypes.c_uint(0))
    os.close(ruleset)


def _allow_beneath(ruleset: int, path: str, allowed: int) -> None:
    beneath = _PathBeneath(allowed, os.open(path, os.O_PATH | os.O_CLOEXEC))
    _syscall(
        _SYS_LANDLOCK_ADD_RULE,
        ctypes.c_int(ruleset),
        ctypes.c_int(1),
        ctypes.byref(beneath),
        ctypes.c_uint(0),
    )
    os.close(beneath.parent)
