"""The one property of every input: a right result, or one line that says what is wrong, and nothing else changed."""

import hashlib
import multiprocessing
import os
import resource
import stat
import traceback
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import psutil
from hypothesis.strategies import SearchStrategy

from bigearth.errors import LONGEST_MESSAGE, InputError

LONGEST_SECONDS = 60
MOST_MEMORY = 6 << 30  # bytes beside what the process holds: what reads without end must not take the machine with it
GOOD = ("right", "refused", "unknowable")
FAULTS = ("traceback", "riddle", "hang", "lost", "wrong")


@dataclass(frozen=True)
class Kind:
    """A kind of input, and how it is tried.

    Attributes
    ----------
    name : str
    inputs : SearchStrategy
        Descriptions of inputs; ``repr`` of one is enough to try it again.
    attempt : callable (description, folder) -> result
        Makes the input in the empty folder and gives it to the study.
    right : callable (description, result, folder) -> bool or "unknowable"
        Whether the result is what the input means; "unknowable" where no checksum can show that it is not.
    prepare : callable (description, folder) -> None
        Makes the files that must stay as they are, apart from `may_change`.
    may_change : tuple of str
        Names at the top of the folder that the attempt may write.
    may_appear : tuple of str
        Paths below which new files may be left where the result is right.
    """

    name: str
    inputs: SearchStrategy
    attempt: Callable[[Any, Path], Any]
    right: Callable[[Any, Any, Path], bool | str]
    prepare: Callable[[Any, Path], None] = lambda description, folder: None
    may_change: tuple[str, ...] = ()
    may_appear: tuple[str, ...] = ()


@dataclass(frozen=True)
class Outcome:
    """What became of an input: one of `GOOD` or `FAULTS`, and what was said."""

    verdict: str
    said: str = ""


def judge(kind: Kind, description: Any, folder: Path) -> Outcome:
    """Try one input in a process of its own, which may hang, crash or eat memory; say what became of it."""
    kind.prepare(description, folder)
    before = contents(folder, kind.may_change)
    outcome = _attempt_elsewhere(kind, description, folder)
    after = contents(folder, kind.may_change)
    if outcome.verdict == "right":
        after = {
            path: what for path, what in after.items() if path in before or not path.startswith(kind.may_appear or "//")
        }
    changed = differences(before, after)
    if changed and outcome.verdict in GOOD:
        return Outcome("lost", f"{', '.join(changed)}; {outcome.said}")
    return outcome


def _attempt_elsewhere(kind: Kind, description: Any, folder: Path) -> Outcome:
    context = multiprocessing.get_context("fork")  # the samples are there already
    here, there = context.Pipe(duplex=False)
    process = context.Process(target=_answer, args=(kind, description, folder, there))
    process.start()
    there.close()
    try:
        if not here.poll(LONGEST_SECONDS):
            return Outcome("hang", f"longer than {LONGEST_SECONDS} s")
        return here.recv()
    except EOFError:
        process.join()
        return Outcome("traceback", f"the process ended with code {process.exitcode}")
    finally:
        process.kill()
        process.join()


def _answer(kind: Kind, description: Any, folder: Path, pipe: Any) -> None:
    limit = psutil.Process().memory_info().data + MOST_MEMORY  # other tests left some gigabytes
    resource.setrlimit(resource.RLIMIT_DATA, (limit, limit))
    quiet = os.open(os.devnull, os.O_WRONLY)
    os.dup2(quiet, 1)
    os.dup2(quiet, 2)
    pipe.send(_attempt(kind, description, folder))


def _attempt(kind: Kind, description: Any, folder: Path) -> Outcome:
    try:
        result = kind.attempt(description, folder)
        right = kind.right(description, result, folder)
    except InputError as error:
        return judge_message(str(error))
    except Exception:
        return Outcome("traceback", traceback.format_exc(limit=-3))
    if right == "unknowable":
        return Outcome("unknowable")
    return Outcome("right") if right else Outcome("wrong", f"gave {result!r}"[:LONGEST_MESSAGE])


def judge_message(message: str) -> Outcome:
    """A message helps where it is one line of words that is not too long."""
    one_line = "\n" not in message.strip() and 10 < len(message) <= LONGEST_MESSAGE
    internal = any(word in message for word in ("Traceback", "object at 0x", "NoneType", "KeyError", "<class"))
    return Outcome("refused" if one_line and not internal else "riddle", message)


def contents(folder: Path, without: tuple[str, ...] = ()) -> dict[str, str]:
    """What lies in a folder: for each path its type, and the digest or the target; links are not followed."""
    found = {}
    for root, folders, names in os.walk(folder):
        if Path(root) == folder:
            folders[:] = [name for name in folders if name not in without]
            names = [name for name in names if name not in without]
        for name in (*folders, *names):
            path = Path(root) / name
            found[str(path.relative_to(folder))] = _content(path)
    return found


def _content(path: Path) -> str:
    mode = path.lstat().st_mode
    if stat.S_ISLNK(mode):
        return f"link to {os.readlink(path)}"
    if stat.S_ISREG(mode):
        return hashlib.blake2b(path.read_bytes()).hexdigest() if os.access(path, os.R_OK) else "unreadable"
    return stat.filemode(mode)[0]


def differences(before: dict[str, str], after: dict[str, str]) -> list[str]:
    """Paths that are gone, changed or new."""
    gone = [f"{path} is gone" for path in before if path not in after]
    changed = [f"{path} was changed" for path in before if path in after and before[path] != after[path]]
    new = [f"{path} was left" for path in after if path not in before]
    return gone + changed + new
