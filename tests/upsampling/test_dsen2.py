"""DSen2: the published networks and weight files, patches and tiles in windows, and training."""

import functools
import hashlib
import subprocess
import sys
import threading
from http.server import SimpleHTTPRequestHandler, ThreadingHTTPServer

import h5py
import keras
import numpy as np
import pytest
from osgeo import gdal

from bigearth.archive.products import find_tiles
from bigearth.errors import InputError
from bigearth.patch import BANDS, BANDS_AT
from bigearth.upsampling import dsen2, dsen2_training
from bigearth.upsampling.interpolation import bilinear
from bigearth.upsampling.quality import reduce_resolution
from tests.archive.small_products import pixels, write_product


def small(seed=0):
    """Networks that look 4 pixels far, less than the border of a window, and change what they are given."""
    keras.utils.set_random_seed(seed)
    return {metres: dsen2.build(metres, features=4, blocks=1) for metres in dsen2.WINDOW}


def patches(n=2, side=120, seed=0):
    rng = np.random.default_rng(seed)
    return {
        m: rng.integers(0, 8000, (n, side * 10 // m, side * 10 // m, len(bands)), dtype=np.uint16)
        for m, bands in BANDS_AT.items()
    }


@pytest.mark.parametrize(("metres", "count", "bands_in", "bands_out"), [(20, 1_789_574, 10, 6), (60, 1_787_266, 12, 2)])
def test_layers_and_parameters_as_published(metres, count, bands_in, bands_out):
    model = dsen2.build(metres)
    assert model.count_params() == count
    kernels = [weight.shape for weight in model.weights if len(weight.shape) == 4]
    assert kernels == [(3, 3, bands_in, 128)] + 12 * [(3, 3, 128, 128)] + [(3, 3, 128, bands_out)]


def test_the_residual_is_scaled_and_the_upsampled_bands_are_added():
    model = small()[20]
    x = [np.random.default_rng(i).random((1, 9, 9, c), dtype=np.float32) for i, c in ((0, 4), (1, 6))]
    (k1, b1), (k2, b2), (k3, b3), (k4, b4) = zip(*[iter(model.get_weights())] * 2, strict=True)

    def convolve(x, kernel, bias):
        return keras.ops.conv(x, kernel, padding="same") + bias

    y = keras.ops.relu(convolve(np.concatenate(x, axis=-1), k1, b1))
    y = y + 0.1 * convolve(keras.ops.relu(convolve(y, k2, b2)), k3, b3)
    np.testing.assert_allclose(model.predict_on_batch(x), convolve(y, k4, b4) + x[1], rtol=1e-4, atol=1e-5)


def old_file(path, model):
    """Weights as Keras 2 wrote them: names in attributes, a group a layer, also for layers without weights."""
    arrays = iter(model.get_weights())
    layers = {"input_1": {}, "concatenate_1": {}}
    for i, (kernel, bias) in enumerate(zip(arrays, arrays, strict=True), 1):
        layers |= {f"conv2d_{i}": {f"conv2d_{i}/kernel:0": kernel, f"conv2d_{i}/bias:0": bias}, f"lambda_{i}": {}}
    with h5py.File(path, "w") as file:
        file.attrs["layer_names"] = [name.encode() for name in layers]
        for name, weights in layers.items():
            group = file.create_group(name)
            group.attrs["weight_names"] = np.array([weight.encode() for weight in weights], "S")
            for weight, array in weights.items():
                group[weight] = array
    content = path.read_bytes()
    return hashlib.sha1(b"blob %d\0" % len(content) + content).hexdigest()


def test_published_weights_are_read_and_bands_put_in_our_order(tmp_path):
    keras.utils.set_random_seed(4)
    model = dsen2.build(20)
    blob = old_file(tmp_path / "old.hdf5", model)
    loaded = dsen2.load_published(tmp_path / "old.hdf5", 20, blob)
    blue, green, red, infrared = np.random.default_rng(0).random((4, 1, 16, 16), dtype=np.float32)
    coarse = np.random.default_rng(1).random((1, 16, 16, 6), dtype=np.float32)
    expected = model.predict_on_batch([np.stack([red, green, blue, infrared], -1), coarse])
    found = loaded.predict_on_batch([np.stack([blue, green, red, infrared], -1), coarse])
    np.testing.assert_allclose(found, expected, rtol=1e-3, atol=1e-4)


def test_weights_with_another_checksum_or_of_another_network_are_refused(tmp_path):
    path = tmp_path / dsen2.PUBLISHED[60][0]
    with pytest.raises(InputError, match="cannot be read"):
        dsen2.load_published(path, 60)
    blob = old_file(path, dsen2.build(20))
    with pytest.raises(InputError, match=f"git blob id {blob}"):
        dsen2.load_published(path, 60)
    with pytest.raises(InputError, match="not of the 60 m network"):
        dsen2.load_published(path, 60, blob)


def test_download_keeps_only_what_was_published(tmp_path, monkeypatch):
    served, kept = tmp_path / "served", tmp_path / "kept"
    served.mkdir()
    names = {
        metres: (f"{metres}.hdf5", old_file(served / f"{metres}.hdf5", dsen2.build(metres))) for metres in (20, 60)
    }
    handler = functools.partial(SimpleHTTPRequestHandler, directory=served)
    with ThreadingHTTPServer(("127.0.0.1", 0), handler) as server:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        monkeypatch.setattr(dsen2, "_URL", f"http://127.0.0.1:{server.server_port}/")
        monkeypatch.setattr(dsen2, "PUBLISHED", names)
        assert dsen2.download(kept) == [kept / "20.hdf5", kept / "60.hdf5"]
        assert set(dsen2.load(kept)) == {20, 60}
        (kept / "20.hdf5").unlink()
        (served / "20.hdf5").write_bytes(b"an error page")
        with pytest.raises(InputError, match="git blob id"):
            dsen2.download(kept)
        server.shutdown()
    assert not (kept / "20.hdf5").exists()


def test_a_folder_of_networks(tmp_path):
    with pytest.raises(InputError, match="holds neither"):
        dsen2.load(tmp_path)
    models = small()
    for metres, model in models.items():
        model.save(tmp_path / dsen2.TRAINED[metres])
    loaded = dsen2.load(tmp_path)
    bands = patches()
    np.testing.assert_array_equal(dsen2.super_resolve(bands, loaded)[60], dsen2.super_resolve(bands, models)[60])
    models[20].save(tmp_path / dsen2.TRAINED[60])
    with pytest.raises(InputError, match="60 m network"):
        dsen2.load(tmp_path)
    (tmp_path / dsen2.TRAINED[60]).write_bytes(b"not a network")
    with pytest.raises(InputError, match="60 m network"):
        dsen2.load(tmp_path)


def silent():
    """Networks that add nothing to the interpolated bands."""
    models = small()
    for model in models.values():
        model.layers[-2].kernel.assign(0 * model.layers[-2].kernel)
    return models


def test_patches_come_out_interpolated_plus_what_the_network_adds():
    bands = patches(3)
    result = dsen2.super_resolve(bands, silent(), batch=2)
    assert result[10] is bands[10]
    for metres in (20, 60):
        assert result[metres].dtype == np.uint16
        difference = result[metres].astype(int) - bilinear(bands[metres], 120)
        assert abs(difference).max() <= 1  # digital numbers: float32 against GDAL's rounding
    changed = dsen2.super_resolve(bands, small(), batch=2)
    assert (changed[20] != result[20]).mean() > 0.5
    one = dsen2.super_resolve({m: a[2:] for m, a in bands.items()}, small())
    np.testing.assert_array_equal(changed[60][2:], one[60])


def test_a_tile_in_windows_equals_the_tile_at_once(tmp_path):
    bands = pixels()
    write_product(tmp_path, bands, baseline="04.00", offset=-1000)
    (tile,) = find_tiles(tmp_path)
    dsen2.super_resolve_tile(tile, small(), tmp_path / "out.tif")
    dataset = gdal.Open(str(tmp_path / "out.tif"))
    written = dict(zip(BANDS, dataset.ReadAsArray(), strict=True))
    raw = {m: np.stack([bands[b] for b in names], -1)[None].astype(int) for m, names in BANDS_AT.items()}
    clear = {m: np.maximum(array - 1000, 0).astype(np.uint16) for m, array in raw.items()}
    whole = dsen2.super_resolve(clear, small())
    for metres, names in BANDS_AT.items():
        for i, band in enumerate(names):
            assert abs(written[band].astype(int) - whole[metres][0, ..., i]).max() <= 1, band
    assert dataset.GetGeoTransform()[1] == 10
    assert not list(tmp_path.glob(".*part"))


def related(n=6, side=120, seed=0):
    """Bands of 20 m and 60 m that are the 10 m bands at lower resolution: a guide can tell what is missing."""
    rng = np.random.default_rng(seed)
    fine = 1000 + 2000 * (bilinear(rng.random((n, side // 4, side // 4, 1), dtype=np.float32), side) > 0.5)
    fine = fine.astype(np.float32)
    bands = {m: np.repeat(reduce_resolution(fine, m // 10), len(names), -1) for m, names in BANDS_AT.items() if m > 10}
    return {10: np.repeat(fine, 4, -1).astype(np.uint16)} | {m: a.astype(np.uint16) for m, a in bands.items()}


@pytest.mark.parametrize("metres", [20, 60])
def test_pairs_are_at_reduced_resolution(metres):
    inputs, truth = dsen2_training.training_pairs(patches(2), metres)
    side = 60 if metres == 20 else 18  # 20 is no multiple of 6
    assert {array.shape[1:3] for array in (*inputs, truth)} == {(side, side)}
    assert [array.shape[-1] for array in inputs] == ([4, 6] if metres == 20 else [4, 6, 2])
    np.testing.assert_allclose(truth * dsen2.SCALE, patches(2)[metres][:, :side, :side], rtol=1e-6)


def test_training_learns_from_the_guide():
    keras.utils.set_random_seed(0)
    bands, held_out = related(), related(seed=1)
    model = dsen2.build(20, features=8, blocks=1)
    losses = dsen2_training.train(model, bands, 20, epochs=3, steps=25, batch_size=4, learning_rate=5e-3)
    inputs, truth = dsen2_training.training_pairs(held_out, 20)
    error = np.abs(model.predict_on_batch(inputs) - truth).mean()
    assert error < 0.6 * np.abs(inputs[-1] - truth).mean()
    assert losses[-1] < losses[0]


RANKS = """
import sys
from bigearth.upsampling.dsen2_training import train_networks
from mpi4py import MPI
losses = train_networks(weights=sys.argv[1], tiles=sys.argv[2], samples=1, features=4, blocks=1, epochs=1, steps=2,
                        batch_size=1)
assert MPI.COMM_WORLD.Get_size() == 2 and len(set(MPI.COMM_WORLD.allgather(str(losses)))) == int(sys.argv[3])
"""


def test_two_ranks_train_one_network_on_tiles(tmp_path):
    write_product(tmp_path, pixels())
    command = [
        "mpiexec",
        "--allow-run-as-root",
        "--oversubscribe",
        "--mca",
        "mpi_yield_when_idle",
        "1",
        "-n",
        "2",
        sys.executable,
        "-c",
        RANKS,
    ]
    written = []
    for own in (2, 1):  # each rank has its own loss; the second time there is nothing left to do
        result = subprocess.run(
            [*command, tmp_path / "weights", tmp_path, str(own)], capture_output=True, text=True, timeout=300
        )
        assert result.returncode == 0, result.stderr[-2000:]
        assert set(dsen2.load(tmp_path / "weights")) == {20, 60}
        written.append([path.stat().st_mtime_ns for path in sorted((tmp_path / "weights").iterdir())])
    assert written[0] == written[1]
