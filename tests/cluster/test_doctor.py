"""The doctor: every part is named, and what is missing with its remedy."""

from bigearth.cluster import doctor


def test_report_names_every_part(capsys):
    assert doctor.main() == 0  # setup.sh provided everything that is required
    report = capsys.readouterr().out
    for part in ("Python", "TensorFlow", "Horovod", "GDAL JP2OpenJPEG", "MPI", "Slurm", "Memory"):
        assert part in report
    assert "with MPI, Gloo" in report


def test_missing_part_fails_and_names_its_remedy(capsys, monkeypatch):
    def absent():
        raise ImportError("no such module")

    check = doctor.Check(absent, "training on several workers", True, "run ./setup.sh")
    monkeypatch.setitem(doctor.CHECKS, "Horovod", check)
    assert doctor.main() == 1
    line = next(line for line in capsys.readouterr().out.splitlines() if "Horovod" in line)
    assert line.startswith("MISSING") and "remedy: run ./setup.sh" in line
