"""ResNet-50 and its narrower relatives for Sentinel-2 patches: digital numbers in, label probabilities out."""

from collections.abc import Callable, Sequence
from typing import Any

import keras
import numpy as np
from keras import layers, ops

from bigearth.files import resolve
from bigearth.patch import BANDS, BANDS_AT, DATA_SUPER, DATASET_OF, PIXELS, RGB
from bigearth.training.recipe import Recipe

# The epsilon is keras.applications.ResNet50's. The momentum of the running statistics is 0.9 as in Goyal et al. (Keras:
# 0.99), so that they keep up with short trainings too.
BATCHNORM = {"epsilon": 1.001e-5, "momentum": 0.9}
# keras.applications' "caffe" preprocessing, which its ImageNet weights were trained with: values 0 - 255 in the order
# blue, green, red, less these means. A reflectance of 0.2 becomes 255: the usual stretch of Sentinel-2 true colour.
IMAGENET_MEAN = {"B02": 103.939, "B03": 116.779, "B04": 123.68}
IMAGENET_WHITE = 2000 / 255
IMAGENET_MEAN_DN = {band: value * IMAGENET_WHITE for band, value in IMAGENET_MEAN.items()}
LARGEST_POSITIVE_WEIGHT = 10

Statistics = dict[str, float]  # of each band, in digital numbers
Convolution = Callable[..., Any]  # (x, filters, kernel, stride, name, padding) -> x


def build(recipe: Recipe, labels: int, mean: Statistics, std: Statistics) -> keras.Model:
    """Build the network of a recipe (He et al. 2016, v1).

    Parameters
    ----------
    recipe : Recipe
        Its bands, upsampling, width, blocks, l2, dropout and weights. The paper gives no factor of the L2 penalty:
        1e-4 is our choice. Keras adds factor * w^2 to the loss, whose gradient is 2 * factor * w: plain SGD then
        decays weights by 2e-4, twice the 1e-4 of He et al. The paper's dropout is 0.5. Given ``weights``, the input is
        prepared as ImageNet's was; see `load_weights`.
    labels : int
        Number of sigmoid outputs.
    mean, std : {band: float}
        The cube's statistics of the training rows, in digital numbers.

    Returns
    -------
    keras.Model
        Inputs: {cube key: digital numbers (batch, pixels, pixels, bands)}; output (batch, labels), float32.
        The layer ``logits`` is the output before the sigmoid.
    """
    keras.config.set_image_data_format("channels_last")  # whatever ~/.keras/keras.json says: the cube's order
    if recipe.weights:
        mean = IMAGENET_MEAN_DN
        std = dict.fromkeys(RGB, IMAGENET_WHITE)
    convolve = _make_convolution(recipe.l2)
    inputs = {key: keras.Input(shape, name=key) for key, shape in recipe.inputs.items()}

    # stem: all bands at 10 m, or each group at its own resolution
    groups = {}
    if recipe.bands == "multiresolution":
        for metres, group in BANDS_AT.items():
            groups[metres] = _scale(inputs[DATASET_OF[metres]], group, group, mean, std)
        fine = _add_stem(groups[10], recipe.width, 2, "conv1", convolve)
        middle = _add_stem(groups[20], recipe.width, 1, "conv1_20m", convolve)
        x = layers.concatenate([fine, middle])
    else:
        x = _bring_to_10m(inputs, recipe.band_names, mean, std)
        x = _add_stem(x, recipe.width, 2, "conv1", convolve)
    x = layers.ZeroPadding2D(1, name="pool1_pad")(x)
    x = layers.MaxPooling2D(3, 2, name="pool1_pool")(x)

    # stages of residual blocks
    for stage, count in enumerate(recipe.blocks):
        for block in range(count):
            name = f"conv{stage + 2}_block{block + 1}"
            stride = 2 if stage > 0 and block == 0 else 1
            x = _add_bottleneck(x, recipe.width * 2**stage, stride, block == 0, name, convolve)
        if recipe.bands == "multiresolution" and stage == 1:
            # 20 x 20 pixels of 60 m meet the 15 x 15 positions of this depth
            coarse = _add_stem(groups[60], recipe.width, 1, "conv1_60m", convolve, kernel=3)
            x = layers.concatenate([x, layers.Resizing(*x.shape[1:3], interpolation="bilinear")(coarse)])

    # head
    x = layers.GlobalAveragePooling2D(name="avg_pool")(x)
    x = layers.Dropout(recipe.dropout, name="dropout")(x)
    x = layers.Dense(labels, dtype="float32", name="logits")(x)
    return keras.Model(inputs, layers.Activation("sigmoid", dtype="float32", name="probability")(x))


def _make_convolution(l2: float) -> Convolution:
    """A convolution with BatchNorm behind it and the L2 penalty on its kernel."""

    def convolve(x: Any, filters: int, kernel: int, stride: int, name: str, padding: str = "same") -> Any:
        penalty = keras.regularizers.L2(l2) if l2 else None
        conv = layers.Conv2D(filters, kernel, stride, padding, kernel_regularizer=penalty, name=name + "_conv")
        return layers.BatchNormalization(**BATCHNORM, name=name + "_bn")(conv(x))

    return convolve


