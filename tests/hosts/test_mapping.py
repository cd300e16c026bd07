"""A map as a run of a study on a real Slurm: after the training of its network, on two nodes."""

import json

from bigearth.miniature.products import write_products
from tests.hosts.studies import training


def test_a_map_follows_its_training(study, slurm, tiny_archive, tmp_path):
    write_products(tmp_path / "tiles", tiny_archive, baseline="05.00", tiles=["T33UWP"])
    mapping = {
        "notebook": "06_mapping",
        "parameters": {"training": "short", "tiles": str(tmp_path / "tiles"), "workers": None},
        "resources": {"nodes": 2, "tasks_per_node": 1, "time": "00:10:00"},
        "after": ["short"],
    }
    tried = study(training("short", epochs=1, batch_size=5), mapping)
    code, printed = tried.run("--slurm", "mini", "--watch")
    assert code == 0, printed
    (record,) = tried.results.rglob("maps/*/provenance.json")
    made = json.loads(record.read_text())
    assert made["plan"]["run"] == "short" and made["workers"] == 2
    assert made["windows"] == {"all": 16, "masked": 0}
    assert all((record.parent / name).exists() for name in ("scores.tif", "patches.gpkg", "map.html"))

    code, printed = tried.run("--slurm", "mini", "--watch")
    assert code == 0 and printed.count("finished before, unchanged") == 2, printed
