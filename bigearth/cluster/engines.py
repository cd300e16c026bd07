"""Workers for a notebook: processes of one MPI job, driven as the engines of an ipyparallel cluster.

``with engines.start(4, "srun") as group: group.run(function, watch=draw, **parameters)`` is all that a notebook needs:
the same lines run on two cores of a laptop and on the GPUs of many nodes.
"""

import os
import re
import shutil
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import ipyparallel as ipp

from bigearth.cluster import failures, launchers, pinning, profiles
from bigearth.cluster.failures import WorkerError, is_echo
from bigearth.cluster.launchers import count
from bigearth.errors import InputError, Interrupted
from bigearth.files import ROOT

START_SECONDS = 110  # an engine needs about 7 s; on many nodes, with a cold file system, a minute
ECHO_SECONDS = 15  # from "a peer is gone" on the other ranks to the launcher's word which one
PASSED_ON = {
    "InputError": InputError,
    "Interrupted": Interrupted,
}  # a worker's exceptions that a notebook handles itself


def start(workers=None, launcher="mpi", exact=True):
    """Start workers and confirm that they are one MPI job.

    Parameters
    ----------
    workers : int or None
        Number of ranks; None: all of the allocation, or one per core where there is none.
    launcher : str
        ``"mpi"``: mpiexec, on this machine or in this allocation; one worker is started without MPI.
        ``"srun"``: a step over all nodes of this Slurm allocation.
        ``"slurm"``: a Slurm job of its own; ``"slurm:SITE"`` asks for what ``slurm/sites/SITE.yaml`` says.
        ``"horovodrun"``: Gloo instead of MPI, on this machine.
    exact : bool
        Whether fewer workers than the allocation has are an error (they are meant where scaling is measured).

    Returns
    -------
    Group
        A context manager; leaving it stops every process.

    Raises
    ------
    InputError
        The launcher is unknown or cannot work here, ``workers`` differs from the allocation, workers share a GPU.
    WorkerError
        The workers did not come up, or are not one MPI job of this size.
    """
    group = Group(count(workers, launcher, exact))
    kind, _, site = launcher.partition(":")
    try:
        group._start(kind, site)
    except BaseException:
        group.stop()
        raise
    return group


