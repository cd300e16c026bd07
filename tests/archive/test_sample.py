"""The sample of an archive: purest patches first, bands in their order, spectra in reflectance."""

import numpy as np
import pytest

from bigearth.archive.pixels import read_patch
from bigearth.archive.survey import Survey
from bigearth.patch import BANDS, WAVELENGTH


@pytest.fixture(scope="module")
def survey(tiny_archive, tmp_path_factory):
    return Survey(tiny_archive, tmp_path_factory.mktemp("work"), [], seed=1)


@pytest.fixture(scope="module")
def sample(survey):
    return survey.sample(per_class=3)


def test_each_class_has_its_purest_patches(survey, sample):
    labels = survey.rows.set_index("patch").labels
    assert sample.chosen.label.value_counts().max() <= 3
    purest = sample.find_purest()
    assert set(purest.index) == {label for of_patch in labels for label in of_patch}
    for label, patch in purest.items():
        sizes = labels.map(len)[labels.map(lambda of_patch, label=label: label in of_patch)]
        assert len(labels[patch]) == sizes.min()


def test_sample_depends_on_seed_and_names_only(survey, sample):
    assert survey.sample(3).chosen.equals(sample.chosen)


def test_bands_are_in_the_order_of_wavelength(survey, sample):
    patch = sample.choose_example()
    listed = sample.list_bands(patch)
    assert [title.split(",")[0] for title, _ in listed] == list(BANDS)
    assert [image.shape[0] for _, image in listed] == [20, 120, 120, 120, 60, 60, 60, 120, 60, 20, 60, 60]
    described = sample.describe_bands(patch)
    assert described.band.tolist() == list(BANDS)
    assert np.allclose(described["mean"], [image.mean() for _, image in listed])


def test_spectra_are_quartiles_of_reflectance(sample):
    spectra = sample.measure_spectra()
    assert spectra.kind.drop_duplicates().tolist()[0] == "artificial surfaces"
    one = spectra[spectra.label == spectra.label.iloc[0]]
    assert one.wavelength_nm.tolist() == list(WAVELENGTH.values())
    patches = sample.chosen[sample.chosen.label == one.label.iloc[0]]
    red = [read_patch(sample.archive.path / folder)[10][..., 2].mean() / 10_000 for folder in patches.folder]
    assert one["median"].iloc[BANDS.index("B04")] == pytest.approx(np.median(red))
    assert (spectra.q25 <= spectra["median"]).all() and (spectra["median"] <= spectra.q75).all()


def test_vegetation_index_of_the_purest_patches(sample):
    vegetation = sample.measure_vegetation()
    assert vegetation.is_monotonic_increasing and vegetation.between(-1, 1).all()
    patch = sample.find_purest()[vegetation.index[0]]
    red, infrared = (sample.pixels[patch][10][..., i].mean() for i in (2, 3))
    assert vegetation.iloc[0] == pytest.approx((infrared - red) / (infrared + red))
