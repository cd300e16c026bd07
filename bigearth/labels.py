"""The CORINE Land Cover labels of BigEarthNet: 43 classes of level 3, and their grouping into 19.

Codes and colours are those of CORINE's official legend (European Environment Agency); the 19 classes are those of
Sumbul et al. 2021 (BigEarthNet-MM), which drop eleven classes that a single date cannot tell.
"""

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


def _parse(line):
    code, colour, label = line.split(" ", 2)
    label, _, group = label.partition(" > ")
    return int(code), f"#{colour}", label, None if group == "-" else group or label


_ROWS = [_parse(line) for line in _TABLE.splitlines()]

LABELS_43 = tuple(label for _, _, label, _ in _ROWS)
TO_19 = {label: group for _, _, label, group in _ROWS}
LABELS_19 = tuple(dict.fromkeys(group for group in TO_19.values() if group))
CLC_CODE = {label: code for code, _, label, _ in _ROWS}
# A group takes the colour of its first member.
COLOURS = {name: colour for _, colour, label, group in reversed(_ROWS) for name in (group, label) if name}


def label_names(nomenclature):
    """Labels of a nomenclature in their fixed order.

    Parameters
    ----------
    nomenclature : int
        43 or 19.

    Returns
    -------
    tuple of str

    Raises
    ------
    InputError
        For any other number.
    """
    if nomenclature not in (43, 19):
        raise InputError(f"nomenclature {nomenclature!r} is unknown: give 43 or 19")
    return LABELS_43 if nomenclature == 43 else LABELS_19


def binarise(label_lists, names):
    """Indicator matrix of label lists.

    Parameters
    ----------
    label_lists : list of list of str
        The labels of N patches.
    names : tuple of str
        The C labels of the nomenclature, in column order.

    Returns
    -------
    numpy.ndarray
        N x C, uint8.

    Raises
    ------
    InputError
        A label is not among ``names``.
    """
    column = {name: i for i, name in enumerate(names)}
    matrix = np.zeros((len(label_lists), len(names)), np.uint8)
    for row, patch_labels in zip(matrix, label_lists, strict=True):
        try:
            row[[column[label] for label in patch_labels]] = 1
        except KeyError as error:
            raise InputError(f"label {error} is not among the {len(names)} classes: check the nomenclature") from None
    return matrix


def to_19(patch_labels):
    """Labels of one patch among the 19 classes, sorted as in v2.0; empty where none of its 43 has a counterpart.

    Parameters
    ----------
    patch_labels : list of str
        Labels among the 43.

    Returns
    -------
    list of str

    Raises
    ------
    InputError
        A label is not among the 43.
    """
    unknown = [label for label in patch_labels if label not in TO_19]
    if unknown:
        raise InputError(f"label {unknown[0]!r} is not among the 43 classes: check the nomenclature")
    return sorted({TO_19[label] for label in patch_labels} - {None})
