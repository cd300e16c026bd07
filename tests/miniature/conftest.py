"""What the tests of the miniature share: its rendered scenes, and an archive in the layout of v2.0."""

import pytest

from bigearth.miniature.archive import write_archive
from bigearth.miniature.scenes import render_scenes


@pytest.fixture(scope="session")
def landscape():
    return list(render_scenes(60, 7))


@pytest.fixture(scope="session")
def v2(tmp_path_factory):
    return write_archive(tmp_path_factory.mktemp("v2") / "archive", patches=24, seed=3, version=2)
