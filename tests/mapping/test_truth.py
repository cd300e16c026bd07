"""The map of a generated tile against the generator's own land cover."""

import json

import numpy as np
import pandas as pd

from bigearth.cube.reading import open_cube
from bigearth.mapping.maps import find_map, write_map
from bigearth.miniature.scenes import LABEL_SHARE, render_scenes
from bigearth.scores.metrics import assign_labels, count_decisions, precision_recall_f1
from tests.mapping.conftest import TILE
from tests.mapping.test_maps import cube_route, read_squares


def test_f1_per_class_against_the_land_cover_is_that_of_the_cube(tiny_archive, tiny_cube, run, product, tmp_path):
    write_map(run=run, product=product, results=tmp_path)
    squares = read_squares(find_map(product, run, tmp_path))
    expected, labels = cube_route(tiny_cube, run)
    data = open_cube(tiny_cube)
    classes = pd.DataFrame(data.classes, columns=labels)
    here = (expected.epsg == 32633).to_numpy()

    # share of every class in every patch of the tile, from the land cover that its pixels were drawn from
    made = json.loads((tiny_archive / "MINIATURE").read_text())
    (scene,) = render_scenes(made["patches"], made["seed"], [TILE])
    side = len(scene.cover) // 120
    cover = scene.cover.reshape(side, 120, side, 120).swapaxes(1, 2).reshape(side * side, -1)
    share = np.stack([np.bincount(patch, minlength=43) for patch in cover]) / cover.shape[1]
    truth = share >= np.minimum(LABEL_SHARE, share.max(axis=1, keepdims=True))

    # the map's squares at the archive's patches, in the cube's order
    at = {(round(place[0]), round(place[3])): row for row, place in enumerate(squares.place)}
    rows = [at[x, y] for x, y in expected.loc[here, ["x", "y"]].itertuples(index=False)]
    given = assign_labels(squares[labels].to_numpy(float)[rows], 0.5)
    decided = assign_labels(expected.loc[here, labels].to_numpy(float), 0.5)
    found = precision_recall_f1(count_decisions(truth[rows], given), None)[2]
    cubes = precision_recall_f1(count_decisions(classes[here].to_numpy(), decided), None)[2]
    np.testing.assert_allclose(found, cubes, atol=1e-9)
    assert (cubes > 0).sum() > 5 and len(rows) == 10
