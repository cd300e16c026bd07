"""The command that maps products."""

import pytest

from bigearth.__main__ import main


@pytest.mark.parametrize(
    ("options", "message"),
    [
        (["--stride", "wide"], "stride is 'wide': give a whole number"),
        (["--workers", "two"], "workers is 'two'"),
        (["--masked-from", "half"], "masked_from is 'half': give a number"),
        (["--threshold", "2"], "threshold 2.0 is no score"),
    ],
)
def test_wrong_options_are_one_line(run, product, tmp_path, capsys, options, message):
    assert main(["map", str(run), str(product), "--results", str(tmp_path / "maps"), *options]) == 2
    said = capsys.readouterr().err
    assert message in said and said.count("\n") == 1 and not (tmp_path / "maps").exists()


def test_a_run_or_product_that_is_missing(run, product, tmp_path, capsys):
    assert main(["map", str(tmp_path / "none"), str(product), "--results", str(tmp_path / "maps")]) == 2
    assert main(["map", str(run), str(tmp_path / "none"), "--results", str(tmp_path / "maps")]) == 2
    said = capsys.readouterr().err
    assert "run" in said and "product" in said and said.count("missing") == 2
