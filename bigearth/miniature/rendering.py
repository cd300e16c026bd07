"""From land cover to the twelve bands of a level-2A product: materials, texture, season, light, optics, noise."""

import numpy as np
from scipy import ndimage
from scipy.special import ndtr

from bigearth.miniature.landscape import CODE, fractal
from bigearth.miniature.spectra import HERBS, LEAVES, MATERIAL, MIXTURES, REFLECTANCE
from bigearth.patch import BANDS, QUANTIFICATION, RESOLUTION, WAVELENGTH

# Point spread: standard deviation in the band's own pixels; with the pixel's own mean a modulation of about
# 0.25 at half the sampling rate. Noise of a pixel in reflectance.
_SPREAD = 0.45
_NOISE = 0.0012
_SHADOW = (-26, 34)


def render(tile, cover, height, rng):
    """Render a land-cover map.

    Parameters
    ----------
    tile : landscape.Tile
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
    size = len(cover)
    material, vigour, light = _surface(tile, cover, height, rng)
    ground = np.isin(CODE, (512, 521, 522, 523, 511))[cover]
    snow = (height > np.quantile(height, 1 - tile.snow)) & ~ground if tile.snow else np.zeros(cover.shape, bool)
    snow &= rng.random(cover.shape) < 0.93
    veil = _cloud(tile, size, rng)
    shade = np.roll(veil, _SHADOW, (0, 1))
    haze = np.clip(0.012 + 0.011 * fractal(rng, size, 3.0, 0.3), -0.004, 0.05)
    reflectance = _season(tile)
    bands = {}
    for index, band in enumerate(BANDS):
        value = reflectance[:, index][material]
        value += vigour * (reflectance[MATERIAL["straw"], index] - value)
        value[snow] = REFLECTANCE[MATERIAL["snow"], index]
        value *= light * (1 - 0.62 * shade)
        # What the atmospheric correction leaves: aerosol, strongest in the blue.
        value += haze * (WAVELENGTH["B02"] / WAVELENGTH[band]) ** 2.2
        value += veil * (REFLECTANCE[MATERIAL["cloud"], index] - value)
        bands[band] = _sense(value, RESOLUTION[band] // 10, rng)
    return bands, snow, (veil > 0.15) | (shade > 0.3)


def _surface(tile, cover, height, rng):
    """Material of each 10 m pixel, how far its green has dried (share), and its illumination."""
    fields = textures(len(cover), rng)
    material = np.zeros(cover.shape, np.uint8)
    dried = np.zeros(cover.shape, np.float32)
    green = {MATERIAL[name] for name in HERBS + LEAVES}
    parcel = fields["fields"]
    for index, code in enumerate(CODE):
        here = cover == index
        if not here.any():
            continue
        texture, *parts = MIXTURES[int(code)].split()
        limits = np.cumsum(np.array(parts[1::2], np.float32))[:-1] / 100
        material[here] = np.array([MATERIAL[name] for name in parts[::2]])[
            np.searchsorted(limits, fields[texture][here])
        ]
    is_green = np.isin(material, list(green))
    dried[is_green] = 0.16 * (parcel * fields["clumps"])[is_green]
    slope = ndimage.gaussian_filter(height, 3)
    slope = np.gradient(slope, axis=1) - np.gradient(slope, axis=0)
    light = tile.sun * (1 + 0.08 * np.clip(slope / slope.std(), -2.5, 2.5)) if not tile.sea else tile.sun
    water = np.isin(material, [MATERIAL[name] for name in ("sea", "lake", "lagoon", "river", "silty")])
    mottle = 1 + np.where(water, 0.05, 0.16) * (fields["fine"] - 0.5) + 0.14 * (parcel - 0.5) * ~water
    return material, dried, (light * mottle).astype(np.float32)


def textures(size, rng):
    """Fields between 0 and 1, evenly distributed, that say which part of a mixture a pixel shows.

    Parameters
    ----------
    size : int
        Pixels of 10 m per side.
    rng : numpy.random.Generator

    Returns
    -------
    dict of str to numpy.ndarray
        By the names used in `spectra.MIXTURES`.
    """
    rows, cols = np.mgrid[:size, :size].astype(np.float32)
    district = np.floor(7 * ndtr(fractal(rng, size, 5.0, 0.12))).astype(np.float32)
    angle = district * np.float32(0.45) + np.float32(rng.uniform(0, np.pi))
    along = rows * np.sin(angle) + cols * np.cos(angle) + 3000
    across = rows * np.cos(angle) - cols * np.sin(angle) + 3000

    def noise(blur, step=1):
        field = rng.standard_normal((size // step, size // step), dtype=np.float32)
        field = ndimage.gaussian_filter(field, blur / step, truncate=3)
        if step > 1:
            field = ndimage.uniform_filter(np.kron(field, np.ones((step, step), np.float32)), step)
        return ndtr(field / field.std())

    def cells(length, width):
        key = np.floor(along / length) * 79 + np.floor(across / width) * 1031 + 7 * district
        return rng.random(4099, dtype=np.float32)[key.astype(np.int32) % 4099]

    def streets(length, width, share):
        """Building blocks; the last part of the mixture lies between them."""
        gap = np.minimum(along % length, across % width) < 1
        return np.where(gap, 0.999, cells(length / 2, width / 2) * (1 - share / 3))

    wave = np.abs((across % 4) / 2 - 1)
    tree = np.maximum(np.abs((across % 5) / 2.5 - 1), np.abs((along % 5) / 2.5 - 1)) ** 2
    hedge = np.minimum(along % 34, across % 17) < 1
    creek = fractal(rng, size, 2.4, 0.03)
    return {
        "fine": noise(0.6),
        "clumps": noise(1.6),
        "stands": noise(3.2, 2),
        "patches": noise(6.0, 3),
        "fields": cells(40, 18),
        "fields_hedged": np.where(hedge, 0.95, 0.85 * cells(34, 17)),
        "strips": cells(22, 6),
        "rows": wave,
        "dots": tree,
        "bands": np.where(across % 60 < 6, 0.9, np.where(across % 60 > 50, 0.75, 0.3)),
        "creeks": 1 - np.abs(2 * ndtr(creek) - 1),
        "blocks_small": streets(7, 6, 0.36),
        "blocks": streets(12, 9, 0.21),
        "blocks_large": streets(22, 15, 0.26),
    }


def _season(tile):
    """Reflectances of the materials on the tile's date."""
    table = REFLECTANCE.copy()
    for names, end, share in ((HERBS, "straw", tile.dry), (LEAVES, "litter", tile.autumn)):
        for name in names:
            table[MATERIAL[name]] += share * 0.7 * (REFLECTANCE[MATERIAL[end]] - table[MATERIAL[name]])
    return table


def _cloud(tile, size, rng):
    """Opacity of cumulus, 0 to 1."""
    if not tile.cloud:
        return np.zeros((size, size), np.float32)
    field = fractal(rng, size, 3.2, 0.25) + 0.8 * fractal(rng, size, 3.5, 0.9)
    return np.clip((field - np.quantile(field, 1 - tile.cloud)) * 2.5, 0, 0.95).astype(np.float32)


def _sense(value, pixels, rng):
    """Optics, sampling and noise: blur at the band's resolution, mean of the pixel, digital number."""
    value = ndimage.gaussian_filter(value, _SPREAD * pixels, truncate=3)
    if pixels > 1:
        value = value.reshape(len(value) // pixels, pixels, -1, pixels).mean((1, 3))
    value += rng.standard_normal(value.shape, dtype=np.float32) * (_NOISE + np.float32(0.004) * value)
    return np.clip(np.rint(value * QUANTIFICATION), 1, 65535).astype(np.uint16)
