"""Size of the study's residual network, counted without building it: 05 and 08 need no TensorFlow."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import NamedTuple


@dataclass(frozen=True)
class NetworkSize:
    """Sizes that decide the time and the memory of a training step.

    Attributes
    ----------
    weights : int
        Trainable weights.
    tensors : int
        Trainable tensors; each is one gradient to sum.
    products : int
        Multiply-adds of one forward pass of one patch.
    activations : int
        Elements that the convolutions of one patch put out.
    """

    weights: int
    tensors: int
    products: int
    activations: int


class Convolution(NamedTuple):
    """A convolution with bias, followed by batch normalisation; ``size`` is the side of its output in pixels."""

    kernel: int
    inputs: int
    outputs: int
    size: int


def count_network(
    bands: int = 12, width: int = 64, blocks: Sequence[int] = (3, 4, 6, 3), size: int = 120, classes: int = 43
) -> NetworkSize:
    """Count the study's residual network as ``bigearth.training.network`` builds it.

    Parameters
    ----------
    bands : int
        Channels of the input.
    width : int
        Filters of the first stage (ResNet-50: 64).
    blocks : sequence of int
        Residual blocks per stage (ResNet-50: 3, 4, 6, 3).
    size : int
        Side of the input in pixels.
    classes : int
        Outputs of the last layer.
    """
    convolutions = list_convolutions(bands, width, blocks, size)
    weights = products = activations = 0
    for layer in convolutions:
        kernel_weights = layer.kernel**2 * layer.inputs * layer.outputs
        # the kernel, its bias, and scale and offset of the batch normalisation
        weights += kernel_weights + 3 * layer.outputs
        products += kernel_weights * layer.size**2
        activations += layer.outputs * layer.size**2
    # the last layer: one weight per feature and class, and a bias
    features = convolutions[-1].outputs
    weights += features * classes + classes
    tensors = 4 * len(convolutions) + 2
    return NetworkSize(weights, tensors, products, activations)


def list_convolutions(bands: int, width: int, blocks: Sequence[int], size: int) -> list[Convolution]:
    """List all convolutions of the network; the last one of the last block comes last."""
    # the stem: a convolution and a pooling, each of stride 2
    size = halve(size)
    found = [Convolution(7, bands, width, size)]
    size = halve(size)
    inputs = width
    for stage, repeats in enumerate(blocks):
        inner = width * 2**stage
        for block in range(repeats):
            first = block == 0
            if first and stage > 0:
                size = halve(size)
            if first:
                # the shortcut beside the block's three convolutions
                found.append(Convolution(1, inputs, 4 * inner, size))
            found.append(Convolution(1, inputs, inner, size))
            found.append(Convolution(3, inner, inner, size))
            found.append(Convolution(1, inner, 4 * inner, size))
            inputs = 4 * inner
    return found


def halve(size: int) -> int:
    """Side of an image after a layer of stride 2 with padding."""
    return (size + 1) // 2
