"""The network: its size, its inputs, its scaling, and its loss."""

import keras
import numpy as np
import pytest

from bigearth.cube.reading import open_cube
from bigearth.patch import BANDS
from bigearth.training import network
from bigearth.training.recipe import Recipe

MEAN, STD = (
    {band: 1000.0 + 100 * i for i, band in enumerate(BANDS)},
    {band: 300.0 + i for i, band in enumerate(BANDS)},
)


def digital_numbers(bands="multispectral", upsampling="network", patches=2):
    random = np.random.default_rng(0)
    shapes = Recipe(bands=bands, upsampling=upsampling).inputs
    return {key: random.integers(0, 4000, (patches, *shape), np.uint16) for key, shape in shapes.items()}


def small(bands="multispectral", **more):
    return network.build(Recipe(bands=bands, width=4, blocks=[1, 1, 1], **more), 5, MEAN, STD)


@pytest.fixture(scope="module")
def keras_resnet(tmp_path_factory):
    """keras.applications.ResNet50 with random weights and statistics, and its file of weights."""
    model = keras.applications.ResNet50(include_top=False, weights=None, input_shape=(120, 120, 3), pooling="avg")
    random = np.random.default_rng(0)
    for layer in model.layers:
        if isinstance(layer, keras.layers.BatchNormalization):
            layer.set_weights([random.uniform(0.5, 1.5, weight.shape) for weight in layer.get_weights()])
    path = tmp_path_factory.mktemp("weights") / "resnet50.weights.h5"
    model.save_weights(path)
    return model, str(path)


def test_full_size_equals_keras_resnet50_with_the_same_weights(keras_resnet):
    theirs, path = keras_resnet
    ours = network.build(Recipe(bands="rgb", width=64, blocks=[3, 4, 6, 3], weights=path), 43, MEAN, STD)
    network.load_weights(ours, path)
    features = digital_numbers("rgb")
    # what the ImageNet weights were trained on: 0 - 255, blue first, less the mean colour
    colour = np.minimum(features["data_10m"][..., :3] * (255 / 2000), 1e9)
    expected = theirs(colour - np.array([103.939, 116.779, 123.68]), training=False)
    pooled = keras.Model(ours.input, ours.get_layer("avg_pool").output)(features, training=False)
    assert np.allclose(pooled, expected, rtol=1e-5, atol=1e-5 * np.abs(expected).max())
    assert ours.count_params() == theirs.count_params() + 2048 * 43 + 43


def test_upsampling_in_the_network_equals_the_cubes_bilinear_bands(tiny_cube):
    cube = open_cube(tiny_cube)
    scaled = {}
    for upsampling in ("network", "bilinear"):
        recipe = Recipe(upsampling=upsampling, width=4, blocks=[1])
        model = network.build(recipe, 5, cube.mean, cube.std)
        features = {key: cube.array(key)[:2] for key in recipe.inputs}
        scaled[upsampling] = np.array(keras.Model(model.input, model.get_layer("conv1_pad").input)(features))
    std = np.array([cube.std[band] for band in BANDS])
    assert np.abs((scaled["network"] - scaled["bilinear"]) * std).max() < 0.51  # the cube's are rounded to integers
    mean = np.array([cube.mean[band] for band in BANDS])
    assert np.allclose(scaled["bilinear"] * std + mean, cube.array("data_super")[:2], atol=0.01)


@pytest.mark.parametrize("bands", ["rgb", "multispectral", "multiresolution", ["B11", "B04", "B8A"]])
def test_a_saved_network_is_loaded_safely_and_gives_the_same(bands, tmp_path):
    model, features = small(bands), digital_numbers(bands)
    model.save(tmp_path / "model.keras")
    loaded = keras.saving.load_model(tmp_path / "model.keras", safe_mode=True)
    assert np.array_equal(model(features), loaded(features)) and model(features).shape == (2, 5)


@pytest.mark.parametrize("bands", ["rgb", "multispectral", "multiresolution", ["B11", "B04"]])
def test_every_band_that_is_asked_for_counts_and_no_other(bands):
    model, features = small(bands), digital_numbers(bands)
    before = np.array(model(features))
    names = ("B02", "B03", "B04") if bands == "rgb" else BANDS if isinstance(bands, str) else bands
    for metres, group in network.BANDS_AT.items():
        for i, band in enumerate(group):
            if (key := network.DATASET_OF[metres]) in features:
                changed = features | {key: features[key].copy()}
                changed[key][..., i] += 500
                assert (np.abs(np.array(model(changed)) - before).max() > 1e-7) == (band in names), band


def test_l2_on_every_convolution_and_dropout_before_the_last_layer():
    model = small(l2=0.01)
    convolutions = [layer for layer in model.layers if isinstance(layer, keras.layers.Conv2D)]
    assert len(model.losses) == len(convolutions)
    assert np.isclose(sum(model.losses), 0.01 * sum((np.array(c.kernel) ** 2).sum() for c in convolutions))
    assert model.get_layer("dropout").output is model.get_layer("logits").input


def test_loss_equals_keras_and_weights_only_positives():
    random = np.random.default_rng(0)
    logits, truth = random.normal(size=(6, 4)).astype("f4"), random.integers(0, 2, (6, 4)).astype("f4")
    plain = np.array(network.binary_crossentropy(truth, logits))
    assert np.isclose(plain.mean(), keras.losses.BinaryCrossentropy(from_logits=True)(truth, logits))
    p, weight = 1 / (1 + np.exp(-logits)), np.array([1, 2, 3, 4], "f4")
    expected = -(weight * truth * np.log(p) + (1 - truth) * np.log(1 - p)).mean(axis=1)
    assert np.allclose(network.binary_crossentropy(truth, logits, weight), expected, atol=1e-6)


def test_positive_weights_are_bounded_roots_of_the_rarity():
    classes = np.zeros((101, 3), np.uint8)
    classes[:, 0], classes[0, 1], classes[:5, 2] = 1, 1, 1
    assert np.allclose(network.weigh_positives(classes), [1, 10, np.sqrt(96 / 5)])


def test_the_table_of_stages_counts_every_parameter():
    model = small("multiresolution")
    table = network.list_stages(model)
    assert sum(row["parameters"] for row in table) == sum(layer.count_params() for layer in model.layers if "conv" in
                                                          layer.name or layer.name == "logits")  # fmt: skip
