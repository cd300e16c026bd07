"""The CORINE Land Cover labels of BigEarthNet: 43 classes of level 3, and their grouping into 19.

Codes and colours are those of CORINE's official legend (European Environment Agency); the 19 classes are those of
Sumbul et al. 2021 (BigEarthNet-MM), which drop eleven classes that a single date cannot tell.
"""

from collections.abc import Sequence

import numpy as np

from bigearth.errors import InputError

# CLC code, official colour, label; after ">" the label among the 19 where it differs, "-" where there is none.
_TABLE = """\
111 e6004d Continuous urban fabric > Urban fabric
112 ff0000 Discontinuous urban fabric > Urban fabric
121 cc4df2 Industrial or commercial units
122 cc0000 Road and rail networks and associated land > -
123 e6cccc Port areas > -
124 e6cce6 Airports > -
131 a600cc Mineral extraction sites > -
132 a64d00 Dump sites > -
133 ff4dff Construction sites > -
141 ffa6ff Green urban areas > -
142 ffe6ff Sport and leisure facilities > -
211 ffffa8 Non-irrigated arable land > Arable land
212 ffff00 Permanently irrigated land > Arable land
213 e6e600 Rice fields > Arable land
221 e68000 Vineyards > Permanent crops
222 f2a64d Fruit trees and berry plantations > Permanent crops
223 e6a600 Olive groves > Permanent crops
231 e6e64d Pastures
241 ffe6a6 Annual crops associated with permanent crops > Permanent crops
242 ffe64d Complex cultivation patterns
243 e6cc4d Land principally occupied by agriculture, with significant areas of natural vegetation
244 f2cca6 Agro-forestry areas
311 80ff00 Broad-leaved forest
312 00a600 Coniferous forest
313 4dff00 Mixed forest
321 ccf24d Natural grassland > Natural grassland and sparsely vegetated areas
322 a6ff80 Moors and heathland > Moors, heathland and sclerophyllous vegetation
323 a6e64d Sclerophyllous vegetation > Moors, heathland and sclerophyllous vegetation
324 a6f200 Transitional woodland/shrub > Transitional woodland, shrub
331 e6e6e6 Beaches, dunes, sands
332 cccccc Bare rock > -
333 ccffcc Sparsely vegetated areas > Natural grassland and sparsely vegetated areas
334 000000 Burnt areas > -
411 a6a6ff Inland marshes > Inland wetlands
412 4d4dff Peatbogs > Inland wetlands
421 ccccff Salt marshes > Coastal wetlands
422 e6e6ff Salines > Coastal wetlands
423 a6a6e6 Intertidal flats > -
511 00ccf2 Water courses > Inland waters
512 80f2e6 Water bodies > Inland waters
521 00ffa6 Coastal lagoons > Marine waters
522 a6ffe6 Estuaries > Marine waters
523 e6f2ff Sea and ocean > Marine waters
"""


def _parse_row(line: str) -> tuple[int, str, str, str | None]:
    """Code, colour, label, and the label among the 19 (None where there is none)."""
    code, colour, names = line.split(" ", 2)
    label, _, group = names.partition(" > ")
    if group == "-":
        return int(code), f"#{colour}", label, None
    return int(code), f"#{colour}", label, group or label


def _pair_with_colours() -> dict[str, str]:
    """Label to colour; a group takes the colour of its first member."""
    colours: dict[str, str] = {}
    for _, colour, label, group in _ROWS:
        colours.setdefault(label, colour)
        if group:
            colours.setdefault(group, colour)
    return colours


_ROWS = [_parse_row(line) for line in _TABLE.splitlines()]

LABELS_43 = tuple(label for _, _, label, _ in _ROWS)
TO_19 = {label: group for _, _, label, group in _ROWS}
LABELS_19 = tuple(dict.fromkeys(group for group in TO_19.values() if group))
CLC_CODE = {label: code for code, _, label, _ in _ROWS}
COLOURS = _pair_with_colours()


def label_names(nomenclature: int) -> tuple[str, ...]:
    """Return the labels of a nomenclature in their fixed order.

    Parameters
    ----------
    nomenclature : int
        43 or 19.

    Raises
    ------
    InputError
        For any other number.
    """
    if nomenclature not in (43, 19):
        raise InputError(f"nomenclature {nomenclature!r} is unknown: give 43 or 19")
    return LABELS_43 if nomenclature == 43 else LABELS_19


def binarise(label_lists: Sequence[Sequence[str]], names: Sequence[str]) -> np.ndarray:
    """Turn label lists into an indicator matrix.

    Parameters
    ----------
    label_lists : list of list of str
        The labels of N patches.
    names : tuple of str
        The C labels of the nomenclature, in column order.

    Returns
    -------
    numpy.ndarray
        N x C, uint8: 1 where the patch has the label.

    Raises
    ------
    InputError
        A label is not among ``names``.
    """
    column_of = {name: column for column, name in enumerate(names)}
    matrix = np.zeros((len(label_lists), len(names)), np.uint8)
    for row, labels in enumerate(label_lists):
        for label in labels:
            if label not in column_of:
                raise InputError(f"label {label!r} is not among the {len(names)} classes: check the nomenclature")
            matrix[row, column_of[label]] = 1
    return matrix


def to_19(labels: Sequence[str]) -> list[str]:
    """Translate the labels of one patch from the 43 classes to the 19.

    Parameters
    ----------
    labels : list of str
        Labels among the 43.

    Returns
    -------
    list of str
        Sorted as in v2.0; empty where none of the labels has a counterpart.

    Raises
    ------
    InputError
        A label is not among the 43.
    """
    groups = set()
    for label in labels:
        if label not in TO_19:
            raise InputError(f"label {label!r} is not among the 43 classes: check the nomenclature")
        group = TO_19[label]
        if group:
            groups.add(group)
    return sorted(groups)
