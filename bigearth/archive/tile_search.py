"""Search the Copernicus Data Space, through eodag, for the L2A products of the tiles behind BigEarthNet.

The archive's JSON names level 1C products. A level 2A product is of the same scene if mission, sensing start, relative
orbit and tile agree. Several may be: all of the newest processing baseline are taken, two may complete each other.

eodag is not part of the study's environment: only this search and its download need it.
"""

import datetime
import re
from dataclasses import dataclass
from typing import Any

from requests.auth import AuthBase

from bigearth.errors import InputError

PROVIDER, COLLECTION = "cop_dataspace", "S2_MSI_L2A"
_PREFIX = "EODAG__COP_DATASPACE__AUTH__CREDENTIALS__"
_NAME = re.compile(r"(S2[A-D])_MSIL(1C|2A)_(\d{8}T\d{6})_N(\d{4})_(R\d{3})_(T\d\d[A-Z]{3})_\d{8}T\d{6}")
_MOST_RESULTS = 200  # of a tile and a day, all baselines


@dataclass(frozen=True)
class Scene:
    """What the products of a scene share: such as "S2A", "20170613T101031", "R022" and "T33UUP"."""

    mission: str
    sensed: str
    orbit: str
    tile: str


@dataclass(frozen=True)
class Offer:
    """A product that the catalogue offers.

    Attributes
    ----------
    name : str
        Such as "S2A_MSIL2A_20170613T101031_N0500_R022_T33UUP_20231003T101031.SAFE".
    baseline : str
        Processing baseline, such as "05.00".
    size : int
        Bytes of its zip file; 0 where the catalogue does not say.
    checksum : str or None
        Such as "md5:..."; None where the catalogue does not say.
    url : str
    sign_on
        Gets a token for the download.
    """

    name: str
    baseline: str
    size: int
    checksum: str | None
    url: str
    sign_on: Any

    def authenticate(self) -> AuthBase:
        """Sign on; a token is kept and renewed by eodag.

        Raises
        ------
        InputError
            The credentials are missing or wrong, or the service does not answer.
        """
        from eodag.utils.exceptions import EodagError

        if self.sign_on is None:
            raise InputError(_ask_for_credentials("are missing"))
        try:
            return self.sign_on.authenticate()
        except (EodagError, OSError) as error:
            reason = str(error.args[0] if error.args else error).splitlines()[0]
            raise InputError(_ask_for_credentials(f"are not accepted ({reason})")) from None


def read_scene(product: str) -> Scene:
    """Read the scene of a product from its name; InputError where it is no name of a product."""
    match = _NAME.match(product)
    if not match:
        raise InputError(f"{product!r} is not the name of a Sentinel-2 product: give one such as S2A_MSIL2A_...")
    mission, _, sensed, _, orbit, tile = match.groups()
    return Scene(mission, sensed, orbit, tile)


class Catalogue:
    """The catalogue of the Copernicus Data Space.

    Raises
    ------
    InputError
        eodag is not installed.
    """

    def __init__(self) -> None:
        try:
            import eodag
        except ImportError:
            raise InputError(
                "tiles are fetched with eodag, which is not installed: python -m pip install 'eodag>=4.10.1,<5'"
            ) from None
        self._gateway = eodag.EODataAccessGateway()

    def check_credentials(self) -> None:
        """Raise InputError where eodag has no user name and password for the Data Space."""
        config = self._gateway.providers[PROVIDER].config
        credentials = getattr(getattr(config, "auth", None), "credentials", None) or {}
        if not credentials.get("username") or not credentials.get("password"):
            raise InputError(_ask_for_credentials("are missing"))

    def find(self, scene: Scene) -> list[Offer]:
        """Find the L2A products of a scene: all of the newest baseline, or none.

        Raises
        ------
        InputError
            The catalogue does not answer.
        """
        from eodag.utils.exceptions import EodagError

        day = datetime.datetime.strptime(scene.sensed[:8], "%Y%m%d").date()
        try:
            results = self._gateway.search(
                provider=PROVIDER,
                collection=COLLECTION,
                start=day.isoformat(),
                end=(day + datetime.timedelta(days=1)).isoformat(),
                limit=_MOST_RESULTS,
                raise_errors=True,
                **{"grid:code": f"MGRS-{scene.tile[1:]}"},
            )
        except (EodagError, OSError) as error:
            reason = (str(error) or type(error).__name__).splitlines()[0]
            raise InputError(f"the catalogue of the Data Space does not answer ({reason}): call again later") from None
        offers = [_read_offer(product) for product in results if _is_of(product, scene)]
        newest = max((offer.baseline for offer in offers), default="")
        return sorted((offer for offer in offers if offer.baseline == newest), key=lambda offer: offer.name)


def _is_of(product: Any, scene: Scene) -> bool:
    name = str(product.properties.get("title"))
    match = _NAME.match(name)
    return match is not None and match[2] == "2A" and read_scene(name) == scene


def _read_offer(product: Any) -> Offer:
    name = str(product.properties["title"])
    match = _NAME.match(name)
    baseline = match[4] if match else ""
    digest = product.properties.get("file:checksum")
    is_digest = isinstance(digest, str) and re.fullmatch(r"[0-9a-fA-F]{32}", digest)
    size = product.properties.get("file:size")
    return Offer(
        name=f"{name.removesuffix('.SAFE')}.SAFE",
        baseline=f"{baseline[:2]}.{baseline[2:]}",
        size=size if isinstance(size, int) else 0,
        checksum=f"md5:{digest.lower()}" if is_digest else None,
        url=product.remote_location,
        sign_on=product.downloader_auth,
    )


def _ask_for_credentials(problem: str) -> str:
    return (
        f"user name and password of the Copernicus Data Space {problem}: get a free account at "
        f"https://dataspace.copernicus.eu, and set {_PREFIX}USERNAME and {_PREFIX}PASSWORD"
    )
