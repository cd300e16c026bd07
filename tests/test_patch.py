"""The bands: twelve, in wavelength order, grouped by resolution."""

from bigearth.patch import BANDS, BANDS_AT, DATASET_OF, PIXELS, RESOLUTION, WAVELENGTH, parse_miniature


def test_every_band_has_one_group_and_the_order_is_by_wavelength():
    assert len(BANDS) == 12 and "B10" not in BANDS
    assert sorted(band for bands in BANDS_AT.values() for band in bands) == sorted(BANDS)
    assert list(BANDS) == sorted(BANDS, key=WAVELENGTH.get)
    assert BANDS.index("B8A") == BANDS.index("B08") + 1


def test_a_patch_is_as_wide_in_every_resolution():
    assert {metres * PIXELS[metres] for metres in BANDS_AT} == {1200}
    assert DATASET_OF == {10: "data_10m", 20: "data_20m", 60: "data_60m"}
    assert (RESOLUTION["B02"], RESOLUTION["B11"], RESOLUTION["B09"]) == (10, 20, 60)


def test_names_of_generated_archives():
    assert parse_miniature("miniature") == ("archive", 1000)
    assert parse_miniature("miniature-4000") == ("archive-4000", 4000)
    for path in ("data/miniature", "miniature-", "miniature-x", "/miniature-4000", ""):
        assert parse_miniature(path) is None
