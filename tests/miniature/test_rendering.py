"""The rendered bands: covers look as they do from space, snow and cloud are bright where they should be."""

import numpy as np

from bigearth.miniature.landscape import CODE
from bigearth.patch import BANDS, RESOLUTION


def test_covers_look_as_they_do_from_space(landscape):
    """Means over all pixels of a class, 60 m grid, in reflectance."""
    means = {}
    for code in (211, 231, 311, 312, 331, 334, 512, 523):
        values = []
        for scene in landscape:
            if scene.tile.cloud or scene.tile.snow:
                continue
            pure = (scene.cover == int(np.flatnonzero(CODE == code)[0])).reshape(len(scene.cover) // 6, 6, -1, 6)
            pure = pure.all((1, 3))
            bands = [scene.bands[b].reshape(len(pure), 6 * 10 // RESOLUTION[b], len(pure), -1) for b in BANDS]
            values.append(np.stack([band.mean((1, 3))[pure] for band in bands], -1))
        means[code] = dict(zip(BANDS, np.concatenate(values).mean(0) / 10000, strict=True))
    for code in (231, 311, 312):
        assert means[code]["B08"] > 4 * means[code]["B04"], code  # the red edge
    assert means[311]["B08"] > 1.6 * means[312]["B08"]  # broad leaves against needles
    for code in (512, 523):
        assert means[code]["B11"] < 0.03 < means[312]["B11"]  # water is black in the short-wave infrared
    assert means[334]["B12"] > means[334]["B08"]  # char: NBR below 0
    assert means[331]["B04"] > 0.25 > means[211]["B04"]  # sand is bright


def test_snow_and_cloud_are_rendered_as_such(landscape):
    bright = {}
    for scene in landscape:
        for patch in scene.patches:
            kind = "snow" if patch.snow else "cloud" if patch.cloud else "clear"
            at = {band: scene.cut_band(patch, band) for band in ("B03", "B11")}
            green, infrared = (np.percentile(at[band], 99) / 10000 for band in ("B03", "B11"))
            bright.setdefault(kind, []).append((green, infrared))
    means = {kind: np.mean(values, 0) for kind, values in bright.items()}
    assert means["snow"][0] > 0.6 and means["cloud"][0] > 0.4 > means["clear"][0]
    assert means["cloud"][1] > 0.3  # cloud is bright in the short-wave infrared
