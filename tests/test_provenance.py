"""The record of a result: commit, versions, machine and cost."""

import json
import time

from bigearth import provenance
from bigearth.files import ROOT


def test_record_holds_what_a_reader_needs(tmp_path):
    record = provenance.collect({"cube": ROOT / "scratch" / "cube.h5", "epochs": 2}, time.time() - 7200, 4, gpus=4)
    provenance.write(tmp_path, record)
    stored = json.loads((tmp_path / "provenance.json").read_text())
    assert stored["parameters"] == {"cube": "scratch/cube.h5", "epochs": 2}
    assert stored["versions"]["numpy"] == "2.4.6"
    assert abs(stored["gpu_hours"] - 8) < 0.01
    assert stored["machine"]["cores"] >= 1
    assert [path.name for path in tmp_path.iterdir()] == ["provenance.json"]
