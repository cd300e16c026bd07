"""Workers for a notebook: processes of one MPI job, driven as the engines of an ipyparallel cluster.

``with engines.start(4, "srun") as group: group.run(function, watch=draw, **parameters)`` is all that a notebook needs:
the same lines run on two cores of a laptop and on the GPUs of many nodes.
"""

import os
import re
import subprocess
import sys
import time
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import ipyparallel as ipp

from bigearth.cluster import failures, folders, launchers, network, pinning, profiles
from bigearth.cluster.allocation import count_workers, decide_size, read_allocation
from bigearth.cluster.failures import WorkerError
from bigearth.cluster.profiles import Profile
from bigearth.files import ROOT
from bigearth.progress import Progress

__all__ = ["Group", "WorkerError", "count_workers", "start"]

STOP_SECONDS = 10  # that a process has to end by itself
WATCH_SECONDS = 1  # from one redrawing of progress to the next


def start(workers: int | None = None, launcher: str = "mpi", exact: bool = True) -> "Group":
    """Start workers and confirm that they are one MPI job.

    Parameters
    ----------
    workers : int or None
        Number of ranks; None: all of the allocation, or one per core where there is none.
    launcher : str
        ``"mpi"``: mpiexec, on this machine or in this allocation; one worker is started without MPI.
        ``"srun"``: a step over all nodes of this Slurm allocation.
        ``"slurm"``: a Slurm job of its own.
        ``"horovodrun"``: Gloo instead of MPI, on this machine.
        Each may name a site, ``"slurm:SITE"``: network, MPI, patience and what a job asks for are then those of
        ``slurm/sites/SITE.yaml``.
    exact : bool
        Whether fewer workers than the allocation has are an error (they are meant where scaling is measured).

    Returns
    -------
    Group
        A context manager; leaving it stops every process.

    Raises
    ------
    InputError
        The launcher is unknown or cannot work here, ``workers`` differs from the allocation, workers share a GPU, or
        a variable of the environment misleads: of a job that is over, of another MPI, of GPUs that are not here.
    WorkerError
        The workers did not come up, or are not one MPI job of this size.
    """
    kind, _, site = launcher.partition(":")
    allocation = read_allocation()
    size = decide_size(workers, kind, exact, allocation)
    if kind == "slurm" and not site:
        site = "generic"
    profile = profiles.load(site) if site else profiles.read_session()
    command = launchers.build_command(kind, size, profile, allocation)
    # where the workers may be on other machines, these must reach the controller and see its folder
    on_network = kind == "slurm" or (kind != "horovodrun" and allocation.needs_network())
    address = network.find_address(profile.interface) if on_network else "127.0.0.1"
    group = Group(size, profile, folders.make_folder(ROOT / "scratch" if on_network else None))
    counted = f"{size} worker{'s' * (size > 1)}"
    with Progress(f"starting {counted}") as progress:
        try:
            group.launch(kind, command, address, progress.say)
        except BaseException:
            group.stop()
            raise
        progress.finish(f"{counted} started")
    return group


