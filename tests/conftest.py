"""Fixtures that tests share: the generated archive, its cube, and the real patches if ``--real-data`` names them."""

from pathlib import Path

import pytest


def pytest_addoption(parser):
    parser.addoption("--real-data", metavar="PATH", help="folder with BigEarthNet-v1.0/, BigEarthNet-v2/, ...")


@pytest.fixture(scope="session")
def real_data(request):
    """Folder of real patches; the test is skipped where none was given."""
    path = request.config.getoption("--real-data")
    if not path:
        pytest.skip("needs real patches: pytest --real-data PATH")
    if not Path(path).is_dir():
        pytest.fail(f"--real-data {path}: no such folder")
    return Path(path)


@pytest.fixture(scope="session")
def tiny_archive(tmp_path_factory):
    """A generated BigEarthNet v1.0 archive of 60 patches."""
    from bigearth.miniature.archive import write_archive

    return write_archive(tmp_path_factory.mktemp("archive") / "tiny", patches=60, seed=7)


@pytest.fixture(scope="session")
def tiny_cube(tiny_archive, tmp_path_factory):
    """The cube of the tiny archive, with bilinear ``data_super``."""
    from bigearth.cube.preprocessing import write_cube

    workdir = tmp_path_factory.mktemp("work")
    path = workdir / "cube.h5"
    write_cube(cube=path, archive=tiny_archive, workdir=workdir, upsampling="bilinear", seed=1)
    return path


@pytest.fixture
def file(tmp_path):
    """Write a content to a file; returns its path."""

    def write(content, name="file.txt"):
        path = tmp_path / name
        path.write_bytes(content.encode() if isinstance(content, str) else content)
        return path

    return write
