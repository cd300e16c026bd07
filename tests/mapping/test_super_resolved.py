"""Maps with a run that was trained on DSen2's bands: the scene is super-resolved first, once."""

import keras
import numpy as np
import pytest
from osgeo import gdal

from bigearth.archive import tile_pixels
from bigearth.archive.products import find_tiles
from bigearth.errors import InputError
from bigearth.mapping import maps
from bigearth.mapping.maps import find_map, find_partial, measure_progress, write_map
from bigearth.upsampling import tile
from bigearth.upsampling.datasets import make_datasets
from bigearth.upsampling.tile import super_resolve_tile
from tests.archive.small_products import pixels, write_product
from tests.mapping.conftest import make_run
from tests.mapping.test_maps import read_squares, start_ranks
from tests.upsampling.small_networks import small


@pytest.fixture(scope="module")
def weights(tmp_path_factory):
    folder = tmp_path_factory.mktemp("weights")
    for metres, network in small().items():
        network.save(folder / f"dsen2_{metres}m.keras")
    return folder


@pytest.fixture(scope="module")
def trained(tiny_cube, tmp_path_factory):
    return make_run(tmp_path_factory.mktemp("runs") / "dsen2", tiny_cube, upsampling="dsen2")


@pytest.fixture
def scene(tmp_path):
    """A product of nine patches of noise."""
    return write_product(tmp_path / "tiles", pixels(), baseline="04.00", offset=-1000, suffix="tif")


def score(run, windows):
    model = keras.saving.load_model(run / "model.keras", compile=False)
    return model.predict_on_batch({"data_super": windows})


def read_scores(folder):
    """Scores of all squares, (n, 43), in raster order."""
    squares = read_squares(folder)
    return squares.drop(columns=["patch", "masked", "leading", "labels", "place"]).to_numpy(float)


def test_scores_are_those_of_the_super_resolved_scene(trained, scene, weights, tmp_path):
    """The networks see a patch's neighbours, other than in a cube: so the file of the whole tile is compared."""
    done = write_map(run=trained, product=scene, results=tmp_path / "maps", weights=weights)
    (found,) = find_tiles(scene.parent)
    super_resolve_tile(found, small(), tmp_path / "super.tif")
    bands = np.moveaxis(gdal.Open(str(tmp_path / "super.tif")).ReadAsArray(), 0, -1)
    windows = bands.reshape(3, 120, 3, 120, 12).swapaxes(1, 2).reshape(9, 120, 120, 12)
    scores = read_scores(tmp_path / "maps" / done["folder"])
    np.testing.assert_allclose(scores, score(trained, windows), atol=1e-5)
    assert np.ptp(scores, axis=0).max() > 1e-3


def test_a_scene_of_one_patch_equals_the_cube_route(trained, weights, tmp_path):
    """A tile narrower than the networks' windows; nothing lies around the patch, as in a cube."""
    bands = {}
    for band, array in pixels().items():
        bands[band] = np.ascontiguousarray(array[: len(array) // 3, : len(array) // 3])
    product = write_product(tmp_path / "tiles", bands, suffix="tif")
    done = write_map(run=trained, product=product, results=tmp_path / "maps", weights=weights)
    (found,) = find_tiles(product.parent)
    datasets = tile_pixels.open_bands(found)
    native = {}
    for metres in datasets:
        size = 1200 // metres
        native[metres] = tile_pixels.read_window(found, datasets, metres, 0, 0, size, size)[None]
    made = make_datasets(native, "dsen2", small())
    scores = read_scores(tmp_path / "maps" / done["folder"])
    np.testing.assert_allclose(scores, score(trained, made["data_super"]), atol=1e-5)


def test_ranks_share_the_strips_and_a_killed_map_goes_on(trained, scene, weights, tmp_path, monkeypatch):
    common = {"run": str(trained), "product": str(scene), "weights": str(weights), "stride": 600}
    whole = write_map(**common, results=tmp_path / "whole")
    killed = start_ranks(**common, results=str(tmp_path / "killed"), die_after=1)
    folder = find_map(scene, trained, tmp_path / "killed")
    super_resolved = find_partial(folder) / "scene/super"
    assert killed.returncode != 0
    assert sorted(item.name for item in super_resolved.iterdir()) == [
        "bands.u16",
        "journal-0.txt",
        "journal-1.txt",
        "strips.txt",
    ]
    made = []
    make = tile.make_strip
    monkeypatch.setattr(tile, "make_strip", lambda *arguments: made.append(arguments[2]) or make(*arguments))
    # one strip is damaged, the line of another was cut off: these two are made again, and no other
    with open(super_resolved / "bands.u16", "r+b") as file:
        file.write(b"damaged!")
    lines = (super_resolved / "journal-1.txt").read_text()
    (super_resolved / "journal-1.txt").write_text(lines[:-4])
    resumed = write_map(**common, results=tmp_path / "killed")
    assert len(made) == 2 and 0 < resumed["windows"] < whole["windows"]
    np.testing.assert_allclose(read_scores(folder), read_scores(tmp_path / "whole" / whole["folder"]), atol=1e-5)


def test_bands_of_other_networks_are_not_used(trained, scene, weights, tmp_path, monkeypatch):
    """A map that was begun with other networks starts anew; a finished one is refused."""
    other = tmp_path / "other"
    other.mkdir()
    for metres, network in small(seed=5).items():
        network.save(other / f"dsen2_{metres}m.keras")
    common = {"run": trained, "product": scene, "results": tmp_path / "maps"}
    with monkeypatch.context() as patched:
        patched.setattr(maps, "_classify_share", lambda *_: 1 / 0)
        with pytest.raises(ZeroDivisionError):
            write_map(**common, weights=other)
    done = write_map(**common, weights=weights)
    fresh = write_map(**common | {"results": tmp_path / "fresh"}, weights=weights)
    np.testing.assert_array_equal(read_scores(tmp_path / done["folder"]), read_scores(tmp_path / fresh["folder"]))
    with pytest.raises(InputError, match="exists with another super-resolution: choose another folder"):
        write_map(**common, weights=other)


def test_missing_weights_leave_nothing(trained, scene, tmp_path):
    with pytest.raises(InputError, match="needs weights: give the folder of its networks"):
        write_map(run=trained, product=scene, results=tmp_path / "maps")
    assert not list((tmp_path / "maps").glob("*"))


def test_progress_counts_strips_before_patches(trained, scene, weights, tmp_path, monkeypatch):
    make = tile.make_strip
    seen = []

    def look_and_make(*arguments):
        seen.append(measure_progress(scene, trained, tmp_path))
        return make(*arguments)

    monkeypatch.setattr(tile, "make_strip", look_and_make)
    write_map(run=trained, product=scene, results=tmp_path, weights=weights)
    assert seen == [("strip", done, len(seen)) for done in range(len(seen))] and len(seen) > 3
    assert measure_progress(scene, trained, tmp_path)[2] == 0
