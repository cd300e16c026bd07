"""Regions lie where they are allowed, and are as large as asked for; a city grows its surroundings."""

import numpy as np
import pytest

from bigearth.miniature.regions import HECTARE, METRES, NOWHERE, find_region, grow_city

SIZE = 200


@pytest.fixture
def sites():
    ratings = {name: np.zeros((SIZE, SIZE)) for name in ("low", "jitter", "harbour", "outskirts")}
    return ratings | {"town": np.full((SIZE, SIZE), float(NOWHERE))}


def test_a_region_is_where_it_suits_and_of_its_size(sites):
    sites["low"][:, :100] = NOWHERE
    codes, locked = np.zeros((SIZE, SIZE), int), np.zeros((SIZE, SIZE), bool)
    window, region = find_region(sites, "low", 40, 112, codes, locked, np.random.default_rng(0))
    assert 0.5 * 40 * HECTARE < region.sum() < 1.2 * 40 * HECTARE
    found = np.zeros((SIZE, SIZE), bool)
    found[window] = region
    assert not found[:, :100].any()


def test_there_may_be_no_room(sites):
    everywhere = np.ones((SIZE, SIZE), bool)
    assert find_region(sites, "low", 40, 112, np.zeros((SIZE, SIZE)), everywhere, np.random.default_rng(0)) is None


def test_a_city_has_a_core_and_a_village_has_none(sites):
    window, region = np.s_[80:120, 80:120], np.ones((40, 40), bool)
    codes = np.zeros((SIZE, SIZE), int)
    grow_city(window, region, True, codes, sites)
    assert not codes.any()
    grow_city(window, region, False, codes, sites)
    assert 0.2 < (codes[window] == 111).mean() < 0.6
    assert sites["town"][100, 120 + 200 // METRES] == 1 and sites["town"][100, 120 + 400 // METRES] == NOWHERE
