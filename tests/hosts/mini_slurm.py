#!/usr/bin/env python
"""A small but real Slurm on one machine: a controller and several virtual nodes, without systemd and without root.

``python tests/hosts/mini_slurm.py FOLDER`` brings one up, prints the line that points a shell to it, and takes it
down on Ctrl-C. The tests use the same class through the fixture ``slurm``.

The virtual nodes share one host name, /dev/shm and one set of cores, so mistakes in host names, in the controller's
address, and in pinning to cores cannot be seen here. Each node has two GPUs that are plain files: Slurm counts them,
hands them out and sets CUDA_VISIBLE_DEVICES, nothing more.
"""

import ctypes
import os
import secrets
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import psutil

DAEMONS = {name: shutil.which(name, path="/usr/sbin:/usr/local/sbin") for name in ("munged", "slurmctld", "slurmd")}
USER = psutil.Process().username()

# cred_expire: a requeued job waits that long before it may start again (120 s by default).
CONFIGURATION = """\
ClusterName=mini
SlurmctldHost={host}(127.0.0.1)
SlurmctldPort={port}
SlurmUser={user}
SlurmdUser={user}
AuthInfo=socket={folder}/munge.socket,cred_expire=5
StateSaveLocation={folder}/state
SlurmdSpoolDir={folder}/spool/%n
TmpFS={folder}/tmp/%n
SlurmctldPidFile={folder}/state/slurmctld.pid
SlurmdPidFile={folder}/state/%n.pid
SlurmctldLogFile={folder}/log/slurmctld.log
SlurmdLogFile={folder}/log/%n.log
TaskProlog={folder}/task_prolog
JobCompType=jobcomp/filetxt
JobCompLoc={folder}/log/jobs.txt
ProctrackType=proctrack/linuxproc
TaskPlugin=task/none
SelectType=select/cons_tres
SelectTypeParameters=CR_CPU_Memory
SlurmdParameters=config_overrides
GresTypes=gpu
MpiDefault=none
ReturnToService=2
SlurmdTimeout=5
KillWait=5
MinJobAge=3600
SchedulerParameters=sched_interval=1,bf_interval=1
DefMemPerCPU={memory_per_cpu}
{nodes}
PartitionName=main Nodes=ALL Default=YES DefaultTime=30 MaxTime=60 OverSubscribe=NO
"""

# Open MPI takes two virtual nodes for one machine by their host name and would join their shared memory.
TASK_PROLOG = """\
#!/bin/sh
echo export OMPI_MCA_btl=self,tcp
echo export OMPI_MCA_hwloc_base_binding_policy=none
"""


def why_not():
    """Return why no cluster can be started here, or None."""
    missing = [name for name, path in DAEMONS.items() if not path]
    missing += [name for name in ("sbatch", "srun", "scancel") if not shutil.which(name)]
    return f"not installed: {', '.join(missing)} (./setup.sh cluster installs them)" if missing else None