def _add_stem(x: Any, width: int, stride: int, name: str, convolve: Convolution, kernel: int = 7) -> Any:
    x = layers.ZeroPadding2D(kernel // 2, name=name + "_pad")(x)
    x = convolve(x, width, kernel, stride, name, "valid")
    return layers.ReLU(name=name + "_relu")(x)


def _add_bottleneck(x: Any, filters: int, stride: int, project: bool, name: str, convolve: Convolution) -> Any:
    """Residual block 1x1 - 3x3 - 1x1; the stride is in its first convolution, as in the original ResNet-50."""
    shortcut = convolve(x, 4 * filters, 1, stride, name + "_0") if project else x
    x = layers.ReLU(name=name + "_1_relu")(convolve(x, filters, 1, stride, name + "_1"))
    x = layers.ReLU(name=name + "_2_relu")(convolve(x, filters, 3, 1, name + "_2"))
    x = layers.Add(name=name + "_add")([shortcut, convolve(x, 4 * filters, 1, 1, name + "_3")])
    return layers.ReLU(name=name + "_out")(x)


def _scale(x: Any, have: Sequence[str], want: Sequence[str], mean: Statistics, std: Statistics) -> Any:
    """Bands ``want`` out of ``have``, each less its mean and divided by its deviation; float32 in any policy."""
    if tuple(have) != tuple(want):
        x = ops.take(x, [have.index(band) for band in want], axis=-1)
    means = [mean[band] for band in want]
    variances = [std[band] ** 2 for band in want]
    return layers.Normalization(mean=means, variance=variances, dtype="float32")(x)


def _bring_to_10m(inputs: dict[str, Any], names: Sequence[str], mean: Statistics, std: Statistics) -> Any:
    """Scaled bands in the order of ``names``, all at 10 m (bilinear, half-pixel centres)."""
    if DATA_SUPER in inputs:
        return _scale(inputs[DATA_SUPER], BANDS, names, mean, std)
    groups, found = [], []
    for metres, group in BANDS_AT.items():
        want = [band for band in group if band in names]
        if not want:
            continue
        x = _scale(inputs[DATASET_OF[metres]], group, want, mean, std)
        factor = PIXELS[10] // PIXELS[metres]
        if factor > 1:
            x = layers.UpSampling2D(factor, interpolation="bilinear", dtype="float32")(x)
        groups.append(x)
        found += want
    x = layers.concatenate(groups, dtype="float32") if len(groups) > 1 else groups[0]
    if tuple(found) == tuple(names):
        return x
    return ops.take(x, [found.index(band) for band in names], axis=-1)


def load_weights(model: keras.Model, weights: str | None) -> None:
    """Give a network of `build` (bands "rgb") ImageNet's weights: "imagenet" (Keras' download), or a local file.

    With None the network stays as it is.
    """
    if not weights:
        return
    source_of = weights if weights == "imagenet" else resolve(weights)
    shape = (PIXELS[10], PIXELS[10], len(RGB))
    source = keras.applications.ResNet50(include_top=False, weights=source_of, input_shape=shape)
    for layer in source.layers:
        if layer.weights:
            model.get_layer(layer.name).set_weights(layer.get_weights())


def binary_crossentropy(truth: Any, logits: Any, positive_weight: Any = None) -> Any:
    """Binary cross-entropy of each patch, the mean over its labels.

    Parameters
    ----------
    truth, logits : (batch, C); mixed labels lie between 0 and 1
    positive_weight : (C,), optional
        Factor of the positive term of each class.

    Returns
    -------
    (batch,)
    """
    loss = ops.binary_crossentropy(truth, logits, from_logits=True)
    if positive_weight is not None:
        # log(sigmoid(z)) = -softplus(-z): what a positive costs more than with weight 1
        loss = loss + (positive_weight - 1) * truth * ops.softplus(-logits)
    return ops.mean(loss, axis=-1)


def weigh_positives(classes: np.ndarray) -> np.ndarray:
    """Weight of each class' positives: the square root of negatives per positive, 1 to 10.

    The square root raises rare classes without letting single patches dominate.

    Parameters
    ----------
    classes : uint8 array (N, C)

    Returns
    -------
    float32 array (C,)
    """
    positives = np.maximum(classes.sum(axis=0, dtype=np.float64), 1)
    weights = np.sqrt((len(classes) - positives) / positives)
    return np.clip(weights, 1, LARGEST_POSITIVE_WEIGHT).astype(np.float32)


def list_stages(model: keras.Model) -> list[dict[str, Any]]:
    """List the stages of a network, for a table: {stage, layers, output, parameters} each."""
    table: dict[str, dict[str, Any]] = {}
    for layer in model.layers:
        if "normalization" in layer.name:
            continue
        if layer.name.startswith("conv"):
            stage = layer.name.split("_")[0]
        elif layer.weights:
            stage = "head"
        else:
            continue
        row = table.setdefault(stage, {"stage": stage, "layers": 0, "output": "", "parameters": 0})
        row["layers"] += isinstance(layer, layers.Conv2D | layers.Dense)
        row["output"] = " x ".join(str(n) for n in layer.output.shape[1:])
        row["parameters"] += layer.count_params()
    return list(table.values())
