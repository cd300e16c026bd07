"""Spectra of the land covers: reflectances of materials, and the mixture and texture of each class."""

import numpy as np

# Typical bottom-of-atmosphere reflectances in percent at the centres of B01 ... B12 (patch.BANDS), rounded. Levels
# and shapes follow what the spectral libraries of the USGS (Kokaly et al. 2017, Data Series 1035) and ECOSTRESS
# (Meerdink et al. 2019, Remote Sens. Environ. 230) show for such materials, lowered for the shade within canopies and
# streets that a 10 m pixel holds; no series of either library is reproduced. Snow after Warren 1982 (Rev. Geophys. 20),
# waters after the types in Mobley 1994 (Light and Water).
_REFLECTANCES = """
sea        5.0  4.5  3.5  2.1  1.9  1.7  1.7  1.6  1.6  1.5  1.1  0.8
lake       1.2  1.4  2.0  1.3  1.2  0.6  0.6  0.5  0.5  0.4  0.2  0.1
river      3.6  4.8  7.6  6.2  5.4  3.0  2.8  2.2  2.0  1.6  0.6  0.4
silty      6.4  8.4 12.4 12.8 11.8  7.4  7.0  5.2  4.6  3.2  0.8  0.5
lagoon     4.0  6.0 10.4  5.4  6.4  3.2  2.9  2.2  2.0  1.5  0.5  0.3
brine      5.5  7.5 10.5 11.5 10.5  8.0  7.6  6.8  6.4  5.0  1.4  0.8
broadleaf  1.8  2.1  4.3  2.4  8.6 28.5 37.0 39.0 40.5 40.5 18.0  7.6
litter     3.4  4.2  6.4  8.0 11.0 16.0 18.5 20.5 22.0 23.0 24.0 14.5
needle     1.5  1.8  3.6  2.1  4.4 13.5 17.5 18.6 19.8 20.3  8.6  3.7
birch      1.9  2.3  4.7  2.8  9.6 24.0 30.0 32.0 33.5 33.5 16.0  7.2
shrub      2.1  2.5  4.3  3.4  7.0 15.0 18.5 20.2 21.8 22.4 17.6  9.6
heather    2.3  2.7  4.1  4.4  7.4 12.8 15.2 16.8 18.6 19.8 20.4 12.2
grass      2.1  2.5  5.2  2.8 10.6 33.0 42.0 44.0 46.0 46.0 22.5 10.8
lawn       2.0  2.5  5.4  2.5 10.0 38.0 49.0 51.5 53.5 52.5 21.0  9.2
crop       2.0  2.4  4.9  2.5  8.6 36.0 49.0 52.0 54.0 53.0 18.5  8.0
maize      2.1  2.5  5.2  2.7  9.8 33.0 43.0 46.0 48.0 47.0 17.0  7.0
rice       2.3  2.7  5.2  3.0  8.4 22.5 28.5 30.5 32.0 31.0 10.0  4.0
vine       2.2  2.6  5.0  3.3 10.0 24.0 30.0 32.5 34.5 34.5 19.5 10.0
fruit      1.9  2.3  4.7  2.7  9.0 26.0 33.5 36.0 38.0 38.0 20.0  9.2
olive      3.0  3.6  5.9  5.4  9.4 17.0 20.0 22.0 23.6 24.2 20.6 12.4
straw      6.0  7.8 11.8 15.6 18.6 22.0 24.6 27.0 29.0 30.5 37.0 26.0
soil       4.6  6.0  9.2 12.6 14.2 15.8 17.4 19.0 20.6 22.0 28.0 23.5
pale_soil  7.8  9.8 14.2 19.4 21.6 23.6 25.4 27.2 28.8 30.0 37.0 33.0
moss       2.2  2.8  4.8  4.2  9.2 17.0 20.6 22.4 23.8 22.6 14.6  6.6
reed       2.2  2.8  4.8  4.0  9.2 18.5 23.0 25.0 26.6 26.0 15.0  7.2
halophyte  3.6  4.6  6.8  6.8  9.2 15.0 17.6 19.0 20.2 20.0 12.4  7.0
mud        5.6  7.0  9.4 11.0 11.6 11.8 11.8 11.8 11.6 10.4  6.2  4.2
sand      16.0 20.0 27.0 33.0 35.5 37.0 38.5 40.0 41.5 42.0 48.0 44.0
rock      12.5 14.4 17.2 19.6 20.6 21.4 22.0 22.6 23.2 23.8 27.0 24.6
lichen     7.6  9.0 12.4 13.4 15.8 18.6 20.2 21.8 23.2 24.2 27.0 20.0
gravel    15.5 18.4 23.0 26.6 28.4 29.6 30.6 31.6 32.4 33.0 38.0 36.0
char       2.8  3.2  3.8  4.6  5.4  6.4  7.2  8.2  9.2 10.4 16.0 16.4
asphalt    6.4  7.4  8.6  9.6 10.2 10.7 11.2 11.6 12.0 12.4 14.6 14.2
concrete  16.0 19.0 23.0 26.0 27.0 28.0 29.0 30.0 30.5 31.0 34.0 32.0
tile       5.8  7.2 10.6 20.0 24.0 27.0 29.0 31.0 32.5 34.0 41.0 37.0
metal     24.0 27.0 29.5 31.0 31.8 32.2 32.6 33.0 33.2 33.2 31.0 27.0
waste      8.4 10.2 12.6 14.8 16.0 17.2 18.2 19.2 20.0 20.6 23.0 20.0
salt      26.0 30.0 35.0 38.0 39.0 39.8 40.2 40.6 40.6 38.0 17.0 12.0
snow      88.0 89.0 89.0 87.0 86.0 84.0 82.0 80.0 78.0 66.0  8.0  6.0
cloud     62.0 62.5 62.0 63.0 64.0 65.0 66.0 67.0 68.0 50.0 46.0 36.0
"""
_ROWS = [line.split() for line in _REFLECTANCES.strip().splitlines()]
MATERIAL = {row[0]: index for index, row in enumerate(_ROWS)}
REFLECTANCE = np.array([row[1:] for row in _ROWS], np.float32) / 100