class MiniSlurm:
    """A cluster in ``folder`` (a short path: sockets lie in it); ``with MiniSlurm() as slurm`` starts and stops it."""

    def __init__(self, folder=None, nodes=2, cpus=2, gpus=2, memory=8000):
        self.folder = Path(folder or tempfile.mkdtemp(prefix="slurm-", dir="/tmp"))
        self.nodes = [f"node{number}" for number in range(1, nodes + 1)]
        self.cpus, self.gpus, self.memory = cpus, gpus, memory
        self.configuration = self.folder / "slurm.conf"
        self.daemons = {}

    @property
    def environment(self):
        """What a shell needs to talk to this cluster (and Open MPI where the tests run as root)."""
        root = {"OMPI_ALLOW_RUN_AS_ROOT": "1", "OMPI_ALLOW_RUN_AS_ROOT_CONFIRM": "1"} if os.geteuid() == 0 else {}
        return {"SLURM_CONF": str(self.configuration), **root}

    def run(self, *command, check=True, timeout=120, **options):
        """Run a command against this cluster; returns what it printed."""
        environment = {**os.environ, **self.environment, **options.pop("env", {})}
        done = subprocess.run(command, env=environment, capture_output=True, text=True, timeout=timeout, **options)
        if check and done.returncode:
            raise RuntimeError(
                f"{' '.join(map(str, command))} ended with {done.returncode}: {done.stdout}{done.stderr}"
            )
        return done.stdout if check else done

    def __enter__(self):
        self._configure()
        os.environ["SLURM_CONF"] = str(self.configuration)
        try:
            self._start("munged", "-F", f"--key-file={self.folder}/munge.key", f"--socket={self.folder}/munge.socket",
                        f"--pid-file={self.folder}/state/munged.pid", f"--log-file={self.folder}/log/munged.log",
                        f"--seed-file={self.folder}/state/munge.seed")  # fmt: skip
            self.until((self.folder / "munge.socket").exists, 10)
            self._start("slurmctld", "-D")
            for node in self.nodes:
                self.start_node(node)
            self.until(lambda: self._idle() == len(self.nodes), 60, self._not_idle)
        except BaseException:
            self.__exit__()
            raise
        return self

    def __exit__(self, *_):
        """Cancel all jobs, stop the daemons, leave no process behind."""
        if "slurmctld" in self.daemons:
            self.run("scancel", "--user", USER, check=False)
            self.run("scancel", "--signal=KILL", "--user", USER, check=False)
        for node in self.nodes:
            self.kill_node(node)
        for name in reversed(list(self.daemons)):
            _end([self.daemons.pop(name)])
        _end(self.processes())
        os.environ.pop("SLURM_CONF", None)

    def start_node(self, node):
        """Start the daemon of a virtual node; what a killed predecessor left of PMIx would break a requeued job."""
        for rest in [*self.folder.glob(f"tmp/{node}/spmix_*"), *self.folder.glob(f"spool/{node}/*pmix*")]:
            shutil.rmtree(rest) if rest.is_dir() else rest.unlink()
        self._start("slurmd", "-D", "-N", node, log=node, SLURMD_NODENAME=node)

    def kill_node(self, node):
        """Pull the plug: kill the node's daemon and everything that runs on it, at once and without warning."""
        log = str(self.folder / f"log/{node}.log")  # a step's daemon hides its environment, but writes there
        daemons = [process for process in psutil.process_iter() if log in _open_files(process)]
        _end([*daemons, *self.processes(SLURMD_NODENAME=node)], kill=True)
        self.daemons.pop(node, None)

    def processes(self, **environment):
        """Return the processes of this cluster (children of this one excepted) whose environment has these values."""
        wanted = {"SLURM_CONF": str(self.configuration), **environment}.items()
        own = {os.getpid(), *(process.pid for process in psutil.Process().parents())}
        found = []
        for process in psutil.process_iter():
            try:
                if process.pid not in own and wanted <= process.environ().items() and process.status() != "zombie":
                    found.append(process)
            except psutil.Error:
                pass  # it ended while we looked, or belongs to someone else
        return found

    def state(self, job):
        """Return the state of a job as Slurm names it (COMPLETED, FAILED, ...)."""
        return self.run("scontrol", "show", "job", job).split("JobState=")[1].split()[0]

    def seconds(self, job):
        """Return the seconds since a running job's start."""
        *_, minutes, seconds = self.run("squeue", "-h", "-j", job, "-o", "%M").strip().split(":")
        return 60 * int(minutes) + int(seconds)

    def wait(self, job, *states, seconds=60):
        """Wait until ``job`` is in one of ``states``; returns it, or raises TimeoutError."""
        self.until(lambda: self.state(job) in states, seconds, lambda: f"job {job} is {self.state(job)}, not {states}")
        return self.state(job)

    @staticmethod
    def until(condition, seconds, complaint=lambda: "it did not happen"):
        """Wait until ``condition()`` is true and return its value; raises TimeoutError after ``seconds``."""
        deadline = time.monotonic() + seconds
        while not (value := condition()):
            if time.monotonic() > deadline:
                raise TimeoutError(f"{complaint()} after {seconds} s")
            time.sleep(0.2)
        return value

    def reset(self):
        """Cancel what runs and bring killed nodes back, so that the next test finds an idle cluster."""
        self.run("scancel", "--user", USER)
        for node in self.nodes:
            if node not in self.daemons:
                self.start_node(node)
        self.until(lambda: not self.run("squeue", "-h") and self._idle() == len(self.nodes), 60, self._not_idle)

    def leftovers(self, patience=15):
        """Return the command lines of processes that outlived their job, after waiting up to ``patience`` seconds."""
        deadline = time.monotonic() + patience
        while True:
            running = self.run("squeue", "-h", "-o", "%A").split()
            left = [
                p for p in self.processes() if _environment(p).get("SLURM_JOB_ID", "none") not in (*running, "none")
            ]
            if not left or time.monotonic() > deadline:
                return [" ".join(_command(process)) for process in left]
            time.sleep(0.5)

    def _configure(self):
        for sub in ("log", "state", *(f"{kind}/{node}" for kind in ("spool", "tmp") for node in self.nodes)):
            (self.folder / sub).mkdir(parents=True, exist_ok=True)
        self.folder.chmod(0o755)
        (self.folder / "munge.key").touch(0o600)
        (self.folder / "munge.key").write_bytes(secrets.token_bytes(1024))
        (self.folder / "task_prolog").write_text(TASK_PROLOG)
        (self.folder / "task_prolog").chmod(0o755)
        (self.folder / "cgroup.conf").write_text("CgroupAutomount=no\n")
        gpus = [self.folder / f"gpu{number}" for number in range(self.gpus)]
        for gpu in gpus:
            gpu.symlink_to("/dev/null")
        (self.folder / "gres.conf").write_text("".join(f"Name=gpu File={gpu}\n" for gpu in gpus))
        host, (port, *ports) = socket.gethostname().split(".")[0], free_ports(1 + len(self.nodes))
        nodes = "\n".join(
            f"NodeName={node} NodeHostname={host} NodeAddr=127.0.0.1 Port={own} CPUs={self.cpus} "
            f"RealMemory={self.memory} Gres=gpu:{self.gpus}"
            for node, own in zip(self.nodes, ports, strict=True)
        )
        self.configuration.write_text(
            CONFIGURATION.format(
                host=host,
                port=port,
                user=USER,
                folder=self.folder,
                nodes=nodes,
                memory_per_cpu=self.memory // self.cpus,
            )  # fmt: skip
        )

    def _start(self, daemon, *arguments, log=None, **environment):
        name = log or daemon
        with open(self.folder / "log" / f"{name}.out", "ab") as out:
            started = subprocess.Popen(
                [DAEMONS[daemon], *arguments], stdin=subprocess.DEVNULL, stdout=out, stderr=subprocess.STDOUT,
                env={**os.environ, **self.environment, **environment}, start_new_session=True,
            )  # fmt: skip
        self.daemons[name] = psutil.Process(started.pid)
        self.daemons[name].popen = started  # so that it is waited for, not left a zombie

    def _idle(self):
        states = self.run("sinfo", "-h", "-N", "-o", "%T", check=False).stdout.split()
        return states.count("idle")

    def _not_idle(self):
        seen = (
            self.run("sinfo", "-h", "-N", "-o", "%N %T %E", check=False).stdout + self.run("squeue", check=False).stdout
        )
        return f"the cluster is not idle (see {self.folder}/log): {seen}"


