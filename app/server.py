"""The web app: testers at `/`, researchers at `/admin`, `/healthz`, `/metrics`."""

from __future__ import annotations

import functools
import secrets
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

import gradio as gr
from fastapi import Depends, FastAPI, Request
from fastapi.responses import JSONResponse, PlainTextResponse, RedirectResponse, Response
from prometheus_client import generate_latest
from starlette.middleware.gzip import GZipMiddleware
from starlette.routing import Mount

from app import metrics
from app.assets import Assets
from app.client import is_local
from app.delivery import VERSION
from app.intake import Intake, events_of
from app.login import Login
from app.page_texts import Languages, PageTexts
from app.pages import Pages
from app.protection import MAX_BODY_BYTES, Origins, Protection, SubPath
from app.queues import calm, has_room
from app.researchers import ResearchersPage, export_routes
from app.runtime import Runtime
from app.testers import TestersPage
from app.theme import diptych_theme
from feedback.save_buttons import HEAD

HERE = Path(__file__).parent


def build(
    runtime: Runtime, password: str, root_path: str = "", origins: Origins | None = None, metrics_token: str = ""
) -> FastAPI:
    """The whole app over one runtime.

    Args:
        password: opens `/admin`.
        root_path: the sub-path that a proxy takes off.
        origins: whom the pages trust besides themselves.
        metrics_token: opens `/metrics` for others than this machine; without one nobody else sees it.
    """

    @asynccontextmanager
    async def lifespan(_: FastAPI) -> AsyncIterator[None]:
        yield
        runtime.close()

    server = FastAPI(title="Diptych", lifespan=lifespan, docs_url=None, redoc_url=None, openapi_url=None)
    script = _script("double.js", "storage.js", "kept.js", "work.js", "testers.js").replace("{VERSION}", VERSION)
    server.add_middleware(PageTexts, script=script)
    login = Login(password, root_path)
    server.add_middleware(Pages, login=login)
    researchers, testers = ResearchersPage(runtime).blocks, TestersPage(runtime).blocks
    edited = events_of(  # a whole study file, and a chat with all that was said in it
        researchers, max_bytes=MAX_BODY_BYTES, max_text=MAX_BODY_BYTES, max_marks=100_000, max_values=20_000,
        has_room=functools.partial(has_room, researchers),
    )  # fmt: skip
    played = events_of(testers, functions=testers.fns)
    server.add_middleware(Intake, testers=played, researchers=edited, login=login, limits=runtime.limits)
    server.add_middleware(GZipMiddleware, minimum_size=10_000, compresslevel=5)  # what nobody has packed yet
    server.add_middleware(Assets)
    server.add_middleware(Protection, origins=origins)
    server.add_middleware(Languages, runtime=runtime)
    server.add_middleware(SubPath)

    @server.api_route("/healthz", methods=["GET", "HEAD"])
    def healthz() -> Response:
        health = runtime.health()
        return JSONResponse(health, 503 if health["status"] == "down" else 200, {"Cache-Control": "no-store"})

    @server.api_route("/metrics", methods=["GET", "HEAD"])
    def show_metrics(request: Request) -> Response:
        if not is_local(request) and not _is_bearer(request, metrics_token):
            message = (
                "Metrics are for this machine, or with the token of DIPTYCH_METRICS_TOKEN as Authorization: Bearer."
            )
            return PlainTextResponse(message, 401, {"WWW-Authenticate": "Bearer"})
        return PlainTextResponse(generate_latest(metrics.REGISTRY), media_type="text/plain; version=0.0.4")

    @server.api_route("/admin", methods=["GET", "HEAD"])
    def admin() -> Response:
        return RedirectResponse(f"{root_path}/admin/")

    server.include_router(login.router)
    server.include_router(export_routes(runtime), dependencies=[Depends(login.required)])
    common = {
        "theme": diptych_theme(), "footer_links": [], "run_history": False, "enable_monitoring": False,
        "ssr_mode": False, "show_error": False, "mcp_server": False, "max_file_size": "1kb",
    }  # fmt: skip
    # The style goes into the head as it is: Gradio would rewrite what it is given as `css`, and loses gradients.
    gr.mount_gradio_app(
        server, researchers, "/admin", auth_dependency=login.user,
        head=_style("style.css", "admin.css")
        + _script("double.js", "storage.js", "admin.js").replace("{VERSION}", VERSION)
        + HEAD,
        **common,
    )  # fmt: skip
    gr.mount_gradio_app(
        server, testers, "/",
        head=_style("style.css") + script,
        favicon_path=str(HERE / "favicon.svg"), **common,
    )  # fmt: skip
    for route in server.routes:
        if isinstance(route, Mount):
            calm(route.app)
    return server


def _is_bearer(request: Request, token: str) -> bool:
    scheme, _, given = request.headers.get("authorization", "").partition(" ")
    return bool(token) and scheme.lower() == "bearer" and secrets.compare_digest(given.encode(), token.encode())


def _style(*names: str) -> str:
    return "<style>" + "".join(_read(name) for name in names) + "</style>"


def _script(*names: str) -> str:
    return "<script>" + "".join(_read(name) for name in names) + "</script>"


def _read(name: str) -> str:
    return (HERE / name).read_text(encoding="utf-8")
