"""A filter of system calls: it refuses what namespaces and Landlock leave open.

The filter is a program for the kernel's packet filter, see seccomp(2) and linux/filter.h. It knows
two processors; on another one there is no filter, and the launcher says what is then allowed.
"""

import ctypes
import errno
import os
import struct

from torchbudget.confinement.kernel import (
    NEW_IPC,
    NEW_MOUNTS,
    NEW_NETWORK,
    NEW_PIDS,
    NEW_USER,
    prctl,
)

_PR_SET_SECCOMP = 22
_FILTER_MODE = 2
_COLUMNS = {"x86_64": 0, "aarch64": 1}
_AUDIT_ARCHITECTURES = {"x86_64": 0xC000003E, "aarch64": 0xC00000B7}
_FIRST_X32_CALL = 0x40000000

_Calls = dict[str, tuple[int, int]]
"""The numbers of system calls on x86_64 and aarch64; -1 where a processor has no such call."""

_SOCKETS: _Calls = {
    "socket": (41, 198),
    "io_uring_setup": (425, 425),
    "io_uring_enter": (426, 426),
    "io_uring_register": (427, 427),
}
_OTHER_PROCESSES: _Calls = {
    "ptrace": (101, 117),
    "process_vm_readv": (310, 270),
    "process_vm_writev": (311, 271),
    "pidfd_getfd": (438, 438),
    "kcmp": (312, 272),
    "process_madvise": (440, 440),
}
# Memory that belongs to no process, so that no one could count it.
_UNCOUNTED_MEMORY: _Calls = {
    "memfd_create": (319, 279),
    "memfd_secret": (447, 447),
    "shmget": (29, 194),
    "msgget": (68, 186),
    "semget": (64, 190),
    "mq_open": (240, 180),
}
# Ways to new privileges, and parts of the kernel that no network needs.
_KERNEL: _Calls = {
    "mount": (165, 40),
    "umount2": (166, 39),
    "open_tree": (428, 428),
    "move_mount": (429, 429),
    "fsopen": (430, 430),
    "fsmount": (432, 432),
    "mount_setattr": (442, 442),
    "pivot_root": (155, 41),
    "chroot": (161, 51),
    "unshare": (272, 97),
    "setns": (308, 268),
    "open_by_handle_at": (304, 265),
    "bpf": (321, 280),
    "perf_event_open": (298, 241),
    "userfaultfd": (323, 282),
    "add_key": (248, 217),
    "request_key": (249, 218),
    "keyctl": (250, 219),
}
# What Landlock does not know; read-only mounts refuse it.
_FILE_ATTRIBUTES: _Calls = {
    "truncate": (76, 45),
    "chmod": (90, -1),
    "fchmod": (91, 52),
    "fchmodat": (268, 53),
    "fchmodat2": (452, 452),
    "chown": (92, -1),
    "fchown": (93, 55),
    "lchown": (94, -1),
    "fchownat": (260, 54),
    "utime": (132, -1),
    "utimes": (235, -1),
    "futimesat": (261, -1),
    "utimensat": (280, 88),
    "setxattr": (188, 5),
    "lsetxattr": (189, 6),
    "fsetxattr": (190, 7),
    "removexattr": (197, 14),
    "lremovexattr": (198, 15),
    "fremovexattr": (199, 16),
    "setxattrat": (463, 463),
    "removexattrat": (466, 466),
    "file_setattr": (469, 469),
}
# Calls whose first argument names a process; 0 is the caller or its own group.
_NAMING_A_PROCESS: _Calls = {
    "kill": (62, 129),
    "tgkill": (234, 131),
    "rt_sigqueueinfo": (129, 138),
    "rt_tgsigqueueinfo": (297, 240),
    "prlimit64": (302, 261),
    "sched_setaffinity": (203, 122),
    "sched_setparam": (142, 118),
    "sched_setscheduler": (144, 119),
    "sched_setattr": (314, 274),
}
# More calls that act on other processes; their way of naming one cannot be filtered.
_ACTING_ON_PROCESSES: _Calls = {
    "tkill": (200, 130),
    "pidfd_open": (434, 434),
    "pidfd_send_signal": (424, 424),
    "setpriority": (141, 140),
    "ioprio_set": (251, 30),
}
_CLONE = (56, 220)
_CLONE3 = (435, 435)
_FCNTL = (72, 25)
_F_SETOWN = 8
_F_SETOWN_EX = 15

