"""The page at ``/`` and the dashboard at ``/admin``: their files, and what only they ask for."""

import asyncio
import hashlib
import time
from dataclasses import replace
from importlib.resources import files
from typing import Annotated

from fastapi import APIRouter, Depends, Path, Query
from pydantic import BaseModel, ConfigDict, Field
from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import Response

from shoptalk.online.events import erase_user
from shoptalk.serve.access import needs
from shoptalk.serve.batching import Overloaded
from shoptalk.serve.engine import Engine
from shoptalk.serve.page import Page, explanations, method_label, product, ranks
from shoptalk.serve.query import Answer, ItemFilters
from shoptalk.serve.query import Query as Asked
from shoptalk.serve.routes import JSONResponse, service_of
from shoptalk.serve.schemas import LIMITS, FiltersBody, Id, Ids, K, Name
from shoptalk.serve.service import item_filters
from shoptalk.serve.visitors import COOKIE, NEW_RATE, check_own, set_cookie

router = APIRouter(include_in_schema=False)
READ = [Depends(needs("read"))]
_TYPES = {".html": "text/html", ".css": "text/css", ".js": "text/javascript", ".svg": "image/svg+xml"}
#: Ranks up to which the page says where a product stands.
DEEPEST = LIMITS.k
#: Most products of a test user's list.
MOST_USERS = 24


def _read_files() -> dict[str, tuple[bytes, str, str]]:
    """Content, type and tag of every file, by name: a request can reach nothing else."""
    found = {}
    for entry in files("shoptalk.serve").joinpath("static").iterdir():
        kind = _TYPES.get("." + entry.name.rpartition(".")[2])
        if kind is not None:
            content = entry.read_bytes()
            found[entry.name] = content, kind, f'"{hashlib.sha256(content).hexdigest()[:32]}"'
    return found


FILES = _read_files()


def page_of(request: Request) -> Page:
    """The page's parts; 404 where it is switched off."""
    page: Page | None = request.app.state.page
    if page is None:
        raise HTTPException(404, "there is no page here: it was switched off")
    return page


@router.get("/")
async def index(request: Request) -> Response:
    """The shop."""
    page_of(request)
    return _file(request, "index.html")


@router.get("/admin")
async def dashboard(request: Request) -> Response:
    """The dashboard; its data need a key."""
    page_of(request)
    return _file(request, "admin.html")


@router.get("/favicon.ico")
async def icon(request: Request) -> Response:
    """The icon, for browsers that do not read the page's link."""
    page_of(request)
    return _file(request, "icon.svg")


@router.get("/static/{name}")
async def static(request: Request, name: str) -> Response:
    """A file of the page."""
    page_of(request)
    return _file(request, name)


def _file(request: Request, name: str) -> Response:
    if name not in FILES:
        raise HTTPException(404, "there is no such file")
    content, kind, tag = FILES[name]
    headers = {"ETag": tag, "Cache-Control": "no-cache"}
    if request.headers.get("if-none-match") == tag:
        return Response(status_code=304, headers=headers)
    return Response(content, media_type=f"{kind}; charset=utf-8", headers=headers)


@router.get("/page/shop")
async def shop(request: Request) -> Response:
    """The shop and the visitor with what this visitor did; a new visitor gets a cookie."""
    visitor = await asyncio.to_thread(page_of(request).visitors.read, request.cookies.get(COOKIE, ""))
    return await _visit(request, visitor)


@router.post("/page/visitor")
async def new_visitor(request: Request) -> Response:
    """The shop for a new visitor."""
    return await _visit(request, None)


async def _visit(request: Request, visitor: str | None) -> Response:
    page, service = page_of(request), service_of(request)
    keyed = await service.access.needs_key()
    if keyed and service.settings.page is not True:
        raise HTTPException(403, "the page is for services without keys; start the service with --page to show it here")
    cookie: str | None = None
    if visitor is not None:
        name = visitor
    else:
        address = request.client.host if request.client else ""
        if wait := service.access.take(f"visitors {address}", NEW_RATE):
            raise Overloaded(wait)
        name, cookie = await asyncio.to_thread(page.visitors.issue)
    content = await asyncio.to_thread(page.shop, name)
    response = JSONResponse({**content, "visitor": name, "keyed": keyed})
    if cookie is not None:
        set_cookie(response, cookie, secure=request.url.scheme == "https")
    return response


@router.delete("/page/visitor")
async def forget(request: Request) -> Response:
    """Erase what is stored about the visitor, whose cookie ends."""
    page, service = page_of(request), service_of(request)
    visitor = await asyncio.to_thread(page.visitors.read, request.cookies.get(COOKIE, ""))
    if visitor is None:
        raise HTTPException(401, "there is no visitor to forget")
    await service.shown.flush()
    erased = await asyncio.to_thread(erase_user, service.database, visitor)
    response = JSONResponse({"events": erased.events, "recommendations": erased.recommendations})
    response.delete_cookie(COOKIE, path="/", httponly=True, samesite="strict")
    return response


