"""From land cover to the twelve bands of a level-2A product: materials, texture, season, light, optics, noise."""

import numpy as np
from scipy import ndimage

from bigearth.miniature.fields import draw_field
from bigearth.miniature.landscape import CODE
from bigearth.miniature.places import Tile
from bigearth.miniature.spectra import HERBS, LEAVES, MATERIAL, MIXTURES, REFLECTANCE
from bigearth.miniature.textures import draw_textures
from bigearth.patch import BANDS, QUANTIFICATION, RESOLUTION, WAVELENGTH

# Point spread: standard deviation in the band's own pixels; with the pixel's own mean a modulation of about
# 0.25 at half the sampling rate.
_SPREAD = 0.45
_NOISE = 0.0012  # of a pixel, in reflectance
_SHADOW = (-26, 34)  # of a cloud: rows and columns of 10 m
_WATER_CODES = (512, 521, 522, 523, 511)
_WATERS = ("sea", "lake", "lagoon", "river", "silty")


def render_bands(
    tile: Tile, cover: np.ndarray, height: np.ndarray, rng: np.random.Generator
) -> tuple[dict[str, np.ndarray], np.ndarray, np.ndarray]:
    """Render a land-cover map.

    Parameters
    ----------
    tile : Tile
    cover, height : numpy.ndarray
        Class index and relative height, pixels of 10 m.
    rng : numpy.random.Generator

    Returns
    -------
    bands : dict of str to numpy.ndarray
        Digital numbers of each band at its own resolution, uint16.
    snow, cloud : numpy.ndarray
        Where snow lies and where cloud or its shadow covers the ground, bool, 10 m.
    """
    # what lies on the ground, and what lies between it and the satellite
    material, dried, light = _choose_materials(tile, cover, height, rng)
    snow = _draw_snow(tile, cover, height, rng)
    veil = _draw_cloud(tile, len(cover), rng)
    shade = np.roll(veil, _SHADOW, (0, 1))
    haze = np.clip(0.012 + 0.011 * draw_field(rng, len(cover), 3.0, 0.3), -0.004, 0.05)

    reflectance = _reflect_in_season(tile)
    bands = {}
    for index, band in enumerate(BANDS):
        value = reflectance[:, index][material]
        value += dried * (reflectance[MATERIAL["straw"], index] - value)
        value[snow] = REFLECTANCE[MATERIAL["snow"], index]
        value *= light * (1 - 0.62 * shade)
        # what the atmospheric correction leaves: aerosol, strongest in the blue
        value += haze * (WAVELENGTH["B02"] / WAVELENGTH[band]) ** 2.2
        value += veil * (REFLECTANCE[MATERIAL["cloud"], index] - value)
        bands[band] = _sense(value, RESOLUTION[band] // 10, rng)
    return bands, snow, (veil > 0.15) | (shade > 0.3)


def _draw_snow(tile: Tile, cover: np.ndarray, height: np.ndarray, rng: np.random.Generator) -> np.ndarray:
    """Draw snow on the heights, not on water."""
    water = np.isin(CODE, _WATER_CODES)[cover]
    snow = np.zeros(cover.shape, bool)
    if tile.snow:
        snow = (height > np.quantile(height, 1 - tile.snow)) & ~water
    snow &= rng.random(cover.shape) < 0.93
    return snow


def _choose_materials(
    tile: Tile, cover: np.ndarray, height: np.ndarray, rng: np.random.Generator
) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Material of each 10 m pixel, how far its green has dried (share), and its illumination."""
    textures = draw_textures(len(cover), rng)
    material = np.zeros(cover.shape, np.uint8)
    for index, code in enumerate(CODE):
        here = cover == index
        if here.any():
            texture, materials, limits = _parse_mixture(MIXTURES[int(code)])
            material[here] = materials[np.searchsorted(limits, textures[texture][here])]

    dried = np.zeros(cover.shape, np.float32)
    parcel = textures["fields"]
    is_green = np.isin(material, [MATERIAL[name] for name in HERBS + LEAVES])
    dried[is_green] = 0.16 * (parcel * textures["clumps"])[is_green]

    water = np.isin(material, [MATERIAL[name] for name in _WATERS])
    mottle = 1 + np.where(water, 0.05, 0.16) * (textures["fine"] - 0.5) + 0.14 * (parcel - 0.5) * ~water
    return material, dried, (_light_slopes(tile, height) * mottle).astype(np.float32)


def _parse_mixture(mixture: str) -> tuple[str, np.ndarray, np.ndarray]:
    """Name of a mixture's texture, its materials, and the limits between them in the texture's values."""
    texture, *parts = mixture.split()
    materials = np.array([MATERIAL[name] for name in parts[::2]])
    limits = np.cumsum(np.array(parts[1::2], np.float32))[:-1] / 100
    return texture, materials, limits


def _light_slopes(tile: Tile, height: np.ndarray) -> np.ndarray | float:
    """Brightness of slopes that face the sun or lie away from it; a coastal tile counts as flat."""
    slope = ndimage.gaussian_filter(height, 3)
    slope = np.gradient(slope, axis=1) - np.gradient(slope, axis=0)
    if tile.sea:
        return tile.sun
    return tile.sun * (1 + 0.08 * np.clip(slope / slope.std(), -2.5, 2.5))


def _reflect_in_season(tile: Tile) -> np.ndarray:
    """Reflectances of the materials on the tile's date, materials x bands."""
    table = REFLECTANCE.copy()
    for names, end, share in ((HERBS, "straw", tile.dry), (LEAVES, "litter", tile.autumn)):
        for name in names:
            table[MATERIAL[name]] += share * 0.7 * (REFLECTANCE[MATERIAL[end]] - table[MATERIAL[name]])
    return table


def _draw_cloud(tile: Tile, size: int, rng: np.random.Generator) -> np.ndarray:
    """Opacity of cumulus, 0 to 1."""
    if not tile.cloud:
        return np.zeros((size, size), np.float32)
    field = draw_field(rng, size, 3.2, 0.25) + 0.8 * draw_field(rng, size, 3.5, 0.9)
    return np.clip((field - np.quantile(field, 1 - tile.cloud)) * 2.5, 0, 0.95).astype(np.float32)


def _sense(value: np.ndarray, pixels: int, rng: np.random.Generator) -> np.ndarray:
    """Optics, sampling and noise: blur at the band's resolution, mean of the pixel, digital number."""
    value = ndimage.gaussian_filter(value, _SPREAD * pixels, truncate=3)
    if pixels > 1:
        value = value.reshape(len(value) // pixels, pixels, -1, pixels).mean((1, 3))
    value += rng.standard_normal(value.shape, dtype=np.float32) * (_NOISE + np.float32(0.004) * value)
    return np.clip(np.rint(value * QUANTIFICATION), 1, 65535).astype(np.uint16)
