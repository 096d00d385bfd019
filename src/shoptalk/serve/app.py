"""The application of one process."""

import gc
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

from fastapi import FastAPI

from shoptalk import __version__
from shoptalk.online.database import Database, open_database
from shoptalk.serve import errors
from shoptalk.serve.guard import Guard
from shoptalk.serve.metrics import Metrics
from shoptalk.serve.page import Page
from shoptalk.serve.routes import admin, dashboard, events, health, items, page, recommend, users
from shoptalk.serve.service import Service
from shoptalk.serve.settings import Settings

DESCRIPTION = """Recommendations of trained runs, for a shop.

Keys: `Authorization: Bearer st_...` or `X-API-Key`. Every error has the form `{"error": {...}}`; its `kind` is stable.
"""


def create_app(settings: Settings, *, database: Database | None = None) -> FastAPI:
    """The application, with its runs loaded.

    Parameters
    ----------
    settings
        Of the service.
    database
        An open database; by default that of the settings is opened, and closed at the end.

    Raises
    ------
    ShoptalkError
        If a run, the rules or the database cannot be used.
    """
    metrics = Metrics()
    opened = open_database(settings.database) if database is None else database
    cache = None if settings.cache is None else Path(settings.cache)
    if cache is not None:
        cache.mkdir(parents=True, exist_ok=True)
    try:
        service = Service(settings, opened, metrics, cache)
    except BaseException:
        if database is None:
            opened.close()
        raise

    @asynccontextmanager
    async def lifespan(app: FastAPI) -> AsyncIterator[None]:
        """Begin to work, and end after what is being answered."""
        app.state.service = service
        app.state.page = Page(service) if settings.page is not False else None
        service.start()
        try:
            yield
        finally:
            if app.state.page is not None:
                app.state.page.close()
            await service.close()
            if database is None:
                opened.close()

    app = FastAPI(
        title="shoptalk",
        version=__version__,
        description=DESCRIPTION,
        lifespan=lifespan,
        docs_url=None,  # its page loads scripts of another site
        redoc_url=None,
        redirect_slashes=False,
    )
    errors.install(app)
    for module in (recommend, items, events, users, health, admin, page, dashboard):
        app.include_router(module.router)
    _describe_keys(app)
    app.add_middleware(_guard_class(settings, metrics))
    return app


def freeze() -> None:
    """Take what is loaded out of garbage collection, which would look through it for a tenth of a second at a time.

    For a process that does nothing but serve.
    """
    gc.collect()
    gc.freeze()


def _guard_class(settings: Settings, metrics: Metrics) -> Callable[..., Guard]:
    """What makes the guard around an application."""

    def make(app: Any) -> Guard:
        return Guard(app, settings, metrics)

    return make


def _describe_keys(app: FastAPI) -> None:
    """Name the keys in the description of the interface."""
    describe = app.openapi

    def openapi() -> dict[str, Any]:
        """The description with the keys, made once."""
        if app.openapi_schema is None:
            content = describe()
            content.setdefault("components", {})["securitySchemes"] = {"key": {"type": "http", "scheme": "bearer"}}
            content["security"] = [{"key": []}]
        return app.openapi_schema or describe()

    app.openapi = openapi  # type: ignore[method-assign]


def from_environment() -> FastAPI:
    """The application of a worker process, with the settings of the command."""
    return create_app(Settings.from_environment())
