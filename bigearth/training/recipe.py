"""What a training run is asked to do, checked before any worker starts; needs no TensorFlow."""

import numpy as np

from bigearth.cube.reading import open_cube
from bigearth.errors import InputError
from bigearth.files import resolve
from bigearth.patch import BANDS, BANDS_AT, DATA_SUPER, DATASET_OF, PIXELS

STEP_FACTOR = 0.1  # at each milestone (paper: after epochs 30, 60, 80 of 100)
POLYNOMIAL_POWER = 2  # as You et al. 2017 use it with LARS
STABLE_GLOBAL_BATCH = 8192  # the largest that the paper cites as stable with plain SGD (Goyal et al. 2017)
# what notebook 03 declares and passes on to `bigearth.training.loop.train`, beside run, workdir and cube
PARAMETERS = """bands upsampling width blocks weights epochs batch_size learning_rate schedule warmup milestones
    optimizer optimizer_options l2 dropout augment mixup class_weights oversampling precision jit_compile deterministic
    seed allow_empty_splits""".split()
CHOICES = {
    "upsampling": ("network", "bilinear", "dsen2"),
    "schedule": ("step", "polynomial"),
    "optimizer": ("sgd", "lars", "lamb"),
    "precision": ("float32", "mixed_bfloat16", "mixed_float16"),
}
RANGES = {"learning_rate": (0, 1e30), "l2": (0, 1), "dropout": (0, 0.99), "mixup": (0, 100), "seed": (0, 2**31 - 1)}


def inputs_of(bands, upsampling):
    """Cube arrays that a network reads: {key: (pixels, pixels, bands)}."""
    if upsampling != "network":
        return {DATA_SUPER: (PIXELS[10], PIXELS[10], len(BANDS))}
    wanted = set(BANDS if bands in ("multispectral", "multiresolution") else BANDS_AT[10] if bands == "rgb" else bands)
    return {DATASET_OF[m]: (PIXELS[m], PIXELS[m], len(group)) for m, group in BANDS_AT.items() if wanted & set(group)}


def learning_rates(steps, epochs, workers, batch_size, warmup, milestones, learning_rate=0.1, schedule="step"):
    """Learning rate of every step of a training.

    The peak is ``learning_rate * workers * batch_size / 256`` (paper: 0.1 k n / 256, after Goyal et al. 2017); the
    warm-up climbs to it in a straight line from one worker's rate (our choice), then steps or a polynomial follow.

    Parameters
    ----------
    steps : int
        Per epoch.
    warmup : int
        Epochs.
    milestones : sequence of float
        Fractions of ``epochs`` after which the rate falls to a tenth.
    schedule : "step" or "polynomial"

    Returns
    -------
    float array (epochs, steps)
    """
    step = np.arange(epochs * steps)
    one, peak = learning_rate * batch_size / 256, learning_rate * workers * batch_size / 256
    climb = warmup * steps
    if schedule == "polynomial":
        after = peak * (1 - (step - climb) / max(1, epochs * steps - climb)) ** POLYNOMIAL_POWER
    else:
        passed = sum((step >= round(fraction * epochs) * steps).astype(int) for fraction in milestones)
        after = peak * STEP_FACTOR**passed
    rate = np.where(step < climb, one + (peak - one) * step / max(1, climb), after)
    return rate.reshape(epochs, steps)


