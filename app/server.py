"""The web app: testers at `/`, researchers at `/admin`, `/healthz`, `/metrics`."""

from __future__ import annotations

import logging
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

import gradio as gr
from fastapi import Depends, FastAPI
from fastapi.responses import JSONResponse, PlainTextResponse, RedirectResponse, Response
from prometheus_client import generate_latest
from starlette.middleware.gzip import GZipMiddleware

from app import metrics
from app.assets import Assets
from app.light_blocks import lighten
from app.login import Login
from app.no_script import NoScript
from app.protection import Protection
from app.researchers import ResearchersPage, export_routes
from app.runtime import Runtime
from app.testers import TestersPage
from app.theme import diptych_theme

HERE = Path(__file__).parent
log = logging.getLogger(__name__)


def build(runtime: Runtime, password: str, root_path: str = "") -> FastAPI:
    """The whole app over one runtime; `password` opens `/admin`, `root_path` is the sub-path that a proxy takes off."""

    @asynccontextmanager
    async def lifespan(_: FastAPI) -> AsyncIterator[None]:
        yield
        runtime.close()

    server = FastAPI(title="Diptych", lifespan=lifespan, docs_url=None, redoc_url=None, openapi_url=None)
    server.add_middleware(NoScript)
    server.add_middleware(GZipMiddleware, minimum_size=10_000, compresslevel=5)  # pages, which Gradio sends as they are
    server.add_middleware(Assets)
    server.add_middleware(Protection)
    login = Login(password, root_path)

    @server.get("/healthz")
    def healthz() -> Response:
        health = runtime.health()
        return JSONResponse(health, 503 if health["status"] == "down" else 200)

    @server.get("/metrics")
    def show_metrics() -> Response:
        return PlainTextResponse(generate_latest(metrics.REGISTRY), media_type="text/plain; version=0.0.4")

    @server.get("/admin")
    def admin() -> Response:
        return RedirectResponse(f"{root_path}/admin/")

    server.include_router(login.router)
    server.include_router(export_routes(runtime), dependencies=[Depends(login.required)])
    common = {
        "theme": diptych_theme(),
        "footer_links": [],
        "run_history": False,
        "enable_monitoring": False,
        "ssr_mode": False,
        "show_error": False,
        "mcp_server": False,
        "max_file_size": "1kb",
    }
    # The style goes into the head as it is: Gradio would rewrite what it is given as `css`, and loses gradients.
    gr.mount_gradio_app(
        server, ResearchersPage(runtime).blocks, "/admin", auth_dependency=login.user,
        head=_style("style.css", "admin.css"), **common,
    )  # fmt: skip
    gr.mount_gradio_app(
        server, TestersPage(runtime).blocks, "/",
        head=_style("style.css") + _script("kept.js", "testers.js"),
        favicon_path=str(HERE / "favicon.svg"), **common,
    )  # fmt: skip
    lighten(server)
    return server


def _style(*names: str) -> str:
    return "<style>" + "".join(_read(name) for name in names) + "</style>"


def _script(*names: str) -> str:
    return "<script>" + "".join(_read(name) for name in names) + "</script>"


def _read(name: str) -> str:
    return (HERE / name).read_text(encoding="utf-8")
