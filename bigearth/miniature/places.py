"""What the miniature's tiles hold: dates, light and the recipe of each landscape."""

from dataclasses import dataclass


@dataclass(frozen=True)
class Tile:
    """One acquisition of one MGRS tile, and the recipe of its landscape.

    Attributes
    ----------
    name, country, mission, sensed, orbit
        As in the names of products; `sensed` is the sensing time.
    epsg, x, y : int
        Projection, and upper left corner in m.
    sea : float
        Share of the area.
    base : str
        Classes from valley to summit, each with its share of the land.
    places : str
        Classes that are placed region by region, each with the number of its regions.
    dry, autumn : float
        How far herbs have dried and leaves have turned, 0 to 1.
    sun : float
        Brightness against the mean.
    snow, cloud : float
        Shares of the area.
    """

    name: str
    epsg: int
    x: int
    y: int
    country: str
    mission: str
    sensed: str
    orbit: int
    sea: float
    base: str
    places: str
    dry: float
    autumn: float
    sun: float
    snow: float = 0.0
    cloud: float = 0.0


TILES = (
    Tile(
        *("T29SNC", 32629, 499980, 4300020, "Portugal", "S2A", "20170724T112121", 37, 0.22),
        "211:20 243:9 242:6 244:17 311:16 324:9 312:12 323:12",
        "522:1 112:6 121:2 123:3 124:1 131:1 132:1 133:1 141:1 142:1 122:1 511:1 212:4 213:6 221:2 222:1 223:6 241:3 "
        "331:5 334:4 411:1 421:3 422:5 423:4 512:1 521:4",
        *(0.7, 0.0, 1.06),
    ),
    Tile(
        *("T29UPU", 32629, 600000, 5900040, "Ireland", "S2B", "20180511T114359", 123, 0.20),
        "211:13 231:40 243:7 242:4 412:17 324:5 312:9 322:8",
        "522:1 112:4 121:1 123:2 131:1 132:1 133:1 141:1 142:2 511:1 321:1 "
        "322:1 331:5 333:1 411:2 421:4 423:5 512:2 521:3",
        *(0.0, 0.0, 0.97, 0.0, 0.06),
    ),
    Tile(
        *("T32TMT", 32632, 399960, 5300040, "Switzerland", "S2A", "20180605T103021", 108, 0.0),
        "211:11 242:5 231:17 311:11 313:18 312:20 321:6 333:6 332:6",
        "112:5 121:1 124:1 131:1 133:1 141:2 142:1 122:1 511:1 221:1 222:2 322:2 512:2",
        *(0.0, 0.0, 1.02, 0.03, 0.0),
    ),
    Tile(
        *("T33UWP", 32633, 499980, 5400000, "Austria", "S2B", "20180418T095029", 79, 0.0),
        "211:37 242:4 243:6 231:10 311:15 313:14 312:14",
        "112:6 121:2 124:1 131:2 132:1 133:2 141:2 142:2 122:1 221:4 411:1 512:1",
        *(0.1, 0.15, 0.99),
    ),
    Tile(
        *("T34TEQ", 32634, 499980, 5000040, "Serbia", "S2B", "20170907T093039", 136, 0.0),
        "211:38 242:13 243:9 231:7 311:25 324:8",
        "112:6 121:2 124:1 131:2 132:2 133:1 141:1 122:1 511:1 212:3 221:1 222:4 241:4 321:2 334:3 411:2 512:1",
        *(0.45, 0.1, 1.0, 0.0, 0.035),
    ),
    Tile(
        *("T35VPK", 32635, 600000, 7000020, "Finland", "S2A", "20170916T094031", 36, 0.06),
        "211:9 243:4 412:13 313:22 312:34 311:5 324:13",
        "112:3 121:1 123:1 131:1 132:1 133:1 142:1 411:2 512:7 332:3",
        *(0.15, 0.45, 0.92),
    ),
)

# Region size in ha and where it goes: fields of `landscape`, the region takes the largest sum.
PLACES = {
    522: (320, "mouth"),
    112: (130, "low"),
    121: (60, "town"),
    123: (60, "harbour"),
    124: (120, "outskirts flat"),
    131: (60, "hill"),
    132: (60, "outskirts"),
    133: (60, "outskirts"),
    141: (45, "town"),
    142: (65, "outskirts"),
    212: (90, "low river"),
    213: (90, "low river"),
    221: (70, "hill"),
    222: (70, "hill"),
    223: (90, "hill"),
    241: (70, "low"),
    321: (90, "high"),
    322: (90, "high"),
    331: (45, "beach"),
    332: (60, "high"),
    333: (60, "high"),
    334: (80, "forest"),
    411: (60, "low river"),
    421: (60, "shore"),
    422: (95, "shore"),
    423: (60, "flats"),
    512: (70, "low"),
    521: (70, "shore"),
}