# Materials that dry (towards straw) or turn (towards litter) with the season.
HERBS = ("grass", "crop", "reed", "moss", "lichen", "halophyte")
LEAVES = ("broadleaf", "birch", "fruit", "vine")

# CLC code: texture (textures.draw_textures), then materials with their shares in percent, in the texture's order.
MIXTURES = {
    111: "blocks_small tile 42 concrete 16 broadleaf 6 asphalt 36",
    112: "blocks grass 34 broadleaf 18 tile 27 asphalt 21",
    121: "blocks_large metal 38 concrete 30 grass 6 asphalt 26",
    122: "fine asphalt 55 gravel 12 straw 18 grass 15",
    123: "blocks_large concrete 34 metal 22 asphalt 18 silty 26",
    124: "bands lawn 70 concrete 12 asphalt 18",
    131: "patches gravel 62 pale_soil 26 lagoon 12",
    132: "clumps waste 62 soil 18 straw 20",
    133: "patches pale_soil 62 concrete 22 asphalt 16",
    141: "clumps lawn 55 broadleaf 45",
    142: "patches lawn 70 sand 8 broadleaf 22",
    211: "fields crop 42 soil 38 straw 20",
    212: "fields maize 84 soil 16",
    213: "fields rice 86 silty 14",
    221: "rows vine 55 pale_soil 45",
    222: "dots fruit 58 grass 42",
    223: "dots olive 52 pale_soil 48",
    231: "fields_hedged grass 88 broadleaf 12",
    241: "strips straw 30 vine 40 soil 30",
    242: "strips crop 24 grass 22 soil 24 straw 14 fruit 10 tile 6",
    243: "patches grass 34 crop 18 shrub 22 broadleaf 26",
    244: "dots broadleaf 38 straw 62",
    311: "clumps broadleaf 96 litter 4",
    312: "clumps needle 96 litter 4",
    313: "stands needle 50 broadleaf 50",
    321: "clumps grass 62 straw 28 rock 10",
    322: "clumps heather 84 grass 16",
    323: "clumps shrub 78 pale_soil 22",
    324: "clumps birch 42 straw 28 needle 18 shrub 12",
    331: "clumps sand 92 straw 8",
    332: "clumps rock 88 lichen 12",
    333: "clumps lichen 66 rock 22 grass 12",
    334: "clumps char 88 soil 12",
    411: "patches reed 74 lake 26",
    412: "patches moss 72 heather 18 lake 10",
    421: "creeks halophyte 76 mud 24",
    422: "blocks_large salt 46 brine 54",
    423: "creeks mud 84 silty 16",
    511: "clumps river 100",
    512: "clumps lake 100",
    521: "clumps lagoon 100",
    522: "clumps silty 70 river 30",
    523: "clumps sea 100",
}
