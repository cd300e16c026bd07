"""The cube's datasets: names, shapes, types, and where their bytes lie in the file."""

import zlib
from pathlib import Path

import h5py
import numpy as np

from bigearth.patch import BANDS, BANDS_AT, DATA_SUPER, DATASET_OF, PIXELS, SPLITS


def offsets(path):
    """Offset in the file and bytes a row, of every dataset of pixels."""
    with h5py.File(path, "r") as file:
        return {
            key: (dataset.id.get_offset(), int(np.prod(dataset.shape[1:])) * dataset.dtype.itemsize)
            for key, dataset in file.items()
            if key in (*DATASET_OF.values(), DATA_SUPER)
        }


def bytes_needed(n, upsampling):
    """Bytes of the pixels of a cube of n patches."""
    return sum(2 * int(np.prod(shape)) for shape in layout(n, upsampling).values())


SPLIT_TYPE = h5py.enum_dtype({name: i for i, name in enumerate(SPLITS)}, basetype="u1")

SMALL = ("classes", "patch", "split")  # datasets that are complete from the beginning
UPSAMPLINGS = ("none", "bilinear", "dsen2")


def partial(path):
    """Folder that holds a cube while it is written."""
    path = Path(path)
    return path.with_name(path.name + ".partial")


def layout(n, upsampling):
    """Shape of every dataset of pixels, for n patches; all are uint16."""
    shapes = {DATASET_OF[metres]: (n, PIXELS[metres], PIXELS[metres], len(bands)) for metres, bands in BANDS_AT.items()}
    return shapes if upsampling == "none" else shapes | {DATA_SUPER: (n, PIXELS[10], PIXELS[10], len(BANDS))}


def checksum(pieces):
    """CRC-32 of the CRC-32s of a dataset's slabs, which many ranks can compute, each for its own slabs."""
    return f"{zlib.crc32(np.array(pieces, '<u4').tobytes()):08x}"