def check_parameters(*, cube, workers=1, bands="multispectral", upsampling="network", epochs=100, batch_size=64,
                     warmup=5, milestones=(0.3, 0.6, 0.8), schedule="step", optimizer="sgd", precision="float32",
                     weights=None, width=64, blocks=(3, 4, 6, 3), allow_empty_splits=False, **others):  # fmt: skip
    """Check a training's parameters against each other and against the cube.

    Parameters
    ----------
    cube : path
    workers : int
    others : those of `bigearth.training.loop.train`

    Returns
    -------
    dict
        ``steps`` per epoch, ``global_batch``, ``left_out`` (patches of an epoch's order that fill no global batch),
        ``scored`` ({split: split whose rows are scored for it}: "train" stands in for an empty one),
        ``without_positive`` (labels without a training patch), ``warnings`` (list of str).

    Raises
    ------
    InputError
        With the parameter's name and the remedy.
    """
    for name, allowed in CHOICES.items():
        value = {"upsampling": upsampling, "schedule": schedule, "optimizer": optimizer, "precision": precision}[name]
        if value not in allowed:
            raise InputError(f"{name} = {value!r}: must be one of {', '.join(allowed)}")
    for name, value in {"workers": workers, "epochs": epochs, "batch_size": batch_size, "width": width}.items():
        if not isinstance(value, int) or value < 1:
            raise InputError(f"{name} = {value!r}: must be a whole number, at least 1")
    if not 0 <= warmup <= epochs:
        raise InputError(f"warmup = {warmup} epochs: must lie between 0 and epochs = {epochs}")
    if any(not 0 < fraction <= 1 for fraction in milestones):
        raise InputError(f"milestones = {list(milestones)}: must be fractions of the epochs, between 0 and 1")
    _check_bands(bands, upsampling)
    if weights and (bands != "rgb" or width != 64 or tuple(blocks) != (3, 4, 6, 3)):
        raise InputError("weights: ImageNet weights fit bands = 'rgb', width = 64 and blocks = (3, 4, 6, 3) only")
    if weights not in (None, "", "imagenet") and not resolve(weights).is_file():
        raise InputError(f"weights = {weights!r}: no such file; give one of ResNet50 without top, or 'imagenet'")
    if bands == "multiresolution" and len(blocks) < 2:
        raise InputError(f"blocks = {list(blocks)}: bands = 'multiresolution' needs two stages, for the 60 m bands")
    _check_ranges(others)
    opened = open_cube(cube)
    if upsampling != "network" and opened.upsampling != upsampling:
        raise InputError(f"upsampling = {upsampling!r}: data_super of {cube} is {opened.upsampling!r}; write the cube "
                         f"with upsampling = {upsampling!r} or train with 'network'")  # fmt: skip
    sizes = {split: len(rows) for split, rows in opened.rows.items()}
    if not sizes["train"]:
        raise InputError(f"{cube} has no training patch: write it with other splits")
    empty = [split for split in ("validation", "test") if not sizes[split]]
    if empty and not allow_empty_splits:
        raise InputError(f"{cube} has no {' and no '.join(empty)} patch: write it with other splits, or set "
                         "allow_empty_splits to score training rows instead")  # fmt: skip
    global_batch = workers * batch_size
    if global_batch > sizes["train"]:
        raise InputError(f"batch_size = {batch_size} on {workers} workers: a batch is larger than a worker's part of "
                         f"the {sizes['train']} training patches; at most {sizes['train'] // workers}")  # fmt: skip
    classes = opened.classes[opened.rows["train"].start : opened.rows["train"].stop]
    missing = [label for label, count in zip(opened.labels, classes.sum(axis=0), strict=True) if not count]
    warnings = []
    if missing:
        warnings.append(f"no training patch carries {'; '.join(missing)}: trained, but cannot be learnt")
    if empty:
        warnings.append(f"no {' and no '.join(empty)} patch: training rows are scored in their place")
    accumulated = global_batch * ((others.get("optimizer_options") or {}).get("gradient_accumulation_steps") or 1)
    if optimizer == "sgd" and accumulated > STABLE_GLOBAL_BATCH:
        warnings.append(f"global batch {accumulated} passes {STABLE_GLOBAL_BATCH}: plain SGD may diverge, see 'lars'")
    steps = sizes["train"] // global_batch
    return {
        "steps": steps,
        "global_batch": global_batch,
        "left_out": sizes["train"] - steps * global_batch,
        "scored": {split: "train" if split in empty else split for split in ("validation", "test")},
        "without_positive": missing,
        "warnings": warnings,
    }


def _check_ranges(parameters):
    for name, (low, high) in RANGES.items():
        value = parameters.get(name, low)
        if isinstance(value, bool) or not isinstance(value, int | float) or not low <= value <= high:
            raise InputError(f"{name} = {value!r}: must be a number from {low:g} to {high:g}")


def _check_bands(bands, upsampling):
    if isinstance(bands, str):
        if bands not in ("rgb", "multispectral", "multiresolution"):
            raise InputError(f"bands = {bands!r}: must be 'rgb', 'multispectral', 'multiresolution' or a list of bands")
        if bands == "multiresolution" and upsampling != "network":
            raise InputError(f"upsampling = {upsampling!r}: bands = 'multiresolution' takes native bands, 'network'")
    elif not bands or len(set(bands)) < len(bands) or (unknown := [band for band in bands if band not in BANDS]):
        wrong = f"unknown {', '.join(unknown)}" if bands and len(set(bands)) == len(bands) else "empty or repeated"
        raise InputError(f"bands = {list(bands)}: {wrong}; choose from {', '.join(BANDS)}")
