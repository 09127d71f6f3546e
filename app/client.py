"""Who sends a request: its address as limits and delays know it, and whether it comes from this machine."""

from __future__ import annotations

import ipaddress
import re
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any
from urllib.parse import urlsplit

from starlette.requests import HTTPConnection
from starlette.types import ASGIApp, Receive, Scope, Send

if TYPE_CHECKING:
    import gradio as gr

_DOUBTED = "diptych.doubted"  # in a scope: a forwarded address that names this machine may be anybody's word
_WIDEST = {4: 8, 6: 16}  # bits: a network with fewer is no provider's, but half of the internet
_PORTED = re.compile(r"\[([0-9A-Fa-f:.]{2,45}(?:%[^\]]*)?)\](?::\d*)?|(\d{1,3}(?:\.\d{1,3}){3}):\d*")
_FORWARDED = re.compile(r"forwarded|(client|real|connecting)-?ip|^via$")  # names of headers that proxies add


def address(request: HTTPConnection | gr.Request) -> str:
    """The address that limits count by; of IPv6 the /64, of which every visitor has one to himself.

    Behind a proxy as `--trust-proxy` says: uvicorn has then put what the proxy told in the place of the proxy's own.
    """
    return network(request.client.host) if request.client else ""


def network(host: str) -> str:
    """An IPv4 address as it is (also one written as IPv6), the /64 of an IPv6 address, anything else unchanged.

    A port is left out, which some proxies tell with the address: each connection would be another address.
    """
    if ported := _PORTED.fullmatch(host):
        host = ported[1] or ported[2]
    try:
        parsed = ipaddress.ip_address(host.partition("%")[0])
    except ValueError:
        return host[:64]
    if isinstance(parsed, ipaddress.IPv4Address):
        return str(parsed)
    if parsed.ipv4_mapped:
        return str(parsed.ipv4_mapped)
    return str(ipaddress.ip_network((parsed, 64), strict=False))


def is_local(request: HTTPConnection) -> bool:
    """Whether a request comes from this machine itself, not through a proxy that runs on it.

    A proxy that is not trusted seems to be the client. It leaves a mark in the headers, or passes on a site's name; one
    that is trusted has given the true address, with no port. By its name is known, too, a page of another site whose
    name was made to mean this machine (DNS rebinding).
    """
    if request.client is None or _names_a_site(request.headers.get("host", "")):
        return False
    loopback = _is_loopback(request.client.host)
    trusted = request.client.port == 0 and not request.scope.get(_DOUBTED)
    return loopback and (trusted or not any(map(_FORWARDED.search, request.headers)))


def _is_loopback(host: str) -> bool:
    try:
        return ipaddress.ip_address(network(host)).is_loopback
    except ValueError:  # an IPv6 network, of which ::1 is the only loopback address, or a name
        return host == "::1"


@dataclass(frozen=True)
class Proxies:
    """The proxies that are trusted, by address or network."""

    networks: tuple[ipaddress.IPv4Network | ipaddress.IPv6Network, ...] = ()

    @classmethod
    def read(cls, text: str) -> Proxies:
        """Those of a list with commas; `*` is everybody. Raises ValueError with the part that is none."""
        found: list[ipaddress.IPv4Network | ipaddress.IPv6Network] = []
        for part in filter(None, map(str.strip, text.split(","))):
            for one in ("0.0.0.0/0", "::/0") if part == "*" else (part,):
                try:
                    found.append(ipaddress.ip_network(one))
                except ValueError as error:
                    raise ValueError(part) from error
        return cls(tuple(found))

    @property
    def widest(self) -> str:
        """A network among them that is too wide to be of proxies alone; empty where there is none."""
        return next((str(one) for one in self.networks if one.prefixlen < _WIDEST[one.version]), "")

    @property
    def written(self) -> list[str]:
        """As uvicorn reads them; those of IPv4 also as a socket for both kinds of addresses tells them."""
        mapped = [f"::ffff:{n.network_address}/{96 + n.prefixlen}" for n in self.networks if n.version == 4]
        return [*map(str, self.networks), *mapped]

    def __contains__(self, host: object) -> bool:
        try:
            address = ipaddress.ip_address(str(host).partition("%")[0])
        except ValueError:
            return False
        mapped = address.ipv4_mapped if isinstance(address, ipaddress.IPv6Address) else None
        return any((mapped or address) in one or address in one for one in self.networks)


class Forwarded:
    """ASGI middleware that puts the address which a trusted proxy tells in the place of the proxy's own.

    Only a proxy that runs on this machine has clients here, and only where it does not pass on the word of everybody.
    """

    def __init__(self, app: ASGIApp, proxies: Proxies) -> None:
        from uvicorn.middleware.proxy_headers import ProxyHeadersMiddleware  # late: commands load without it

        middleware: Any = ProxyHeadersMiddleware
        self.app: ASGIApp = middleware(app, proxies.written)
        self._proxies = proxies

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Note first whether the address may be this machine's."""
        peer = scope.get("client")
        doubted = bool(self._proxies.widest) or not (peer and _is_loopback(peer[0]))
        await self.app({**scope, _DOUBTED: doubted}, receive, send)


def _names_a_site(host: str) -> bool:
    """Whether the name that a request was sent to has a domain: no address, and no name of this network alone."""
    try:
        name = (urlsplit(f"//{host}").hostname or "").rstrip(".")
    except ValueError:
        return True
    return "." in name and not name.replace(".", "").isdigit() and not name.endswith(".localhost")
