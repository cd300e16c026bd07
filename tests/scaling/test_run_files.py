"""The files of a training run: read, or refused in one line."""

import json

import pandas as pd
import pytest

from bigearth.errors import InputError
from bigearth.scaling.runs import collect_runs
from tests.scaling.generated_runs import write_run


def test_what_cannot_be_read_is_named(tmp_path):
    with pytest.raises(InputError, match="no finished run"):
        collect_runs(tmp_path)
    with pytest.raises(InputError, match="nosuch"):
        collect_runs(tmp_path, ["nosuch"])
    folder = write_run(tmp_path, "r")
    pd.read_csv(folder / "history.csv").drop(columns="seconds").to_csv(folder / "history.csv", index=False)
    with pytest.raises(InputError, match="history.csv has no column 'seconds'"):
        collect_runs(tmp_path)
    pd.read_csv(folder / "history.csv").assign(seconds=1.0)[:0].to_csv(folder / "history.csv", index=False)
    with pytest.raises(InputError, match="history.csv holds no epoch"):
        collect_runs(tmp_path)
    record = json.loads((folder / "provenance.json").read_text())
    (folder / "provenance.json").write_text(json.dumps({**record, "parameters": {}}))
    with pytest.raises(InputError, match="parameters lacks 'bands'"):
        collect_runs(tmp_path)
    (folder / "provenance.json").write_text(json.dumps({"parameters": {}}))
    with pytest.raises(InputError, match="lacks 'workers'"):
        collect_runs(tmp_path)
    (folder / "provenance.json").write_text("{")
    with pytest.raises(InputError, match="provenance.json is not valid JSON"):
        collect_runs(tmp_path)
