"""Images/s of the full multispectral network on one GPU, on whichever backend of Keras is there.

Needs Keras, a backend and numpy, but neither TensorFlow nor Horovod:

    KERAS_BACKEND=jax python tests/bench/bench_gpu.py --batch 256

Batches of native uint16 digital numbers go from the host's memory to the device at every step, as in a training;
scaling, upsampling, rotations and flips, forward, backward and update are compiled into one step.
"""

import argparse
import importlib.util
import json
import os
import platform
import subprocess
import sys
import time
from importlib.metadata import version
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[2]))
os.environ.setdefault("KERAS_BACKEND", "jax")
if importlib.util.find_spec(os.environ["KERAS_BACKEND"]) is None:
    print(f"skipped: Keras' backend {os.environ['KERAS_BACKEND']} is not installed here")
    sys.exit(0)
import keras  # noqa: E402
import numpy as np  # noqa: E402

from bigearth.patch import BANDS  # noqa: E402
from bigearth.training import augmentation, network  # noqa: E402
from bigearth.training.recipe import Recipe  # noqa: E402


class Augmented(keras.Model):
    """The network's logits with rotations and flips in front while it trains."""

    def __init__(self, model):
        super().__init__()
        self.logits = keras.Model(model.input, model.get_layer("logits").output)
        self.turns = keras.random.SeedGenerator(1)

    def call(self, features, training=False):
        features = {key: keras.ops.cast(x, "float32") for key, x in features.items()}
        if training:
            features = augmentation.rotate_and_flip(features, self.turns)
        return self.logits(features, training=training)


def machine():
    query = ["nvidia-smi", "--query-gpu=name,driver_version", "--format=csv,noheader"]
    try:
        gpu = subprocess.run(query, capture_output=True, text=True).stdout.strip()
    except FileNotFoundError:
        gpu = "none"
    backend = keras.backend.backend()
    packages = {name: version(name) for name in ("keras", backend, "numpy")}
    return {"gpu": gpu, "system": platform.platform(), **packages}


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--batch", type=int, default=256)
    parser.add_argument("--steps", type=int, default=200)
    parser.add_argument("--width", type=int, default=64)
    parser.add_argument("--policy", default="mixed_bfloat16", help="Keras' dtype policy")
    arguments = parser.parse_args()
    keras.config.set_dtype_policy(arguments.policy)
    recipe = Recipe(bands="multispectral", width=arguments.width, blocks=[3, 4, 6, 3], dropout=0.5)
    statistics = dict.fromkeys(BANDS, 1500.0), dict.fromkeys(BANDS, 700.0)
    model = Augmented(network.build(recipe, 43, *statistics))
    loss = keras.losses.BinaryCrossentropy(from_logits=True)
    model.compile(keras.optimizers.SGD(0.01, 0.9, nesterov=True), loss, jit_compile=True)
    random, shapes = np.random.default_rng(0), recipe.inputs
    data = [({key: random.integers(0, 5000, (arguments.batch, *shape), np.uint16) for key, shape in shapes.items()},
             random.integers(0, 2, (arguments.batch, 43)).astype("float32")) for _ in range(4)]  # fmt: skip

    def source():
        while True:
            yield from data

    batches = source()
    model.fit(batches, steps_per_epoch=min(10, arguments.steps), epochs=1, verbose=0)  # compiles
    start = time.perf_counter()
    model.fit(batches, steps_per_epoch=arguments.steps, epochs=1, verbose=0)
    rate = arguments.steps * arguments.batch / (time.perf_counter() - start)
    found = {"images_per_s": round(rate, 1), **vars(arguments), "backend": keras.backend.backend(), **machine()}
    print(json.dumps(found | {"command": " ".join(sys.argv)}, indent=1))


if __name__ == "__main__":
    main()
