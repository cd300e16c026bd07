"""ResNet-50 and its narrower relatives for Sentinel-2 patches: digital numbers in, label probabilities out."""

import keras
import numpy as np
from keras import layers, ops

from bigearth.files import resolve
from bigearth.patch import BANDS, BANDS_AT, DATA_SUPER, DATASET_OF, PIXELS, RGB
from bigearth.training.recipe import inputs_of

# The epsilon is keras.applications.ResNet50's. The momentum of the running statistics is 0.9 as in Goyal et al. (Keras:
# 0.99), so that they keep up with short trainings too.
BATCHNORM = {"epsilon": 1.001e-5, "momentum": 0.9}
# keras.applications' "caffe" preprocessing, which its ImageNet weights were trained with: values 0 - 255 in the order
# blue, green, red, less these means. A reflectance of 0.2 becomes 255: the usual stretch of Sentinel-2 true colour.
IMAGENET_MEAN = {"B02": 103.939, "B03": 116.779, "B04": 123.68}
IMAGENET_WHITE = 2000 / 255


def build(labels, mean, std, bands="multispectral", upsampling="network", width=64, blocks=(3, 4, 6, 3), l2=1e-4,
          dropout=0.5, weights=None):  # fmt: skip
    """Build the network.

    Parameters
    ----------
    labels : int
        Number of sigmoid outputs.
    mean, std : {band: float}
        The cube's statistics of the training rows, in digital numbers.
    bands : "rgb", "multispectral", "multiresolution" or list of band names
        "multiresolution" lets each band group enter at its own resolution; all others meet at 10 m.
    upsampling : "network", "bilinear" or "dsen2"
        "network" takes native bands and upsamples bilinearly (half-pixel centres); the others take ``data_super``.
    width, blocks : int, sequence of int
        Filters of the first stage (64) and residual blocks per stage (3, 4, 6, 3) of ResNet-50 (He et al. 2016, v1).
    l2 : float
        Factor of the L2 penalty on every convolution's kernel (the paper gives none; 1e-4 as He et al.).
    dropout : float
        Before the last layer (paper: 0.5).
    weights : None, "imagenet" or path
        Given, for ``bands="rgb"`` at full size, the input is prepared as ImageNet's was; see `load_imagenet`.

    Returns
    -------
    keras.Model
        Inputs: {cube key: digital numbers (batch, pixels, pixels, bands)}; output (batch, labels), float32.
        The layer ``logits`` is the output before the sigmoid.
    """
    build_conv = _convolution(l2)
    inputs = {key: keras.Input(shape, name=key) for key, shape in inputs_of(bands, upsampling).items()}
    if weights:
        mean, std = IMAGENET_MEAN_DN, dict.fromkeys(RGB, IMAGENET_WHITE)
    if bands == "multiresolution":
        parts = {}
        for metres, group in BANDS_AT.items():
            parts[metres] = _scaled(inputs[DATASET_OF[metres]], group, group, mean, std)
        x = layers.concatenate([_stem(parts[10], width, 2, "conv1", build_conv),
                                _stem(parts[20], width, 1, "conv1_20m", build_conv)])  # fmt: skip
    else:
        x = _stem(_at_10m(inputs, names_of(bands, weights), mean, std), width, 2, "conv1", build_conv)
    x = layers.ZeroPadding2D(1, name="pool1_pad")(x)
    x = layers.MaxPooling2D(3, 2, name="pool1_pool")(x)
    for stage, count in enumerate(blocks):
        for block in range(count):
            name, stride = f"conv{stage + 2}_block{block + 1}", 2 if stage and not block else 1
            x = _bottleneck(x, width * 2**stage, stride, not block, name, build_conv)
        if bands == "multiresolution" and stage == 1:
            # 20 x 20 pixels of 60 m meet the 15 x 15 positions of this depth
            coarse = _stem(parts[60], width, 1, "conv1_60m", build_conv, kernel=3)
            x = layers.concatenate([x, layers.Resizing(*x.shape[1:3], interpolation="bilinear")(coarse)])
    x = layers.GlobalAveragePooling2D(name="avg_pool")(x)
    x = layers.Dropout(dropout, name="dropout")(x)
    x = layers.Dense(labels, dtype="float32", name="logits")(x)
    model = keras.Model(inputs, layers.Activation("sigmoid", dtype="float32", name="probability")(x))
    return model