class Group:
    """Running workers; made by `start`.

    Attributes
    ----------
    size : int
        Number of ranks.
    """

    def __init__(self, size: int, profile: Profile, folder: Path) -> None:
        self.size = size
        self._profile = profile
        self._folder = folder
        self._log = folder / "log-0.txt"  # of the process that was started last
        self._program = ""  # its name
        self._processes: list[subprocess.Popen] = []
        self._client: Any = None
        self._engines: list[int] = []  # ipyparallel's numbers, in rank order
        self._deadline = time.monotonic() + profile.start_seconds

    def __enter__(self) -> "Group":
        return self

    def __exit__(self, *_: object) -> None:
        self.stop()

    def run(self, function: Callable, watch: Callable | None = None, **arguments: Any) -> list:
        """Call ``function(**arguments)`` on every rank at once.

        Rank 0's output appears here while it runs. If a rank fails or dies, all are stopped.

        Parameters
        ----------
        function : callable
            Defined at the top level of a module.
        watch : callable, optional
            Called about once a second meanwhile, and once at the end, to redraw progress.

        Returns
        -------
        list
            The results in rank order.

        Raises
        ------
        WorkerError
            A rank raised an exception or its process ended.
        InputError, Interrupted
            A rank raised this.
        """
        if not self._engines:
            raise WorkerError("these workers have been stopped; start new ones")
        try:
            calls = [self._client[engine].apply_async(function, **arguments) for engine in self._engines]
            shown = self._follow(calls, watch)
            self._raise_first_failure(calls)
            calls[0].wait_for_output(2)
            _show_output(calls[0], shown)
            if watch:
                watch()
            return [call.get() for call in calls]
        except BaseException:
            self.stop()
            raise

    def _follow(self, calls: Sequence[Any], watch: Callable | None) -> int:
        """Show rank 0's output and redraw progress until all calls are done; return the characters shown."""
        shown, watched = 0, time.monotonic()
        while True:
            waiting = [call for call in calls if not call.ready()]
            if not waiting:
                return shown
            shown = _show_output(calls[0], shown)
            self._raise_first_failure(calls)
            if watch and time.monotonic() - watched > WATCH_SECONDS:
                watch()
                watched = time.monotonic()
            waiting[0].wait(0.1)

    def stop(self) -> None:
        """End all processes of the group; harmless when they have ended."""
        self._engines = []
        if self._client:
            self._client.close()
            self._client = None
        while self._processes:
            process = self._processes.pop()
            process.terminate()
            try:
                process.wait(STOP_SECONDS)
            except subprocess.TimeoutExpired:
                process.kill()
                process.wait()
        folders.remove_folder(self._folder)

    def launch(self, kind: str, command: list[str], address: str, tell: Callable[[str], None]) -> None:
        """Start controller and workers, and confirm that these are one job; `start` calls it once.

        Parameters
        ----------
        kind : str
            "mpi", "srun", "slurm" or "horovodrun".
        command : list of str
            What starts the workers, before their own command line.
        address : str
            At which the controller listens.
        tell : callable
            Is told what is waited for.
        """
        # the controller, through which notebook and engines talk
        environment = launchers.build_environment(kind, self.size, self._profile)
        controller = self._spawn(_build_controller(self._folder, address), environment)
        client_file = self._folder / "security" / "ipcontroller-client.json"
        engine_file = self._folder / "security" / "ipcontroller-engine.json"
        self._wait_for(lambda: client_file.exists() and engine_file.exists() and engine_file.read_text(), controller)

        # the engines; the key travels in their environment: no file of another node, no command line others can read
        if kind != "horovodrun":  # it writes its environment into a command line: there engines read the folder's file
            environment["IPP_CONNECTION_INFO"] = engine_file.read_text()
        engine = [sys.executable, "-m", "ipyparallel.engine", f"--profile-dir={self._folder}"]
        engine += ["--IPEngine.enable_nanny=False", "--log-level=WARN"]
        if kind in ("srun", "slurm"):  # Slurm starts them outside the container that this process may be in
            engine = self._profile.enter_container(engine)
        launched = self._spawn(command + engine, environment)

        # wait until all have registered
        self._client = ipp.Client(str(client_file))

        def have_come() -> bool:
            come = len(self._client.ids)
            tell(f"{come} have come")
            return come >= self.size

        self._wait_for(have_come, launched)
        self._confirm(kind)

    def _spawn(self, command: list[str], environment: dict[str, str]) -> subprocess.Popen:
        self._log = self._folder / f"log-{len(self._processes)}.txt"
        self._program = command[0]
        log = os.open(self._log, os.O_WRONLY | os.O_CREAT | os.O_APPEND, 0o600)
        try:
            process = subprocess.Popen(
                command, env=environment, stdin=subprocess.DEVNULL, stdout=log, stderr=log, start_new_session=True,
                preexec_fn=pinning.die_with_parent,
            )  # fmt: skip
        finally:
            os.close(log)
        self._processes.append(process)
        return process

    def _wait_for(self, ready: Callable, process: subprocess.Popen) -> None:
        """Wait until ``ready()``; WorkerError where the process ends before, or time is over."""
        while not ready():
            log = failures.read_log(self._log, failures.SHOWN_LINES)
            if process.poll() is not None:
                hint = failures.find_hint(log)
                raise WorkerError(f"{self._program} ended with code {process.returncode}{hint}:\n{log}")
            queued = re.search(r"job (\d+) queued and waiting for resources", log)
            if queued and "has been allocated" not in log:
                self._deadline = time.monotonic() + self._profile.start_seconds  # the queue takes as long as it takes
                failures.check_queued_job(queued[1])
            if time.monotonic() > self._deadline:
                found = len(self._client.ids) if self._client else 0
                raise WorkerError(f"{found} of {self.size} workers {self._say_time_is_over()}:\n{log}")
            time.sleep(0.1)

    def _say_time_is_over(self) -> str:
        setting = self._profile.where_to_set("start_seconds")
        return f"after {self._profile.start_seconds} s (to wait longer, set {setting})"

    def _confirm(self, kind: str) -> None:
        """Check that the engines are the ranks of one job, put them in rank order, bind them to cores and GPUs."""
        messages: str | None = "MPI"
        if kind == "horovodrun":
            messages = "Gloo"
        elif kind == "mpi" and self.size == 1:
            messages = None
        engines = self._client.ids
        found = self._call([(engine, pinning.describe_worker, (messages,)) for engine in engines])
        sizes = sorted({worker["size"] for worker in found})
        ranks = sorted(worker["rank"] for worker in found)
        if sizes != [self.size] or ranks != list(range(self.size)):
            raise WorkerError(
                f"{self.size} workers were wanted; {len(found)} came, whose {messages} says size {sizes}, "
                f"ranks {ranks}. Size 1 everywhere: the launcher ({kind}) and mpi4py use different MPIs, or srun lacks "
                "--mpi=pmix (at some sites pspmix: srun --mpi=list)"
            )
        by_rank = sorted(zip(found, engines, strict=True), key=lambda pair: pair[0]["rank"])
        self._engines = [engine for _, engine in by_rank]
        bind_cores = kind in ("mpi", "horovodrun")  # Slurm binds by itself
        pins = pinning.assign_pins([worker for worker, _ in by_rank], bind_cores)
        bindings = []
        for engine, pin in zip(self._engines, pins, strict=True):
            bindings.append((engine, pinning.bind, (pin["cores"], pin["gpu"])))
        self._call(bindings)

    def _call(self, requests: list[tuple[int, Callable, tuple]]) -> list:
        """Call functions on engines, while the time to start lasts; return the results in the same order."""
        calls = [self._client[engine].apply_async(function, *arguments) for engine, function, arguments in requests]
        while not all(call.ready() for call in calls):
            if time.monotonic() > self._deadline:
                log = failures.read_log(self._log, failures.SHOWN_LINES)
                raise WorkerError(f"{self.size} workers came, but are not one job {self._say_time_is_over()}:\n{log}")
            self._raise_first_failure(calls)
            time.sleep(0.05)
        self._raise_first_failure(calls)
        return [call.get() for call in calls]

    def _raise_first_failure(self, calls: Sequence[Any]) -> None:
        failures.raise_first_failure(calls, self._processes[-1], self._log, self.size)


def _build_controller(folder: Path, address: str) -> list[str]:
    """Return the command line of ipyparallel's controller, listening at an address alone."""
    command = [sys.executable, "-m", "bigearth.cluster.controller", f"--profile-dir={folder}", f"--ip={address}"]
    command += [f"--location={address}", "--IPController.use_threads=True", "--nodb", "--log-level=WARN"]
    # an engine is given up after a minute without a heartbeat
    command += ["--HeartMonitor.period=500", "--HeartMonitor.max_heartmonitor_misses=120"]
    return command


def _show_output(call: Any, shown: int) -> int:
    """Print what a call has written beyond its first ``shown`` characters; return how many are shown now."""
    text = call.stdout or ""
    if len(text) > shown:
        print(text[shown:], end="", flush=True)
    return len(text)