# linux/bpf_common.h: load a word of the call; jump if equal, if at least, if a bit is set; return.
_LOAD = 0x20
_EQUAL = 0x15
_AT_LEAST = 0x35
_ANY_BIT = 0x45
_RETURN = 0x06
_OFFSET_NUMBER = 0
_OFFSET_ARCHITECTURE = 4
_ALLOW = struct.pack("HBBI", _RETURN, 0, 0, 0x7FFF0000)


class _Program(ctypes.Structure):
    _fields_ = (("length", ctypes.c_ushort), ("instructions", ctypes.c_char_p))


def _offset_argument(position: int) -> int:
    """Return where the low half of an argument is; both processors store it first."""
    return 16 + 8 * position


def _instruction(code: int, value: int, if_true: int = 0, if_false: int = 0) -> bytes:
    return struct.pack("HBBI", code, if_true, if_false, value)


def _refuse(number: int = errno.EPERM) -> bytes:
    return _instruction(_RETURN, 0x00050000 | number)


def _on_call(call: int, body: list[bytes]) -> list[bytes]:
    """Run `body`, which returns, if the number that is loaded is `call`."""
    return [_instruction(_EQUAL, call, 0, len(body)), *body]


def _refuse_argument(call: int, position: int, test: int, value: int) -> list[bytes]:
    """Refuse `call` where `test` holds for its argument and `value`."""
    body = [_instruction(_LOAD, _offset_argument(position))]
    body += [_instruction(test, value, 0, 1), _refuse(), _ALLOW]
    return _on_call(call, body)


def build_filter(machine: str, *, process: int | None, file_attributes: bool) -> bytes:
    """Return the filter's program for `machine`, as `os.uname` names it.

    With `process`, only that process may be named where one is signalled. `file_attributes` says
    whether modes, times and owners of files may be changed. Raises `OSError` for other machines.
    """
    if machine not in _COLUMNS:
        raise OSError(errno.ENOSYS, f"no filter of system calls is known for {machine}")
    column = _COLUMNS[machine]
    program = [_instruction(_LOAD, _OFFSET_ARCHITECTURE)]
    program += [_instruction(_EQUAL, _AUDIT_ARCHITECTURES[machine], 1, 0), _refuse()]
    program.append(_instruction(_LOAD, _OFFSET_NUMBER))
    if machine == "x86_64":
        program += [_instruction(_AT_LEAST, _FIRST_X32_CALL, 0, 1), _refuse(errno.ENOSYS)]
    refused = _SOCKETS | _OTHER_PROCESSES | _UNCOUNTED_MEMORY | _KERNEL
    if not file_attributes:
        refused |= _FILE_ATTRIBUTES
    if process is not None:
        refused |= _ACTING_ON_PROCESSES
    for numbers in refused.values():
        if numbers[column] >= 0:
            program += _on_call(numbers[column], [_refuse()])
    # clone3 hides its flags in memory; without it the C library takes clone.
    program += _on_call(_CLONE3[column], [_refuse(errno.ENOSYS)])
    namespaces = NEW_USER | NEW_PIDS | NEW_NETWORK | NEW_IPC | NEW_MOUNTS | 0x06000000
    program += _refuse_argument(_CLONE[column], 0, _ANY_BIT, namespaces)
    if process is not None:
        program += _naming_only(process, column)
    program.append(_ALLOW)
    return b"".join(program)


def _naming_only(process: int, column: int) -> list[bytes]:
    program: list[bytes] = []
    for numbers in _NAMING_A_PROCESS.values():
        body = [_instruction(_LOAD, _offset_argument(0)), _instruction(_EQUAL, 0, 2, 0)]
        body += [_instruction(_EQUAL, process, 1, 0), _refuse(), _ALLOW]
        program += _on_call(numbers[column], body)
    body = [_instruction(_LOAD, _offset_argument(1)), _instruction(_EQUAL, _F_SETOWN, 1, 0)]
    body += [_instruction(_EQUAL, _F_SETOWN_EX, 0, 1), _refuse(), _ALLOW]
    return program + _on_call(_FCNTL[column], body)


def filter_calls(*, process: int | None, file_attributes: bool) -> None:
    """Filter the system calls of this process and its children for good; see `build_filter`.

    Needs `kernel.drop_privileges`. Raises `OSError` where the kernel has no filters.
    """
    instructions = build_filter(
        os.uname().machine, process=process, file_attributes=file_attributes
    )
    program = _Program(len(instructions) // 8, instructions)
    prctl(_PR_SET_SECCOMP, _FILTER_MODE, ctypes.addressof(program))
