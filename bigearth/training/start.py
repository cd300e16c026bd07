"""Start a training on a worker."""


def train(**parameters):
    """`bigearth.training.loop.train`, imported on a worker, so that a notebook needs no TensorFlow."""
    from bigearth.training import loop

    return loop.train(**parameters)
