"""Textures lie between 0 and 1, and every mixture has one."""

import numpy as np

from bigearth.miniature.spectra import MIXTURES
from bigearth.miniature.textures import draw_textures


def test_every_mixture_has_a_texture_between_0_and_1():
    textures = draw_textures(240, np.random.default_rng(0))
    assert {mixture.split()[0] for mixture in MIXTURES.values()} <= set(textures)
    for texture in textures.values():
        assert texture.shape == (240, 240) and 0 <= texture.min() and texture.max() <= 1


def test_noise_is_evenly_distributed():
    textures = draw_textures(480, np.random.default_rng(0))
    for name in ("fine", "clumps", "stands"):
        shares = np.histogram(textures[name], 4, (0, 1))[0] / textures[name].size
        assert np.abs(shares - 0.25).max() < 0.05, name