@router.get("/page/users", dependencies=READ)
async def users(
    request: Request,
    start: Annotated[int, Query(ge=0, le=10**9)] = 0,
    k: Annotated[int, Query(ge=1, le=MOST_USERS)] = 8,
) -> Response:
    """Some test users."""
    return JSONResponse({"users": await asyncio.to_thread(page_of(request).test_users, start, k)})


@router.get("/page/users/{number}", dependencies=READ)
async def user(request: Request, number: Annotated[int, Path(ge=0, le=10**9)]) -> Response:
    """A test user, with what this person bought next."""
    found = await asyncio.to_thread(page_of(request).test_user, number)
    if found is None:
        raise HTTPException(404, "there is no such test user")
    return JSONResponse(found)


class Body(BaseModel):
    """A body: unknown keys are errors."""

    model_config = ConfigDict(extra="forbid", frozen=True)


class ItemsBody(Body):
    """Products to be described."""

    items: Annotated[tuple[Id, ...], Field(max_length=200)]


class AboutBody(Body):
    """Whose recommendations are asked about: a user's, or those for a history."""

    user: Id | None = None
    history: Annotated[tuple[Id, ...], Field(max_length=LIMITS.history)] | None = None


class ExplainBody(AboutBody):
    """Recommendations to be explained, by the arm that made them."""

    items: Annotated[tuple[Id, ...], Field(min_length=1, max_length=LIMITS.k)]
    arm: Name


class BesideBody(AboutBody):
    """What a simple method would recommend; ``held_out`` are products whose ranks are wanted."""

    method: Name
    arm: Name
    k: K = 12
    filters: FiltersBody = FiltersBody()
    exclude_history: bool = True
    held_out: Ids = ()


@router.post("/page/items", dependencies=READ)
async def items(request: Request, body: ItemsBody) -> Response:
    """Products with their categories and texts."""
    page_of(request)
    state = service_of(request).state
    return JSONResponse({"items": [product(state, item) for item in body.items if state.catalogue.get(item)]})


@router.post("/page/explain", dependencies=READ)
async def explain(request: Request, body: ExplainBody) -> Response:
    """The effect of each product of the history, and the written reason, for products that were recommended."""
    page_of(request)
    service = service_of(request)
    check_own(request, [body.user])
    asked = Asked(
        recommendation_id="",
        arm=service.assign(body.user or "", body.arm),
        user=body.user or "",
        history=body.history,
        k=len(body.items),
        filters=ItemFilters(allow=body.items),
        exclude_history=False,
        explain=True,
    )
    begin = time.perf_counter()
    answer = await service.queue.submit(asked, service.settings.timeout)
    return JSONResponse({"items": explanations(answer), "unit": answer.unit, "milliseconds": _since(begin)})


@router.post("/page/beside", dependencies=READ)
async def beside(request: Request, body: BesideBody) -> Response:
    """What a simple method recommends to the same person, and the ranks of held-out products in both lists.

    Nothing of it is logged: nobody is assigned to the simple method. While the method is being learned the answer
    says so.
    """
    page, service = page_of(request), service_of(request)
    check_own(request, [body.user])
    if body.method not in page.simple.names():
        raise HTTPException(422, "there is no such simple method")
    label = method_label(body.method)
    engine = await asyncio.to_thread(page.simple.engine, service.engine, body.method)
    if engine is None:
        return JSONResponse({"ready": False, "method": body.method, "label": label}, 202, {"Retry-After": "1"})
    asked = Asked(
        recommendation_id="",
        arm=service.assign(body.user or "", body.arm),
        user=body.user or "",
        history=body.history,
        k=DEEPEST if body.held_out else body.k,
        filters=item_filters(body.filters),
        exclude_history=body.exclude_history,
    )
    begin = time.perf_counter()
    answer = await asyncio.to_thread(_answer, engine, replace(asked, arm=0))
    milliseconds = _since(begin)
    model = await service.queue.submit(asked, service.settings.timeout) if body.held_out else None
    state = service.state
    return JSONResponse(
        {
            "ready": True,
            "method": body.method,
            "label": label,
            "fallback": answer.fallback,
            "items": [product(state, one.item_id) for one in answer.items[: body.k]],
            "milliseconds": milliseconds,
            "deepest": DEEPEST,
            "ranks": None
            if model is None
            else {"model": ranks(model, body.held_out), "simple": ranks(answer, body.held_out)},
        }
    )


def _answer(engine: Engine, asked: Asked) -> Answer:
    """The answer of an engine to one query."""
    (answer,) = engine.recommend([asked])
    if isinstance(answer, Exception):
        raise answer
    return answer


def _since(begin: float) -> float:
    return round((time.perf_counter() - begin) * 1000, 3)
