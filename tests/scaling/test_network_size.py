"""The network's size, counted as Keras counts it."""

import numpy as np
import pytest

from bigearth.scaling.network_size import count_network


def test_network_is_counted_as_keras_counts_it():
    # trainable parameters of keras.applications.ResNet50 with its 1000 classes
    assert count_network(bands=3, size=224, classes=1000).weights == 25_583_592
    keras = pytest.importorskip("keras")
    from bigearth.training import network
    from bigearth.training.recipe import Recipe

    zeros, ones = dict.fromkeys(network.BANDS, 0.0), dict.fromkeys(network.BANDS, 1.0)
    model = network.build(Recipe(width=8, blocks=[1, 2]), 7, zeros, ones)
    net = count_network(width=8, blocks=(1, 2), classes=7)
    weights = [variable for variable in model.trainable_variables]
    assert net.weights == sum(int(np.prod(w.shape)) for w in weights) and net.tensors == len(weights)
    convolutions = [layer for layer in model.layers if isinstance(layer, keras.layers.Conv2D)]
    assert net.activations == sum(int(np.prod(layer.output.shape[1:])) for layer in convolutions)
