"""A server on the loopback that answers as the Copernicus Data Space's catalogue, sign-on and download service do.

The protocol is that of the provider ``cop_dataspace`` of eodag: OData version 4 for the search, OpenID Connect with a
password for the sign-on, and ``Products(ID)/$value`` for the download, which redirects to another address. Only the
addresses of the three are replaced, by eodag's own environment variables.
"""

import datetime
import hashlib
import json
import re
import threading
import urllib.parse
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

import jwt
import pytest
from cryptography.hazmat.primitives.asymmetric import rsa

USER, PASSWORD = "somebody", "secret"
AUDIENCE = "CLOUDFERRO_PUBLIC"
_KEY = rsa.generate_private_key(public_exponent=65537, key_size=2048)


class DataSpace(BaseHTTPRequestHandler):
    """Offers `products` (name to content of its zip); `cut` bytes are sent before a connection breaks."""

    products, cut, checksums, requests, asked, url = {}, None, True, [], [], ""

    def do_GET(self):
        path, _, query = self.path.partition("?")
        asked = dict(urllib.parse.parse_qsl(query))
        self.requests.append(path)
        if path == "/odata/v1/Products":
            return self._answer(self._search(asked))
        if path.endswith("/openid-configuration"):
            return self._answer(self._describe_sign_on())
        if path == "/keys":
            key = json.loads(jwt.algorithms.RSAAlgorithm.to_jwk(_KEY.public_key()))
            return self._answer({"keys": [key | {"kid": "1", "use": "sig", "alg": "RS256"}]})
        found = re.fullmatch(r"(/download)?/odata/v1/Products\((.*)\)/\$value", path)
        if not found:
            return self.send_error(404)
        if not self._is_allowed(asked.get("token")):
            return self._answer({"detail": "Expired signature!"}, 401)
        if not found[1]:
            self.send_response(301)
            self.send_header("Location", f"{self.url}/download{self.path}")
            self.end_headers()
            return None
        return self._send_zip(self.products[bytes.fromhex(found[2]).decode()])

    def do_POST(self):
        self.requests.append(self.path)
        form = dict(urllib.parse.parse_qsl(self.rfile.read(int(self.headers["Content-Length"])).decode()))
        if (form.get("username"), form.get("password")) != (USER, PASSWORD):
            return self._answer({"error": "invalid_grant", "error_description": "Invalid user credentials"}, 401)
        ends = datetime.datetime.now(datetime.UTC) + datetime.timedelta(minutes=10)
        token = jwt.encode({"aud": AUDIENCE, "exp": ends}, _KEY, "RS256", {"kid": "1"})
        return self._answer({"access_token": token, "refresh_token": "again", "refresh_expires_in": 3600})

    def _search(self, asked):
        conditions = urllib.parse.unquote(asked["$filter"])
        assert "Collection/Name eq 'SENTINEL-2'" in conditions and "S2MSI2A" in conditions, conditions
        tile = re.search(r"'tileId' and [^)]*Value eq '(\w+)'", conditions)[1]
        end = re.search(r"ContentDate/Start lt ([\dT:.Z-]+)", conditions)[1]
        start = re.search(r"ContentDate/End gt ([\dT:.Z-]+)", conditions)[1]
        found = [self._describe(name) for name in sorted(self.products) if f"_T{tile}_" in name]
        return {"value": [one for one in found if start < one["ContentDate"]["Start"] < end]}

    def _describe(self, name):
        content = self.products[name]
        mission, level, sensed, _, orbit, tile, _ = name.removesuffix(".SAFE").split("_")
        time = datetime.datetime.strptime(sensed, "%Y%m%dT%H%M%S").strftime("%Y-%m-%dT%H:%M:%S.031Z")
        attributes = {"productType": f"S2MSI{level[-2:]}", "tileId": tile[1:], "relativeOrbitNumber": int(orbit[1:])}
        checksum = {"Value": hashlib.md5(content).hexdigest(), "Algorithm": "MD5"}
        return {
            "Id": name.encode().hex(),
            "Name": name,
            "ContentType": "application/octet-stream",
            "ContentLength": len(content) if self.checksums else 0,
            "Online": True,
            "Checksum": [checksum] if self.checksums else [{}],
            "ContentDate": {"Start": time, "End": time},
            "Footprint": "geography'SRID=4326;POLYGON ((13 48, 14 48, 14 49, 13 49, 13 48))'",
            "Attributes": [{"Name": key, "Value": value} for key, value in attributes.items()],
            "Assets": [],
        }

    def _describe_sign_on(self):
        return {
            "jwks_uri": f"{self.url}/keys",
            "token_endpoint": f"{self.url}/token",
            "authorization_endpoint": f"{self.url}/authorize",
            "id_token_signing_alg_values_supported": ["RS256"],
        }

    def _is_allowed(self, token):
        try:
            jwt.decode(token or "", _KEY.public_key(), ["RS256"], audience=AUDIENCE)
        except jwt.InvalidTokenError:
            return False
        return True

    def _send_zip(self, content):
        asked = self.headers.get("Range")
        self.asked.append(asked)
        start = int(re.match(r"bytes=(\d+)-", asked)[1]) if asked else 0
        if start and start >= len(content):
            return self.send_error(416)
        self.send_response(206 if asked else 200)
        self.send_header("Content-Type", "application/zip")
        self.send_header("Content-Length", str(len(content) - start))
        self.end_headers()
        self.wfile.write(content[start : self.cut])
        return None

    def _answer(self, content, status=200):
        body = json.dumps(content).encode()
        self.send_response(status)
        self.send_header("Content-Type", "application/json")
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, *_):
        pass


@pytest.fixture
def data_space(monkeypatch, tmp_path):
    """The server, without products; eodag is led to it, and has its credentials."""
    handler = type("Handler", (DataSpace,), {"products": {}, "requests": [], "asked": []})
    httpd = ThreadingHTTPServer(("127.0.0.1", 0), handler)
    handler.url = f"http://127.0.0.1:{httpd.server_port}"
    settings = {
        "SEARCH__API_ENDPOINT": f"{handler.url}/odata/v1/Products",
        "SEARCH__METADATA_MAPPING__EODAG_DOWNLOAD_LINK": f"{handler.url}/odata/v1/Products({{uid}})/$value",
        "AUTH__OIDC_CONFIG_URL": f"{handler.url}/realm/.well-known/openid-configuration",
        "AUTH__MATCHING_URL": handler.url,
        "AUTH__CREDENTIALS__USERNAME": USER,
        "AUTH__CREDENTIALS__PASSWORD": PASSWORD,
    }
    for name, value in settings.items():
        monkeypatch.setenv(f"EODAG__COP_DATASPACE__{name}", value)
    monkeypatch.setenv("EODAG_CFG_DIR", str(tmp_path / "eodag"))
    threading.Thread(target=httpd.serve_forever, daemon=True).start()
    yield handler
    httpd.shutdown()
    httpd.server_close()
