"""Random fields: mean, deviation, smoothness, the same for a seed."""

import numpy as np

from bigearth.miniature.fields import draw_field


def test_fields_are_standardised_and_smoother_with_the_slope():
    fields = {slope: draw_field(np.random.default_rng(0), 256, slope) for slope in (0.0, 2.0, 4.0)}
    steps = [np.abs(np.diff(field)).mean() for field in fields.values()]
    assert steps[0] > 2 * steps[1] > 4 * steps[2]
    for field in fields.values():
        assert abs(field.mean()) < 1e-5 and abs(field.std() - 1) < 1e-5 and field.dtype == np.float32
    assert np.array_equal(fields[2.0], draw_field(np.random.default_rng(0), 256, 2.0))


def test_no_wave_is_longer_than_asked_for():
    field = draw_field(np.random.default_rng(0), 256, 4.0, 0.1)
    blocks = field.reshape(4, 64, 4, 64).mean((1, 3))
    assert np.abs(blocks).max() < 0.5