def names_of(bands, weights=None):
    """Band names in the order of the network's channels; ImageNet's weights want blue first."""
    if bands == "rgb":
        return RGB[::-1] if weights else RGB
    return BANDS if isinstance(bands, str) else tuple(bands)


IMAGENET_MEAN_DN = {band: value * IMAGENET_WHITE for band, value in IMAGENET_MEAN.items()}


def _convolution(l2):
    def convolution(x, filters, kernel, stride, name, padding="same"):
        penalty = keras.regularizers.L2(l2) if l2 else None
        conv = layers.Conv2D(filters, kernel, stride, padding, kernel_regularizer=penalty, name=name + "_conv")
        return layers.BatchNormalization(**BATCHNORM, name=name + "_bn")(conv(x))

    return convolution


def _stem(x, width, stride, name, convolution, kernel=7):
    x = layers.ZeroPadding2D(kernel // 2, name=name + "_pad")(x)
    return layers.ReLU(name=name + "_relu")(convolution(x, width, kernel, stride, name, "valid"))


def _bottleneck(x, filters, stride, project, name, convolution):
    """Residual block 1x1 - 3x3 - 1x1; the stride is in its first convolution, as in the original ResNet-50."""
    shortcut = convolution(x, 4 * filters, 1, stride, name + "_0") if project else x
    x = layers.ReLU(name=name + "_1_relu")(convolution(x, filters, 1, stride, name + "_1"))
    x = layers.ReLU(name=name + "_2_relu")(convolution(x, filters, 3, 1, name + "_2"))
    x = layers.Add(name=name + "_add")([shortcut, convolution(x, 4 * filters, 1, 1, name + "_3")])
    return layers.ReLU(name=name + "_out")(x)


def _scaled(x, have, want, mean, std):
    """Bands ``want`` out of ``have``, each less its mean and divided by its deviation; float32 in any policy."""
    if tuple(have) != tuple(want):
        x = ops.take(x, [have.index(band) for band in want], axis=-1)
    moments = [mean[band] for band in want], [std[band] ** 2 for band in want]
    return layers.Normalization(mean=moments[0], variance=moments[1], dtype="float32")(x)


def _at_10m(inputs, names, mean, std):
    """Scaled bands in the order of ``names``, all at 10 m."""
    if DATA_SUPER in inputs:
        return _scaled(inputs[DATA_SUPER], BANDS, names, mean, std)
    parts, found = [], []
    for metres, group in BANDS_AT.items():
        if want := [band for band in group if band in names]:
            x = _scaled(inputs[DATASET_OF[metres]], group, want, mean, std)
            factor = PIXELS[10] // PIXELS[metres]
            upsample = layers.UpSampling2D(factor, interpolation="bilinear", dtype="float32")
            parts.append(upsample(x) if factor > 1 else x)
            found += want
    x = layers.concatenate(parts, dtype="float32") if len(parts) > 1 else parts[0]
    return x if tuple(found) == tuple(names) else ops.take(x, [found.index(band) for band in names], axis=-1)


def load_imagenet(model, weights):
    """Give a network of ``build`` (bands "rgb") ImageNet's weights: "imagenet" (Keras' download), or a local file."""
    weights = weights if weights == "imagenet" else resolve(weights)
    source = keras.applications.ResNet50(include_top=False, weights=weights, input_shape=(PIXELS[10], PIXELS[10], 3))
    for layer in source.layers:
        if layer.weights:
            model.get_layer(layer.name).set_weights(layer.get_weights())


def binary_crossentropy(truth, logits, positive_weight=None):
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


def positive_weights(classes):
    """Square root of negatives per positive, 1 to 10, per class: lifts rare classes without letting one patch rule."""
    positives = np.maximum(classes.sum(axis=0, dtype=np.float64), 1)
    return np.clip(np.sqrt((len(classes) - positives) / positives), 1, 10).astype(np.float32)


def stages(model):
    """Parameters per stage, for a table: list of {stage, layers, output, parameters}."""
    table = {}
    for layer in model.layers:
        stage = layer.name.split("_")[0] if layer.name.startswith("conv") else "head" if layer.weights else ""
        if stage and "normalization" not in layer.name:
            row = table.setdefault(stage, {"stage": stage, "layers": 0, "output": "", "parameters": 0})
            row["layers"] += isinstance(layer, layers.Conv2D | layers.Dense)
            row["output"] = " x ".join(str(n) for n in layer.output.shape[1:])
            row["parameters"] += layer.count_params()
    return list(table.values())
