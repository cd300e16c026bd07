"""Limits of a recipe's values; each check raises an InputError in one line, with the parameter and the remedy."""

from collections.abc import Mapping, Sequence
from typing import Any

from bigearth.errors import InputError
from bigearth.files import resolve
from bigearth.outside import is_of_type
from bigearth.parameters import shorten, suggest
from bigearth.patch import BANDS

BAND_GROUPS = ("rgb", "multispectral", "multiresolution")
RESNET50_WIDTH = 64
RESNET50_BLOCKS = [3, 4, 6, 3]
CHOICES = {
    "upsampling": ("network", "bilinear", "dsen2"),
    "schedule": ("step", "polynomial"),
    "optimizer": ("sgd", "lars", "lamb"),
    "precision": ("float32", "mixed_bfloat16", "mixed_float16"),
}
# Smallest and largest value of each number.
LIMITS = {
    "width": (1, 4096),
    "epochs": (1, 100_000),
    "batch_size": (1, 1_000_000),
    "learning_rate": (0, 1e30),
    "warmup": (0, 100_000),
    "l2": (0, 1),
    "dropout": (0, 0.99),
    "mixup": (0, 100),
    "seed": (0, 2**31 - 1),
}
# Options of Keras' optimizers, of all and of each; the learning rate is the recipe's own.
COMMON_OPTIONS = (
    "weight_decay",
    "clipnorm",
    "clipvalue",
    "global_clipnorm",
    "use_ema",
    "ema_momentum",
    "ema_overwrite_frequency",
    "loss_scale_factor",
    "gradient_accumulation_steps",
)
OWN_OPTIONS = {
    "sgd": ("momentum", "nesterov"),
    "lars": ("momentum", "trust", "decay"),
    "lamb": ("beta_1", "beta_2", "epsilon"),
}
SWITCHES = ("nesterov", "use_ema")
FRACTIONS = ("momentum", "beta_1", "beta_2", "ema_momentum")
MOST_STAGES = 8  # each halves the 30 x 30 positions that the first one sees
MOST_BLOCKS_PER_STAGE = 200


def check_choices(values: Mapping[str, Any]) -> None:
    """Check the values that must be one of a few."""
    for name, allowed in CHOICES.items():
        if values[name] not in allowed:
            raise InputError(f"{name} is {values[name]!r}: must be one of {', '.join(allowed)}")


def check_numbers(values: Mapping[str, Any]) -> None:
    """Check the values that must lie between two limits."""
    for name, (lowest, highest) in LIMITS.items():
        if not lowest <= values[name] <= highest:
            raise InputError(f"{name} is {values[name]!r}: must be a number from {lowest:g} to {highest:g}")


def check_schedule(epochs: int, warmup: int, milestones: Sequence[float]) -> None:
    """Check that the warm-up ends before the training, and that milestones are fractions of it."""
    if warmup > epochs:
        raise InputError(f"warmup is {warmup} epochs: must lie between 0 and epochs = {epochs}")
    for fraction in milestones:
        if not 0 < fraction <= 1:
            raise InputError(f"milestones is {milestones}: must be fractions of the epochs, between 0 and 1")


def check_stages(blocks: Sequence[int], bands: str | Sequence[str]) -> None:
    """Check the residual blocks per stage."""
    if not 1 <= len(blocks) <= MOST_STAGES:
        raise InputError(f"blocks is {blocks}: give 1 to {MOST_STAGES} stages, such as {RESNET50_BLOCKS}")
    for count in blocks:
        if not 1 <= count <= MOST_BLOCKS_PER_STAGE:
            raise InputError(
                f"blocks is {blocks}: a stage has 1 to {MOST_BLOCKS_PER_STAGE} blocks; ResNet-50 has {RESNET50_BLOCKS}"
            )
    if bands == "multiresolution" and len(blocks) < 2:
        raise InputError(f"blocks is {blocks}: bands = 'multiresolution' needs two stages, for the 60 m bands")


def check_bands(bands: str | Sequence[str], upsampling: str) -> None:
    """Check that bands are a known group, or known names, each once."""
    if isinstance(bands, str):
        if bands not in BAND_GROUPS:
            groups = ", ".join(repr(group) for group in BAND_GROUPS)
            raise InputError(f"bands is {bands!r}: must be {groups} or a list of bands")
        if bands == "multiresolution" and upsampling != "network":
            raise InputError(f"upsampling is {upsampling!r}: bands = 'multiresolution' takes native bands, 'network'")
        return
    unknown = [band for band in bands if band not in BANDS]
    if unknown:
        raise InputError(f"bands is {bands}: unknown {', '.join(unknown)}; choose from {', '.join(BANDS)}")
    if not bands or len(set(bands)) < len(bands):
        raise InputError(f"bands is {bands}: empty or repeated; choose from {', '.join(BANDS)}")


def check_weights(weights: str | None, bands: str | Sequence[str], width: int, blocks: Sequence[int]) -> None:
    """Check that the network is the one of ImageNet's weights, and that their file is there."""
    if not weights:
        return
    if bands != "rgb" or width != RESNET50_WIDTH or list(blocks) != RESNET50_BLOCKS:
        raise InputError(
            f"weights is {weights!r}: ImageNet's weights fit bands = 'rgb', width = {RESNET50_WIDTH} and "
            f"blocks = {RESNET50_BLOCKS} only"
        )
    if weights != "imagenet" and not resolve(weights).is_file():
        raise InputError(f"weights is {weights!r}: no such file; give one of ResNet50 without top, or 'imagenet'")


def check_options(options: Mapping[str, Any] | None, optimizer: str) -> None:
    """Check the names and values of an optimizer's options."""
    options = options or {}
    known = OWN_OPTIONS[optimizer] + COMMON_OPTIONS
    for name, value in options.items():
        if name not in known:
            raise InputError(f"optimizer_options: {name!r} is no option of {optimizer!r}; {suggest(name, known)}")
        if value is not None:
            _check_option(name, value)
    accumulated = options.get("gradient_accumulation_steps")
    if accumulated is not None and (type(accumulated) is not int or accumulated < 2):
        raise InputError(
            f"optimizer_options: gradient_accumulation_steps is {accumulated!r}: must be a whole number, at least 2"
        )


def _check_option(name: str, value: Any) -> None:
    """Check the value of one option of an optimizer, before Keras does so on every worker."""
    where = f"optimizer_options: {name} is {shorten(value)}"
    if name in SWITCHES:
        if not isinstance(value, bool):
            raise InputError(f"{where}: must be true or false")
    elif not is_of_type(value, float):
        raise InputError(f"{where}: must be a number")
    elif name in FRACTIONS and not 0 <= value <= 1:
        raise InputError(f"{where}: must lie between 0 and 1")
