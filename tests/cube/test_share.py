"""A rank's share: what is missing is written first, what an interrupted run wrote is verified last, and only once."""

import pytest

from bigearth.cube import share, units
from bigearth.cube.layout import partial_folder
from bigearth.cube.preprocessing import write_cube


@pytest.fixture
def events(monkeypatch):
    """Names of the calls that read a patch from the archive, or a unit of an interrupted run, in their order."""
    called = []

    def record(module, name):
        function = getattr(module, name)

        def call(*arguments):
            called.append(name)
            if called.count("read_patch") == stop_at[0]:
                raise KeyboardInterrupt
            return function(*arguments)

        monkeypatch.setattr(module, name, call)

    record(units, "read_patch")
    record(share, "read_rows")
    return called


stop_at = [0]


def interrupt(parameters, events, after):
    events.clear()
    stop_at[0] = after
    with pytest.raises(KeyboardInterrupt):
        write_cube(**parameters)
    stop_at[0] = 0


def test_a_restart_writes_first_and_verifies_once(tiny_archive, tiny_cube, tmp_path, events):
    parameters = {"cube": tmp_path / "cube.h5", "archive": tiny_archive, "workdir": tmp_path}
    interrupt(parameters, events, 10)
    interrupt(parameters, events, 10)
    assert "read_rows" not in events  # a run that is interrupted again has not read what the first one wrote
    events.clear()
    result = write_cube(**parameters)
    assert result["found"] >= 16 and result["found"] + result["patches"] == result["rows"]
    assert events == ["read_patch"] * result["patches"] + ["read_rows"] * events.count("read_rows")


def test_a_damaged_unit_is_written_again_at_the_end(tiny_archive, tmp_path, events):
    parameters = {"cube": tmp_path / "cube.h5", "archive": tiny_archive, "workdir": tmp_path}
    interrupt(parameters, events, 10)
    journal = partial_folder(parameters["cube"]) / "journal-0.txt"
    lines = journal.read_text().splitlines()
    lines[2] = lines[2].replace(lines[2].split()[2], "0badc0de")
    journal.write_text("\n".join(lines) + "\n")
    events.clear()
    result = write_cube(**parameters)
    verified = events.index("read_rows")
    assert events[verified:].count("read_patch") == 1
    assert result["patches"] == events.count("read_patch")
