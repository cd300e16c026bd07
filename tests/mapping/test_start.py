"""Products mapped by two ranks that the notebook's function starts, with its progress."""

import pytest

from bigearth.errors import InputError
from bigearth.mapping import start
from bigearth.mapping.start import map_products, watch_map
from bigearth.progress import Progress


def test_two_ranks_map_a_folder_of_products(run, product, tmp_path):
    (found,) = map_products(run, [product.parent], tmp_path, workers=2)
    assert found.windows["all"] == 16 and found.is_miniature


def test_the_same_product_twice(run, product, tmp_path):
    with pytest.raises(InputError, match="two products would become the map"):
        map_products(run, [product, product.parent], tmp_path)


def test_progress_stays_where_it_was_when_the_journal_is_gone(run, product, tmp_path, monkeypatch):
    progress = Progress("mapping")
    watch_map(progress, product, run, tmp_path)  # the map is not begun
    assert (progress.done, progress.total) == (0, None)
    for measured in (("patch", 4, 16), ("patch", 0, 0)):
        monkeypatch.setattr(start, "measure_progress", lambda *_, measured=measured: measured)
        watch_map(progress, product, run, tmp_path)
        assert (progress.done, progress.total, progress.unit) == (4, 16, "patch")
