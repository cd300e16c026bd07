"""A real Slurm for the tests of this folder; without slurmd and munge they are skipped, and say so."""

import os
import shutil

import pytest

from tests.hosts.mini_slurm import MiniSlurm, why_not
from tests.hosts.studies import Study, training


def pytest_collection_modifyitems(items):
    for item in items:
        if "/hosts/" in str(item.path):
            item.add_marker(pytest.mark.timeout(1500))  # jobs wait for each other, and for a busy machine


@pytest.fixture(scope="session")
def _cluster(request):
    if reason := why_not():
        pytest.skip(reason)
    with MiniSlurm() as cluster:
        yield cluster
    assert not cluster.processes(), "processes of the cluster are left"
    if not request.session.testsfailed:  # otherwise its logs are wanted
        shutil.rmtree(cluster.folder)


@pytest.fixture
def slurm(_cluster, monkeypatch):
    """The running cluster, idle; afterwards no job and no process of a job may be left."""
    for name in list(os.environ):
        if name.startswith("SLURM_"):
            monkeypatch.delenv(name)
    for name, value in _cluster.environment.items():
        monkeypatch.setenv(name, value)
    yield _cluster
    jobs = _cluster.run("squeue", "-h", "-t", "PENDING,RUNNING", "-o", "%A %j %T")
    left = _cluster.leftovers()
    _cluster.reset()
    assert not jobs, f"jobs are left: {jobs}"
    assert not left, f"processes outlived their job: {left}"


@pytest.fixture
def study(tmp_path, slurm, tiny_archive, tiny_cube):
    """Make a study of these runs in ``tmp_path``."""
    return lambda *runs, name="tried", **options: Study(
        tmp_path / name, slurm, tiny_archive, tiny_cube, list(runs), **options
    )


@pytest.fixture(scope="session")
def unbroken(_cluster, tiny_archive, tiny_cube, tmp_path_factory):
    """History of the training `slow` without a break, on the same nodes: TensorFlow sums as its threads allow."""
    alone = Study(tmp_path_factory.mktemp("unbroken"), _cluster, tiny_archive, tiny_cube, [training()])
    code, printed = alone.run("--slurm", "mini", "--watch")
    assert code == 0, printed
    return alone.history("slow")
