"""The checks of notebook 00, with workers that only pretend."""

import numpy as np
import pandas as pd
import pytest

from bigearth import acceptance
from bigearth.acceptance import Acceptance
from bigearth.cluster.failures import WorkerError
from bigearth.training import records


class Group:
    """Answers what each call of a group of workers would."""

    def __init__(self, **answers):
        self.answers = answers

    def run(self, function, **parameters):
        answer = self.answers[function.__name__]
        return answer(**parameters) if callable(answer) else answer


def place(rank, ranks=2, gpus=0, visible="", node="a"):
    return {"rank": rank, "ranks": ranks, "node": node, "process": 1, "cores": 1, "gpus": gpus, "visible": visible}


@pytest.fixture
def site(tmp_path):
    return Acceptance(tmp_path, tmp_path / "archive", epochs=2)


def verdict(site):
    return {line["what"]: (line["ready"], line["found"]) for line in site.verdict}


@pytest.mark.parametrize(
    "places, workers, gpus",
    [
        ([place(0), place(1)], "ready", ("ready", "none: workers use their cores")),
        ([place(0, 1), place(0, 1)], "NOT READY", ("ready", "none: workers use their cores")),
        ([place(0, gpus=1, visible="0"), place(1, gpus=1, visible="1")], "ready", ("ready", "one per rank")),
        ([place(0, gpus=1, visible="0"), place(1, gpus=1, visible="0")], "ready", ("NOT READY", "shared")),
        ([place(0, gpus=1, visible="0"), place(1, gpus=1, visible="0", node="b")], "ready", ("ready", "one per rank")),
        ([place(0, gpus=1, visible="0"), place(1)], "ready", ("NOT READY", "shared")),
    ],
)
def test_workers_must_be_one_job_with_a_gpu_each(site, places, workers, gpus):
    site.check_workers(Group(describe_place=places))
    assert verdict(site)["workers"][0] == workers and verdict(site)["GPUs"] == gpus


def test_gpus_that_the_job_asked_for_must_be_seen(site, monkeypatch):
    monkeypatch.setenv("SLURM_JOB_GPUS", "0,1")
    site.check_workers(Group(describe_place=[place(0), place(1)]))
    assert verdict(site)["GPUs"] == ("NOT READY", "none, though the job asked for some")
    checks = site.list_checks()
    failed = [name for name, passed in checks.items() if not passed]
    assert len(failed) == 1 and "remedy: gpus_per_task" in failed[0]


@pytest.mark.parametrize("seconds, ready", [(2.0, "ready"), (11.0, "NOT READY")])
def test_a_slow_allreduce_is_not_ready(site, seconds, ready):
    site.check_workers(Group(describe_place=[place(0), place(1)]))
    site.check_allreduce(Group(time_allreduce=[seconds, seconds / 2]))
    assert verdict(site)["all-reduce"][0] == ready and f"{seconds:.2f} s" in verdict(site)["all-reduce"][1]


def write_history(site, epochs):
    folder = records.find_folder(site.workdir, site.run)
    folder.mkdir(parents=True, exist_ok=True)
    table = pd.DataFrame({"epoch": np.arange(1, epochs + 1), "images": 8, "seconds": 1.0})
    table.to_csv(folder / "history.csv", index=False)


@pytest.mark.parametrize(
    "message, ready",
    [("rank 1 of 2: the process ended", "ready"), ("rank 0 of 2: gone", "NOT READY"), (None, "NOT READY")],
)
def test_the_killed_rank_must_be_named(site, message, ready):
    def train(prepare, recipe, **_):
        assert prepare is acceptance.kill_last_rank and recipe.epochs == 2
        write_history(site, 1)
        if message:
            raise WorkerError(message)

    site.check_workers(Group(describe_place=[place(0), place(1)]))
    site.check_killed_worker(Group(train=train))
    assert verdict(site)["killed worker"][0] == ready


@pytest.mark.parametrize(
    "epochs, checksums, ready", [(2, "aa", "ready"), (1, "aa", "NOT READY"), (2, "ab", "NOT READY")]
)
def test_new_workers_must_go_on_to_the_end(site, epochs, checksums, ready):
    def train(**_):
        write_history(site, epochs)
        return [{"checksum": checksum} for checksum in checksums]

    write_history(site, 1)
    site.check_resumed(Group(train=train))
    assert verdict(site)["resumed"][0] == ready and verdict(site)["resumed"][1].startswith("after epoch 1 of 2")


def test_the_cube_is_counted_and_no_run_is_used_twice(tiny_cube, tmp_path):
    site = Acceptance(tmp_path, tmp_path / "archive", epochs=2)
    site.cube = tiny_cube
    site.check_cube(Group(write_cube=None))
    ready, found = verdict(site)["cube"]
    assert ready == "ready" and int(found.split()[0]) > 0
    assert records.find_folder(site.workdir, site.run).exists() is False
