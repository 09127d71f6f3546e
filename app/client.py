"""Who sends a request: its address as limits and delays know it, and whether it comes from this machine."""

from __future__ import annotations

import ipaddress
from typing import TYPE_CHECKING
from urllib.parse import urlsplit

from starlette.requests import HTTPConnection

if TYPE_CHECKING:
    import gradio as gr

_FORWARDED = ("x-forwarded-for", "x-forwarded-host", "x-forwarded-proto", "forwarded", "x-real-ip", "via")


def address(request: HTTPConnection | gr.Request) -> str:
    """The address that limits count by; of IPv6 the /64, of which every visitor has one to himself.

    Behind a proxy as `--trust-proxy` says: uvicorn has then put what the proxy told in the place of the proxy's own.
    """
    return network(request.client.host) if request.client else ""


def network(host: str) -> str:
    """An IPv4 address as it is (also one written as IPv6), the /64 of an IPv6 address, anything else unchanged."""
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
    try:
        loopback = ipaddress.ip_address(network(request.client.host)).is_loopback
    except ValueError:  # an IPv6 network, of which ::1 is the only loopback address, or a name
        loopback = request.client.host == "::1"
    trusted = request.client.port == 0
    return loopback and (trusted or not any(name in request.headers for name in _FORWARDED))


def _names_a_site(host: str) -> bool:
    """Whether the name that a request was sent to has a domain: no address, and no name of this network alone."""
    try:
        name = (urlsplit(f"//{host}").hostname or "").rstrip(".")
    except ValueError:
        return True
    return "." in name and not name.replace(".", "").isdigit() and not name.endswith(".localhost")
