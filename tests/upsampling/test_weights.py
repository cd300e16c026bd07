"""DSen2's networks on disk: trained ones, and published weight files."""

import functools
import hashlib
import threading
from http.server import SimpleHTTPRequestHandler, ThreadingHTTPServer

import h5py
import keras
import numpy as np
import pytest

from bigearth.errors import InputError
from bigearth.upsampling import dsen2, weights
from tests.upsampling.small_networks import patches, small


def old_file(path, model):
    """Weights as Keras 2 wrote them: names in attributes, a group a layer, also for layers without weights."""
    arrays = iter(model.get_weights())
    layers = {"input_1": {}, "concatenate_1": {}}
    for i, (kernel, bias) in enumerate(zip(arrays, arrays, strict=True), 1):
        layers |= {f"conv2d_{i}": {f"conv2d_{i}/kernel:0": kernel, f"conv2d_{i}/bias:0": bias}, f"lambda_{i}": {}}
    with h5py.File(path, "w") as file:
        file.attrs["layer_names"] = [name.encode() for name in layers]
        for name, arrays_of_layer in layers.items():
            group = file.create_group(name)
            group.attrs["weight_names"] = np.array([weight.encode() for weight in arrays_of_layer], "S")
            for weight, array in arrays_of_layer.items():
                group[weight] = array
    content = path.read_bytes()
    return hashlib.sha1(b"blob %d\0" % len(content) + content).hexdigest()


def test_published_weights_are_read_and_bands_put_in_our_order(tmp_path):
    keras.utils.set_random_seed(4)
    model = dsen2.build(20)
    blob = old_file(tmp_path / "old.hdf5", model)
    loaded = weights.load_published(tmp_path / "old.hdf5", 20, blob)
    blue, green, red, infrared = np.random.default_rng(0).random((4, 1, 16, 16), dtype=np.float32)
    coarse = np.random.default_rng(1).random((1, 16, 16, 6), dtype=np.float32)
    expected = model.predict_on_batch([np.stack([red, green, blue, infrared], -1), coarse])
    found = loaded.predict_on_batch([np.stack([blue, green, red, infrared], -1), coarse])
    np.testing.assert_allclose(found, expected, rtol=1e-3, atol=1e-4)


def test_weights_with_another_checksum_or_of_another_network_are_refused(tmp_path):
    path = tmp_path / weights.PUBLISHED[60][0]
    with pytest.raises(InputError, match="is missing"):
        weights.load_published(path, 60)
    blob = old_file(path, dsen2.build(20))
    with pytest.raises(InputError, match=f"git blob id {blob}"):
        weights.load_published(path, 60)
    with pytest.raises(InputError, match="not of the 60 m network"):
        weights.load_published(path, 60, blob)


def test_download_keeps_only_what_was_published(tmp_path, monkeypatch):
    served, kept = tmp_path / "served", tmp_path / "kept"
    served.mkdir()
    names = {
        metres: (f"{metres}.hdf5", old_file(served / f"{metres}.hdf5", dsen2.build(metres))) for metres in (20, 60)
    }
    handler = functools.partial(SimpleHTTPRequestHandler, directory=served)
    with ThreadingHTTPServer(("127.0.0.1", 0), handler) as server:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        monkeypatch.setattr(weights, "_URL", f"http://127.0.0.1:{server.server_port}/")
        monkeypatch.setattr(weights, "PUBLISHED", names)
        assert weights.download(kept) == [kept / "20.hdf5", kept / "60.hdf5"]
        assert set(weights.load(kept)) == {20, 60}
        (kept / "20.hdf5").unlink()
        (served / "20.hdf5").write_bytes(b"an error page")
        with pytest.raises(InputError, match="git blob id"):
            weights.download(kept)
        server.shutdown()
    assert not (kept / "20.hdf5").exists()


def test_a_folder_of_networks(tmp_path):
    with pytest.raises(InputError, match="holds neither"):
        weights.load(tmp_path)
    models = small()
    for metres, model in models.items():
        model.save(tmp_path / weights.TRAINED[metres])
    loaded = weights.load(tmp_path)
    bands = patches()
    np.testing.assert_array_equal(dsen2.super_resolve(bands, loaded)[60], dsen2.super_resolve(bands, models)[60])
    models[20].save(tmp_path / weights.TRAINED[60])
    with pytest.raises(InputError, match="60 m network"):
        weights.load(tmp_path)
    (tmp_path / weights.TRAINED[60]).write_bytes(b"not a network")
    with pytest.raises(InputError, match="60 m network"):
        weights.load(tmp_path)
