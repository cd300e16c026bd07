"""Materials and mixtures: reflectances between 0 and 1, shares of 100 percent, a mixture for each class."""

import numpy as np

from bigearth.labels import CLC_CODE
from bigearth.miniature.spectra import HERBS, LEAVES, MATERIAL, MIXTURES, REFLECTANCE
from bigearth.patch import BANDS


def test_every_material_reflects_in_every_band():
    assert REFLECTANCE.shape == (len(MATERIAL), len(BANDS))
    assert REFLECTANCE.min() > 0 and REFLECTANCE.max() < 1
    assert set(HERBS + LEAVES) <= set(MATERIAL)


def test_every_class_is_a_mixture_of_known_materials():
    assert set(MIXTURES) == set(CLC_CODE.values())
    for mixture in MIXTURES.values():
        _, *parts = mixture.split()
        assert set(parts[::2]) <= set(MATERIAL)
        assert sum(map(int, parts[1::2])) == 100


def test_green_has_a_red_edge_and_water_is_dark_in_the_infrared():
    red, infrared = BANDS.index("B04"), BANDS.index("B08")
    for name in ("broadleaf", "needle", "grass", "crop"):
        values = REFLECTANCE[MATERIAL[name]]
        assert values[infrared] > 5 * values[red]
    assert all(np.all(REFLECTANCE[MATERIAL[name], -2:] < 0.03) for name in ("sea", "lake", "river"))
