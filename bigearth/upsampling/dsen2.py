"""DSen2: networks that bring the 20 m and 60 m bands to 10 m with the 10 m bands as guide.

Written after Lanaras et al., Super-resolution of Sentinel-2 images: Learning a globally applicable deep neural network,
ISPRS Journal 146 (2018). One network is for 20 m, one for 60 m.
"""

import hashlib
import os
from pathlib import Path

import h5py
import keras
import numpy as np
import pooch
from keras import layers
from osgeo import gdal

from bigearth.archive import windows
from bigearth.errors import InputError
from bigearth.patch import BANDS, BANDS_AT
from bigearth.upsampling import interpolation

SCALE = 2000  # digital numbers are divided by it before they enter a network
WINDOW = {
    20: (128, 8),
    60: (192, 12),
}  # pixels of 10 m a network sees at a time, and the border it is cut by afterwards
TRAINED = {20: "dsen2_20m.keras", 60: "dsen2_60m.keras"}
# The published weights and their git blob ids. They were not at hand when this was written, and come from L1C products.
PUBLISHED = {
    20: ("s2_032_lr_1e-04.hdf5", "dd4b6d49171d38534bafe7097080b7d0184eca24"),
    60: ("s2_030_lr_1e-05.hdf5", "459723841e73b2bfb8bdeb50ae189868bcc8f6ae"),
}
_URL = "https://github.com/lanha/DSen2/raw/master/models/"
_GUIDES = {20: (10, 20), 60: (10, 20, 60)}
# The publication does not give the order of the 10 m bands. This is GDAL's; untested, for want of the files.
_PUBLISHED_ORDER = ("B04", "B03", "B02", "B08")


def build(metres, features=128, blocks=6):
    """The network for the bands of one resolution.

    Parameters
    ----------
    metres : int
        20 or 60: the bands to bring to 10 m.
    features, blocks : int
        128 and 6 in DSen2 (1.8 million parameters); 256 and 32 in VDSen2.

    Returns
    -------
    keras.Model
        From the 10 m, 20 m [and 60 m] bands, all brought to 10 m and divided by `SCALE`, to those of the last.
    """
    inputs = [layers.Input((None, None, len(BANDS_AT[m])), name=f"bands_{m}m") for m in _GUIDES[metres]]

    def convolve(x, filters, activation=None):
        return layers.Conv2D(filters, 3, padding="same", activation=activation, kernel_initializer="he_uniform")(x)

    x = convolve(layers.Concatenate()(inputs), features, "relu")
    for _ in range(blocks):
        residual = convolve(convolve(x, features, "relu"), features)
        x = layers.Add()([x, layers.Rescaling(0.1)(residual)])
    x = convolve(x, len(BANDS_AT[metres]))
    return keras.Model(inputs, layers.Add()([x, inputs[-1]]), name=f"dsen2_{metres}m")


def load_published(path, metres, blob=None):
    """The network of published weights, a Keras 2 HDF5 file.

    Parameters
    ----------
    path : Path or str
    metres : int
        20 or 60.
    blob : str, optional
        Git blob id that the file must have; the published one by default.

    Raises
    ------
    InputError
        The file is missing, has another checksum, or holds the weights of another network.
    """
    path, name = Path(path), PUBLISHED[metres][0]
    try:
        content = path.read_bytes()
    except OSError as error:
        raise InputError(f"weights {path} cannot be read ({error.strerror}): fetch {name} from {_URL}") from None
    found = hashlib.sha1(b"blob %d\0" % len(content) + content).hexdigest()
    if found != (blob or PUBLISHED[metres][1]):
        raise InputError(f"weights {path} have git blob id {found}, not that of {name} ({metres} m): fetch it again")
    weights = []
    with h5py.File(path) as file:
        root = file.get("model_weights", file)  # a whole model holds its weights one level deeper
        for layer in root.attrs["layer_names"]:
            group = root[layer]
            weights += [group[weight][()] for weight in group.attrs["weight_names"]]
    model = build(metres)
    if [array.shape for array in weights] != [tuple(variable.shape) for variable in model.weights]:
        raise InputError(f"weights {path} are not of the {metres} m network: give {name}")
    order = [_PUBLISHED_ORDER.index(band) for band in BANDS_AT[10]]
    weights[0] = np.concatenate([weights[0][:, :, order], weights[0][:, :, len(order) :]], axis=2)
    model.set_weights(weights)
    return model


def load(folder):
    """The networks of a folder: trained ones (`TRAINED`), or published weights (`PUBLISHED`).

    Returns
    -------
    dict
        {20: keras.Model, 60: keras.Model}

    Raises
    ------
    InputError
        A network is missing or its file cannot be used.
    """
    models = {}
    for metres in WINDOW:
        trained, published = Path(folder) / TRAINED[metres], Path(folder) / PUBLISHED[metres][0]
        if trained.exists():
            try:
                models[metres] = keras.saving.load_model(trained, compile=False)
                expected = [len(BANDS_AT[m]) for m in _GUIDES[metres]]
                if [tensor.shape[-1] for tensor in models[metres].inputs] != expected:
                    raise ValueError(f"it does not take {expected} bands")
            except (ValueError, OSError, KeyError) as error:
                reason = str(error).splitlines()[0]
                raise InputError(f"{trained} is not a {metres} m network ({reason}): train it again") from None
        elif published.exists():
            models[metres] = load_published(published, metres)
        else:
            raise InputError(
                f"{folder} holds neither {trained.name} nor {published.name}: train DSen2 or download its weights"
            )
    return models


