"""A map against the land cover of the miniature's tile: right where it is right, whatever the labels."""

import json

import numpy as np
import pytest

from bigearth.labels import LABELS_19, LABELS_43, TO_19
from bigearth.miniature import truth
from bigearth.miniature.products import MAPPED_TILE
from bigearth.miniature.scenes import render_scenes
from bigearth.miniature.truth import compare_with_land_cover


@pytest.fixture
def tile(tiny_archive, monkeypatch):
    """Side of the tile in patches, and the labels of the archive's patches in it by their place."""
    monkeypatch.setattr(truth, "miniature", lambda workdir: tiny_archive)
    made = json.loads((tiny_archive / "MINIATURE").read_text())
    (scene,) = render_scenes(made["patches"], made["seed"], [MAPPED_TILE])
    return len(scene.cover) // 120, {(patch.row, patch.col): patch.classes for patch in scene.patches}


def score_truth(tile, labels, names):
    side, patches = tile
    scores = np.full((len(labels), side, side), np.nan, np.float32)
    for (row, column), classes in patches.items():
        scores[:, row, column] = 0
        for index in classes:
            name = names[LABELS_43[index]]
            if name is not None:
                scores[labels.index(name), row, column] = 1
    return scores


@pytest.mark.parametrize("labels", [LABELS_43, LABELS_19], ids=["43", "19"])
def test_the_archives_labels_are_all_right(tile, labels, tmp_path):
    names = dict(zip(LABELS_43, LABELS_43, strict=True)) if labels == LABELS_43 else TO_19
    scores = score_truth(tile, labels, names)
    table = compare_with_land_cover(tmp_path, scores, labels, np.full(len(labels), 0.5))
    assert len(table) > 3 and (table.f1 == 1).all() and (table.patches == table.given).all()


def test_wrong_labels_and_masked_patches(tile, tmp_path):
    scores = score_truth(tile, LABELS_43, dict(zip(LABELS_43, LABELS_43, strict=True)))
    commonest = int(np.nansum(scores, axis=(1, 2)).argmax())
    holds = int(np.nansum(scores[commonest]))
    scores[commonest] = 1 - scores[commonest]
    table = compare_with_land_cover(tmp_path, scores, LABELS_43, np.full(43, 0.5)).set_index("label")
    row = table.loc[LABELS_43[commonest]]
    assert (row.patches, row.f1) == (holds, 0) and row.given == np.isfinite(scores[0]).sum() - holds
    with pytest.raises(ValueError, match="pixels, but the tile has"):
        compare_with_land_cover(tmp_path, scores[:, 1:], LABELS_43, np.full(43, 0.5))
