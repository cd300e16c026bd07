"""The cluster that the other tests run on does what a site's Slurm does."""

import sys

import pytest


def test_two_nodes_answer(slurm):
    assert sorted(slurm.run("srun", "-N2", "printenv", "SLURMD_NODENAME").split()) == ["node1", "node2"]


def test_mpi_over_two_nodes(slurm):
    program = "from mpi4py.MPI import COMM_WORLD as c; print(c.size, c.allreduce(c.rank))"
    printed = slurm.run("srun", "--mpi=pmix", "-N2", "-n4", sys.executable, "-c", program)
    assert printed.splitlines() == ["4 6"] * 4


def test_each_task_has_its_gpu(slurm):
    printed = slurm.run(
        "srun", "-N2", "-n4", "--gpus-per-task=1", "sh", "-c", "echo $SLURMD_NODENAME $CUDA_VISIBLE_DEVICES"
    )
    assert sorted(printed.splitlines()) == ["node1 0", "node1 1", "node2 0", "node2 1"]


def test_a_killed_node_takes_its_processes_along_and_comes_back(slurm):
    job = slurm.run(
        "sbatch", "--parsable", "--no-requeue", "-N2", "-n4", "-o", "/dev/null", "--wrap", "srun sleep 600"
    ).strip()
    slurm.wait(job, "RUNNING")
    assert slurm.until(lambda: slurm.processes(SLURMD_NODENAME="node2", SLURM_JOB_ID=job), 10)
    slurm.kill_node("node2")
    assert not slurm.processes(SLURMD_NODENAME="node2")
    assert slurm.wait(job, "NODE_FAIL", "FAILED", seconds=60)
    slurm.reset()
    assert slurm.run("sinfo", "-h", "-N", "-o", "%T").split() == ["idle", "idle"]


def test_states_are_waited_for_with_a_limit(slurm):
    job = slurm.run("sbatch", "--parsable", "-o", "/dev/null", "--wrap", "sleep 600").strip()
    with pytest.raises(TimeoutError, match=f"job {job} is RUNNING"):
        slurm.wait(job, "COMPLETED", seconds=3)
    slurm.run("scancel", job)
    assert slurm.wait(job, "CANCELLED") == "CANCELLED"
