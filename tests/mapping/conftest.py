"""A run that was never trained, and products of the generated archive, to make maps of."""

import keras
import numpy as np
import pytest

from bigearth.cube.reading import open_cube
from bigearth.miniature.products import write_products
from bigearth.scores.predictions import write_predictions
from bigearth.training import network
from bigearth.training.recipe import Recipe

TILE = "T33UWP"


def make_run(folder, cube, bands="multispectral", upsampling="network"):
    """A finished run: an untrained network whose scores differ from place to place, and its predictions."""
    data = open_cube(cube)
    keras.utils.set_random_seed(1)
    recipe = Recipe(bands=bands, upsampling=upsampling, width=8)
    model = network.build(recipe, len(data.labels), data.mean, data.std)
    folder.mkdir(parents=True)
    model.save(folder / "model.keras")
    keys = list(model.input)
    predicted = {}
    for split in ("validation", "test"):
        rows = data.rows[split]
        inputs = {key: np.array(data.array(key)[rows.start : rows.stop]) for key in keys}
        predicted[split] = data.classes[rows.start : rows.stop], model.predict_on_batch(inputs)
    attributes = {"run": folder.name, "bands": [bands], "upsampling": upsampling, "epochs": 1, "finished": True}
    write_predictions(folder / "predictions.h5", data, predicted, attributes)
    return folder


@pytest.fixture(scope="session")
def run(tiny_cube, tmp_path_factory):
    return make_run(tmp_path_factory.mktemp("runs") / "untrained", tiny_cube)


@pytest.fixture(scope="session")
def product(tiny_archive, tmp_path_factory):
    """A tile of the generated archive as a product of today's naming: 4.8 km wide."""
    (path,) = write_products(tmp_path_factory.mktemp("products"), tiny_archive, baseline="05.00", tiles=[TILE])
    return path