def _end_with_parent():
    ctypes.CDLL(None).prctl(1, int(signal.SIGTERM))  # PR_SET_PDEATHSIG: even a killed test run leaves no daemon


def _environment(process):
    try:
        return process.environ()
    except psutil.Error:
        return {}


def _open_files(process):
    try:
        return [file.path for file in process.open_files()] if process.name().startswith("slurm") else []
    except psutil.Error:
        return []


def _command(process):
    try:
        return [str(process.pid), *process.cmdline()]
    except psutil.Error:
        return []


def _end(processes, kill=False):
    for process in processes:
        try:
            process.kill() if kill else process.terminate()
        except psutil.Error:
            pass
    for process in psutil.wait_procs(processes, timeout=10)[1]:
        process.kill()


def free_ports(count):
    sockets = [socket.socket() for _ in range(count)]
    for each in sockets:
        each.bind(("127.0.0.1", 0))
    ports = [each.getsockname()[1] for each in sockets]
    for each in sockets:
        each.close()
    return ports


if __name__ == "__main__":
    if reason := why_not():
        sys.exit(reason)
    with MiniSlurm(*sys.argv[1:2]) as cluster:
        print("\n".join(f"export {name}={value}" for name, value in cluster.environment.items()), flush=True)
        try:
            while True:
                time.sleep(3600)
        except KeyboardInterrupt:
            pass