class Group:
    """Running workers; made by `start`.

    Attributes
    ----------
    size : int
        Number of ranks.
    """

    def __init__(self, size):
        self.size = size
        self._processes, self._client, self._engines, self._folder = [], None, [], None
        self._deadline = time.monotonic() + START_SECONDS

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.stop()

    def run(self, function, watch=None, **kwargs):
        """Call ``function(**kwargs)`` on every rank at once.

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
            calls = [self._client[engine].apply_async(function, **kwargs) for engine in self._engines]
            shown, watched = 0, time.monotonic()
            while waiting := [call for call in calls if not call.ready()]:
                shown = _show(calls[0], shown)
                self._raise_first(calls)
                if watch and time.monotonic() - watched > 1:
                    watch()
                    watched = time.monotonic()
                waiting[0].wait(0.1)
            self._raise_first(calls)
            calls[0].wait_for_output(2)
            _show(calls[0], shown)
            if watch:
                watch()
            return [call.get() for call in calls]
        except BaseException:
            self.stop()
            raise

    def stop(self):
        """End all processes of the group; harmless when they have ended."""
        self._engines = []
        if self._client:
            self._client.close()
            self._client = None
        while self._processes:
            process = self._processes.pop()
            process.terminate()
            try:
                process.wait(10)
            except subprocess.TimeoutExpired:
                process.kill()
                process.wait()
        if self._folder:
            shutil.rmtree(self._folder, ignore_errors=True)
            self._folder = None

    def _start(self, kind, site):
        # a shell on a login node has an allocation, too (salloc): its workers are elsewhere even if on one node
        outside = "SLURM_JOB_ID" in os.environ and "SLURMD_NODENAME" not in os.environ
        several = outside or int(os.environ.get("SLURM_JOB_NUM_NODES", 1)) > 1
        spread = kind == "slurm" or kind != "horovodrun" and several
        if spread:
            (ROOT / "scratch").mkdir(exist_ok=True)
        # mode 0700: it holds the key; on several nodes all must see it
        self._folder = Path(tempfile.mkdtemp(prefix="engines-", dir=ROOT / "scratch" if spread else None))
        profile = profiles.profile(site or "generic") if kind == "slurm" else {}
        command = launchers.command(kind, self.size, profile)
        ip = launchers.address(profile) if spread else "127.0.0.1"
        controller = self._spawn(
            [sys.executable, "-m", "ipyparallel.controller", f"--profile-dir={self._folder}", f"--ip={ip}"]
            + [f"--location={ip}", "--IPController.use_threads=True", "--nodb", "--log-level=WARN"]
            + ["--HeartMonitor.period=500", "--HeartMonitor.max_heartmonitor_misses=120"],
            os.environ,
        )
        client, engine = (self._folder / "security" / f"ipcontroller-{end}.json" for end in ("client", "engine"))
        self._wait_for(lambda: client.exists() and engine.exists() and engine.read_text(), controller)
        # The key travels in the environment: no file of another node, no command line that others can read.
        environment = launchers.environment(self.size, kind) | (profiles.environment(profile) if profile else {})
        if kind != "horovodrun":  # it writes its environment into a command line: there engines read the folder's file
            environment["IPP_CONNECTION_INFO"] = engine.read_text()
        program = [sys.executable, "-m", "ipyparallel.engine", f"--profile-dir={self._folder}"]
        launched = self._spawn([*command, *program, "--IPEngine.enable_nanny=False", "--log-level=WARN"], environment)
        self._client = ipp.Client(str(client))
        self._wait_for(lambda: len(self._client.ids) >= self.size, launched)
        self._confirm(kind)

    def _spawn(self, command, environment):
        log = os.open(self._folder / f"log-{len(self._processes)}.txt", os.O_WRONLY | os.O_CREAT | os.O_APPEND, 0o600)
        try:
            process = subprocess.Popen(
                command, env=environment, stdin=subprocess.DEVNULL, stdout=log, stderr=log, start_new_session=True,
                preexec_fn=pinning.die_with_parent,
            )  # fmt: skip
        finally:
            os.close(log)
        self._processes.append(process)
        return process

    def _log(self, last=15):
        """The last lines (None: all) that the process started last has written, without ipyparallel's own."""
        text = (self._folder / f"log-{len(self._processes) - 1}.txt").read_text(errors="replace")
        lines = [line for line in text.splitlines() if line.strip() and "[IPEngine" not in line and line.strip("-")]
        return "\n".join(lines if last is None else lines[-last:])

    def _wait_for(self, ready, process):
        while not ready():
            if process.poll() is not None:
                raise WorkerError(f"{process.args[0]} ended with code {process.returncode}:\n{self._log()}")
            log = self._log()
            if "queued and waiting for resources" in log and "has been allocated" not in log:
                self._deadline = time.monotonic() + START_SECONDS  # srun waits for its own job: as long as it takes
                failures.check_queued(re.search(r"job (\d+) queued", log)[1])
            if time.monotonic() > self._deadline:
                found = len(self._client.ids) if self._client else 0
                raise WorkerError(f"{found} of {self.size} workers after {START_SECONDS} s:\n{log}")
            time.sleep(0.1)

    def _confirm(self, kind):
        mpi = "Gloo" if kind == "horovodrun" else "MPI" if self.size > 1 or kind != "mpi" else None
        calls = {engine: self._client[engine].apply_async(pinning.who, mpi) for engine in self._client.ids}
        self._finish(calls.values())
        who = {engine: call.get() for engine, call in calls.items()}
        sizes, ranks = sorted({w["size"] for w in who.values()}), sorted(w["rank"] for w in who.values())
        if sizes != [self.size] or ranks != list(range(self.size)):
            raise WorkerError(
                f"{self.size} workers were wanted; {len(who)} came, whose {mpi} says size {sizes}, ranks {ranks}. "
                f"Size 1 everywhere: the launcher ({kind}) and mpi4py use different MPIs, or srun lacks "
                "--mpi=pmix (at some sites pspmix: srun --mpi=list)"
            )
        self._engines = sorted(who, key=lambda engine: who[engine]["rank"])
        bind = kind in ("mpi", "horovodrun") and self.size > 1  # Slurm binds by itself
        pins = zip(self._engines, pinning.pins([who[engine] for engine in self._engines], bind), strict=True)
        self._finish([self._client[engine].apply_async(pinning.pin, **pin) for engine, pin in pins])

    def _finish(self, calls):
        while not all(call.ready() for call in calls):
            if time.monotonic() > self._deadline:
                raise WorkerError(f"{self.size} workers came, but not as one job in {START_SECONDS} s:\n{self._log()}")
            self._raise_first(calls)
            time.sleep(0.05)
        self._raise_first(calls)

    def _raise_first(self, calls):
        """Raise what a rank raised, or say which rank's process ended."""
        calls, patience = list(calls), time.monotonic() + ECHO_SECONDS
        while True:
            launched = self._processes[-1].poll()
            failed = [(rank, call) for rank, call in enumerate(calls) if call.ready() and not call.successful()]
            # that another rank is gone is what Horovod tells first; which one, the launcher or that rank tells
            echoes = [is_echo(call.exception()) for _, call in failed]
            if not failed or not all(echoes) or launched is not None or time.monotonic() > patience:
                break
            time.sleep(0.2)
        for rank, call in sorted(failed, key=lambda item: is_echo(item[1].exception())):
            error = call.exception()
            if is_echo(error) and launched is not None:
                continue
            if isinstance(error, ipp.error.RemoteError) and error.ename != "EngineError":
                if error.ename in PASSED_ON:
                    raise PASSED_ON[error.ename](error.evalue) from None
                frames = re.sub(r"\x1b\[[\d;]*m", "", error.traceback or "").split("\n\n")
                trace = "\n\n".join(part for part in frames[1:] if not part.startswith("File <string>:1"))
                raise WorkerError(f"rank {rank} of {self.size}: {error.ename}: {error.evalue}\n\n{trace}") from None
        if failed or launched is not None:
            log = self._log()
            rank = failures.dead_rank(self._log(None)) or (failed[0][0] if failed else "0" if self.size == 1 else "?")
            raise WorkerError(f"rank {rank} of {self.size}: the process ended (launcher's code {launched}):\n{log}")


def _show(call, shown):
    text = call.stdout or ""
    if len(text) > shown:
        print(text[shown:], end="", flush=True)
    return len(text)
