"""The command: what is chosen, and what is refused."""

from bigearth.__main__ import main


def test_one_run_is_chosen(write, table, capsys):
    study = str(write({"notebook": table, "name": "a"}, {"notebook": table, "name": "b"}))
    assert main(["study", study, "--dry-run", "--run", "b"]) == 0
    assert [line.split()[0] for line in capsys.readouterr().out.splitlines()] == ["b"]


def test_a_misspelt_run_is_told_with_the_nearest(write, table, capsys):
    study = str(write({"notebook": table, "name": "multispectral"}))
    assert main(["study", study, "--run", "multispectal"]) == 2
    assert "did you mean 'multispectral'?" in capsys.readouterr().err


def test_an_empty_site_does_not_run_the_study_here(write, table, tmp_path, capsys):
    for option in ("--slurm", "--job"):
        assert main(["study", str(write({"notebook": table})), option, ""]) == 2
        assert "site '' is unknown" in capsys.readouterr().err
    assert not (tmp_path / "results").exists()


def test_watching_needs_slurm(write, table, capsys):
    assert main(["study", str(write({"notebook": table})), "--watch"]) == 2
    assert "give --slurm SITE too" in capsys.readouterr().err
