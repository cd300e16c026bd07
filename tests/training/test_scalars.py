"""Scalars for TensorBoard: what is in the files, after a resumption too."""

import pytest

tf = pytest.importorskip("tensorflow")

from bigearth.training.scalars import FOLDER, Scalars  # noqa: E402


def describe_epoch(epoch):
    return {
        "epoch": epoch,
        "learning_rate": 0.1,
        "loss": 1 / epoch,
        "val_loss": 2 / epoch,
        "val_f1": epoch / 10,
        "seconds": 2.0,
        "images": 100 * epoch,
        "validation_seconds": 1.0,
    }


def read_points(folder):
    """All points in the files of a run: a list of (tag, epoch, value)."""
    points = []
    for path in sorted((folder / FOLDER).glob("events.out.tfevents.*")):
        for record in tf.data.TFRecordDataset(str(path)):
            event = tf.compat.v1.Event.FromString(record.numpy())
            for value in event.summary.value:
                points.append((value.tag, event.step, round(float(tf.make_ndarray(value.tensor)), 6)))
    return points


def test_every_epoch_is_a_point_and_none_is_doubled_by_a_resumption(tmp_path):
    history = [describe_epoch(epoch) for epoch in (1, 2, 3)]
    first = Scalars(tmp_path)
    first.write(history[:1])
    first.write(history[:2])
    (tmp_path / FOLDER / "mine.txt").touch()

    again = Scalars(tmp_path)  # started again from the checkpoint of epoch 1: epoch 2 is trained anew
    again.write(history[:2])
    again.write(history)
    points = read_points(tmp_path)
    assert len(points) == len(set(points)) == 5 * 3
    assert ("val_f1", 2, 0.2) in points and ("images_per_second", 3, 150.0) in points
    assert ("learning_rate", 1, 0.1) in points and ("loss", 2, 0.5) in points and ("val_loss", 1, 2.0) in points
    assert (tmp_path / FOLDER / "mine.txt").exists()
