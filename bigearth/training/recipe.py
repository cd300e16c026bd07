"""The settings of a training: one recipe, checked before any worker starts. Needs no TensorFlow."""

import dataclasses
import typing
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from bigearth.cube.reading import Cube
from bigearth.errors import InputError
from bigearth.parameters import convert, suggest
from bigearth.patch import BANDS, BANDS_AT, DATA_SUPER, DATASET_OF, PIXELS, RGB
from bigearth.training import limits

STEP_FACTOR = 0.1  # at each milestone (paper: after epochs 30, 60, 80 of 100)
POLYNOMIAL_POWER = 2  # as You et al. 2017 use it with LARS
STABLE_BELOW_BATCH = 8192  # the paper cites plain SGD as stable only below it (its section 5, its reference 66)
REFERENCE_BATCH = 256  # patches of the global batch that learning_rate is given for (Goyal et al. 2017)


@dataclass(frozen=True)
class Recipe:
    """All settings of a training.

    Defaults are those of the miniature study (``papermill_runs/mini.yaml``); ``papermill_runs/paper.yaml`` has the
    paper's values. A recipe converts its values to their declared types and checks their ranges when it is made.

    Attributes
    ----------
    bands
        "rgb", "multispectral", "multiresolution" (each band group enters at its own resolution), or band names.
    upsampling
        "network": native bands, brought to 10 m in the network; "bilinear", "dsen2": from the cube's ``data_super``.
    width, blocks
        Filters of the first stage and residual blocks per stage (ResNet-50: 64 and 3, 4, 6, 3).
    weights
        "imagenet", or a file of ImageNet's weights, for "rgb" with ResNet-50; None: random ones.
    epochs, batch_size
        The batch is per worker.
    learning_rate
        Of a global batch of 256 patches; see `learning_rates`.
    schedule
        "step": a tenth at each milestone; "polynomial".
    warmup
        Epochs in which the learning rate climbs to its peak.
    milestones
        Fractions of the epochs.
    optimizer, optimizer_options
        "sgd" (Nesterov momentum 0.9), "lars" or "lamb"; options are arguments of Keras' optimizers.
    l2, dropout
        Factor of the L2 penalty on every convolution (a weight decay of twice as much); share of features dropped
        before the last layer.
    augment, mixup
        Random rotations and flips; parameter of mix-up's beta distribution, 0: no mix-up.
    class_weights, oversampling
        Weight the positives of each class by its rarity; show patches of rare classes more often.
    precision, jit_compile, deterministic
        Keras' dtype policy; XLA for the forward and backward pass; TensorFlow's deterministic operations.
    seed
        Of weights, order, augmentation and dropout.
    allow_empty_splits
        Score training patches where the validation or the test split is empty.
    """

    bands: str | list[str] = "multispectral"
    upsampling: str = "network"
    width: int = 16
    blocks: list[int] = field(default_factory=lambda: [1, 1, 1, 1])
    weights: str | None = None
    epochs: int = 36
    batch_size: int = 16
    learning_rate: float = 0.05
    schedule: str = "step"
    warmup: int = 1
    milestones: list[float] = field(default_factory=lambda: [0.6, 0.85])
    optimizer: str = "lamb"
    optimizer_options: dict | None = None
    l2: float = 1e-4
    dropout: float = 0.2
    augment: bool = True
    mixup: float = 0.0
    class_weights: bool = False
    oversampling: bool = False
    precision: str = "float32"
    jit_compile: bool = False
    deterministic: bool = False
    seed: int = 1
    allow_empty_splits: bool = False

    def __post_init__(self) -> None:
        for name, declared in typing.get_type_hints(Recipe).items():
            converted = convert(name, getattr(self, name), declared)
            object.__setattr__(self, name, converted)  # the only way to set a field of a frozen dataclass
        limits.check_choices(self.as_dict())
        limits.check_numbers(self.as_dict())
        limits.check_schedule(self.epochs, self.warmup, self.milestones)
        limits.check_stages(self.blocks, self.bands)
        limits.check_bands(self.bands, self.upsampling)
        limits.check_weights(self.weights, self.bands, self.width, self.blocks)
        limits.check_options(self.optimizer_options, self.optimizer)

    @classmethod
    def from_parameters(cls, values: Mapping[str, Any]) -> "Recipe":
        """Take a recipe's values from among all parameters of a notebook; what is missing keeps its default."""
        names = [each.name for each in dataclasses.fields(cls)]
        return cls(**{name: values[name] for name in names if name in values})

    @classmethod
    def from_options(cls, **options: Any) -> "Recipe":
        """Make a recipe of named values.

        Raises
        ------
        InputError
            A name is unknown; the message has the nearest known one.
        """
        names = [each.name for each in dataclasses.fields(cls)]
        for name in options:
            if name not in names:
                raise InputError(f"{name!r} is no parameter of a training; {suggest(name, names)}")
        return cls(**options)

    def as_dict(self) -> dict[str, Any]:
        """All values by name, as JSON can hold them."""
        return dataclasses.asdict(self)

    def replace(self, **changes: Any) -> "Recipe":
        """The same recipe with other values for some names."""
        return dataclasses.replace(self, **changes)

    @property
    def inputs(self) -> dict[str, tuple[int, int, int]]:
        """Cube datasets that the network reads: {key: (pixels, pixels, bands)}."""
        if self.upsampling != "network":
            return {DATA_SUPER: (PIXELS[10], PIXELS[10], len(BANDS))}
        shapes = {}
        for metres, group in BANDS_AT.items():
            if set(group) & set(self.band_names):
                shapes[DATASET_OF[metres]] = (PIXELS[metres], PIXELS[metres], len(group))
        return shapes

    @property
    def band_names(self) -> tuple[str, ...]:
        """Names of the bands that the network sees, in the order of its channels."""
        if self.bands == "rgb":
            return RGB[::-1] if self.weights else RGB  # ImageNet's weights want blue first
        if isinstance(self.bands, str):
            return BANDS
        return tuple(self.bands)

    def learning_rates(self, steps: int, workers: int) -> np.ndarray:
        """Learning rate of every step of a training.

        The peak is ``learning_rate * workers * batch_size / 256`` (paper: 0.1 k n / 256, after Goyal et al. 2017). The
        warm-up climbs to it in a straight line from one worker's rate (our choice), then steps or a polynomial follow.

        Parameters
        ----------
        steps : int
            Per epoch.
        workers : int

        Returns
        -------
        float array (epochs, steps)
        """
        one_worker = self.learning_rate * self.batch_size / REFERENCE_BATCH
        peak = self.learning_rate * workers * self.batch_size / REFERENCE_BATCH
        step = np.arange(self.epochs * steps)
        climb = self.warmup * steps
        if self.schedule == "polynomial":
            share = (step - climb) / max(1, self.epochs * steps - climb)
            after = peak * (1 - share) ** POLYNOMIAL_POWER
        else:
            passed = np.zeros(len(step), int)
            for fraction in self.milestones:
                passed += step >= round(fraction * self.epochs) * steps
            after = peak * STEP_FACTOR**passed
        climbing = one_worker + (peak - one_worker) * step / max(1, climb)
        return np.where(step < climb, climbing, after).reshape(self.epochs, steps)

    def check(self, cube: Cube, workers: int) -> "Workload":
        """Check the recipe against a cube and a number of workers.

        Parameters
        ----------
        cube : Cube
            Opened; see `bigearth.cube.reading.open_cube`.
        workers : int
            From 1 on.

        Returns
        -------
        Workload

        Raises
        ------
        InputError
            With the parameter's name and the remedy.
        """
        if type(workers) is not int or workers < 1:
            raise InputError(f"workers is {workers!r}: must be a whole number, at least 1")
        if self.upsampling != "network" and cube.upsampling != self.upsampling:
            raise InputError(
                f"upsampling is {self.upsampling!r}, data_super of {cube.path} is {cube.upsampling!r}: "
                f"train with 'network', or on a cube that was written with upsampling = {self.upsampling!r}"
            )
        sizes = {split: len(rows) for split, rows in cube.rows.items()}
        if not sizes["train"]:
            raise InputError(f"cube {cube.path} has no training patch: choose one that was written with other splits")
        empty = [split for split in ("validation", "test") if not sizes[split]]
        if empty and not self.allow_empty_splits:
            raise InputError(
                f"cube {cube.path} has no {' and no '.join(empty)} patch: choose one that was written with other "
                "splits, or set allow_empty_splits to score training rows instead"
            )
        global_batch = workers * self.batch_size
        if global_batch > sizes["train"]:
            raise InputError(
                f"batch_size is {self.batch_size} on {workers} workers: a batch is larger than a worker's part of "
                f"the {sizes['train']} training patches; at most {sizes['train'] // workers}"
            )
        unseen = find_unseen_labels(cube)
        steps = sizes["train"] // global_batch
        return Workload(
            workers=workers,
            steps=steps,
            global_batch=global_batch,
            left_out=sizes["train"] - steps * global_batch,
            scored={split: "train" if split in empty else split for split in ("validation", "test")},
            without_positive=unseen,
            warnings=self._find_warnings(global_batch, unseen, empty),
        )

    def _find_warnings(self, global_batch: int, unseen: list[str], empty: list[str]) -> list[str]:
        warnings = []
        if unseen:
            warnings.append(f"no training patch carries {'; '.join(unseen)}: trained, but cannot be learnt")
        if empty:
            warnings.append(f"no {' and no '.join(empty)} patch: training rows are scored in their place")
        options = self.optimizer_options or {}
        accumulated = global_batch * (options.get("gradient_accumulation_steps") or 1)
        if self.optimizer == "sgd" and accumulated >= STABLE_BELOW_BATCH:
            warnings.append(
                f"global batch {accumulated} is not below {STABLE_BELOW_BATCH}: plain SGD may diverge, see 'lars'"
            )
        return warnings


@dataclass(frozen=True)
class Workload:
    """The work that a recipe makes on a cube and a number of workers.

    Attributes
    ----------
    workers, steps, global_batch : int
        Steps per epoch; patches per step of all workers.
    left_out : int
        Patches of an epoch that fill no global batch.
    scored : {split: split}
        Whose rows are scored for validation and test: "train" stands in for an empty split.
    without_positive : list of str
        Labels that no training patch carries.
    warnings : list of str
    """

    workers: int
    steps: int
    global_batch: int
    left_out: int
    scored: dict[str, str]
    without_positive: list[str]
    warnings: list[str]


def find_unseen_labels(cube: Cube) -> list[str]:
    """Labels that no training patch of a cube carries."""
    rows = cube.rows["train"]
    counts = cube.classes[rows.start : rows.stop].sum(axis=0)
    return [label for label, count in zip(cube.labels, counts, strict=True) if count == 0]