def download(folder):
    """Fetch the published weights and check them; returns the paths."""
    paths = []
    for metres, (name, _) in PUBLISHED.items():
        paths.append(Path(pooch.retrieve(_URL + name, known_hash=None, fname=name, path=folder)))
        try:
            load_published(paths[-1], metres)
        except InputError:
            paths[-1].unlink()
            raise
    return paths


def super_resolve(bands, models, batch=16):
    """Bring patches to 10 m. A patch sees nothing beyond its own border, which is mirrored.

    Parameters
    ----------
    bands : dict
        {10: (n, h, w, 4), 20: (n, h/2, w/2, 6), 60: (n, h/6, w/6, 2)}, digital numbers.
    models : dict
        {20: keras.Model, 60: keras.Model}, see `load`.
    batch : int
        Patches at a time.

    Returns
    -------
    dict
        {10: as given, 20: (n, h, w, 6), 60: (n, h, w, 2)}, uint16.
    """
    result = {10: bands[10]}
    for metres, model in models.items():
        border = WINDOW[metres][1]
        result[metres] = np.empty((*bands[10].shape[:3], len(BANDS_AT[metres])), np.uint16)
        for first in range(0, len(bands[10]), batch):
            part = {m: _mirror(bands[m][first : first + batch], [border * 10 // m] * 4) for m in _GUIDES[metres]}
            predicted = model.predict_on_batch(network_inputs(part, metres))
            result[metres][first : first + batch] = _digital_numbers(predicted, border)
    return result


def super_resolve_tile(tile, models, path):
    """Bring a whole tile to 10 m in overlapping windows, a few at a time, so that memory does not grow with the tile.

    Parameters
    ----------
    tile : tiles.Tile
    models : dict
        See `load`.
    path : Path or str
        GeoTIFF to write: the twelve bands in wavelength order, uint16, radiometric offset removed.
    """
    datasets = windows.open_bands(tile)
    first = datasets[10][0]
    width, height = first.RasterXSize, first.RasterYSize
    path = Path(path)
    part = path.with_name(f".{path.name}.{os.getpid()}.part")
    options = ["TILED=YES", "INTERLEAVE=BAND", "BIGTIFF=IF_SAFER"]
    out = gdal.GetDriverByName("GTiff").Create(str(part), width, height, len(BANDS), gdal.GDT_UInt16, options)
    out.SetGeoTransform(first.GetGeoTransform())
    out.SetSpatialRef(first.GetSpatialRef())

    for row in range(0, height, 120):
        lines = min(120, height - row)
        _write(out, BANDS_AT[10], windows.read_window(tile, datasets, 10, 0, row, width, lines), 0, row)
    for metres, model in models.items():
        window, border = WINDOW[metres]
        inner = window - 2 * border
        for row in _starts(height, inner):
            columns = _starts(width, inner)
            for four in (columns[i : i + 4] for i in range(0, len(columns), 4)):
                part_of = {
                    m: np.stack([_context(tile, datasets, m, column, row, inner, border) for column in four])
                    for m in _GUIDES[metres]
                }
                arrays = _digital_numbers(model.predict_on_batch(network_inputs(part_of, metres)), border)
                for column, array in zip(four, arrays, strict=True):
                    _write(out, BANDS_AT[metres], array, column, row)
    out = None  # closes the file
    part.replace(path)


def _write(dataset, names, array, column, row):
    for i, band in enumerate(names):
        dataset.GetRasterBand(BANDS.index(band) + 1).WriteArray(array[..., i], column, row)


def _starts(length, inner):
    """Where windows of `inner` pixels begin so that they cover `length`; the last one ends with it."""
    return sorted({min(start, length - inner) for start in range(0, length, inner)})


def _context(tile, datasets, metres, column, row, inner, border):
    """A window with its border in pixels of 10 m, read at its own resolution; mirrored where the tile ends."""
    scale = metres // 10
    raster = datasets[metres][0]
    start = np.array([column - border, row - border]) // scale
    end = np.array([column + inner + border, row + inner + border]) // scale
    low, high = np.maximum(start, 0), np.minimum(end, [raster.RasterXSize, raster.RasterYSize])
    array = windows.read_window(tile, datasets, metres, *low.tolist(), *(high - low).tolist())
    (left, top), (right, bottom) = low - start, end - high
    return _mirror(array[None], (top, bottom, left, right))[0]


def _mirror(array, borders):
    top, bottom, left, right = borders
    return np.pad(array, ((0, 0), (top, bottom), (left, right), (0, 0)), mode="symmetric")


def network_inputs(bands, metres):
    """Arrays of `build`'s inputs: all bands on the grid of the finest, scaled."""
    size = bands[10].shape[1:3]
    scaled = {m: bands[m].astype(np.float32) / SCALE for m in _GUIDES[metres]}
    return [array if m == 10 else interpolation.bilinear(array, size) for m, array in scaled.items()]


def _digital_numbers(predicted, border):
    inner = np.asarray(predicted)[:, border:-border, border:-border]
    return np.clip(np.rint(inner * SCALE), 0, 65535).astype(np.uint16)
