"""Products: lists without a user, search, and changes of the catalogue."""

import asyncio
import time
from collections.abc import Callable
from dataclasses import replace
from typing import Annotated, Any

import numpy as np
from fastapi import APIRouter, Depends, Path, Query
from sqlalchemy import func, select
from starlette.exceptions import HTTPException
from starlette.requests import Request

from shoptalk.constants import DEFAULT_K
from shoptalk.online.events import PURCHASE
from shoptalk.online.items import ShopItem, delete_item, get_item, patch_item, put_items
from shoptalk.online.tables import EVENTS
from shoptalk.schema import Item
from shoptalk.serve.access import needs
from shoptalk.serve.answers import ItemListOut, ItemOut, PutOut
from shoptalk.serve.engine import filter_mask
from shoptalk.serve.errors import responses
from shoptalk.serve.query import ItemFilters
from shoptalk.serve.routes import JSONResponse, service_of
from shoptalk.serve.schemas import LIMITS, ItemPatch, ItemsBody
from shoptalk.serve.service import Service, listed, listed_item
from shoptalk.serve.state import State

router = APIRouter(tags=["products"])
READ, WRITE = [Depends(needs("read"))], [Depends(needs("write"))]
_PATTERN = r"^[^\x00-\x1f\x7f]+$"
ItemId = Annotated[str, Path(min_length=1, max_length=500, pattern=_PATTERN)]
K = Annotated[int, Query(ge=1, le=LIMITS.k)]
Offset = Annotated[int, Query(ge=0, le=LIMITS.offset)]
Words = Annotated[
    str, Query(max_length=200, pattern=r"^[^\x00]*$", description="Words of title, brand and categories.")
]
Category = Annotated[str | None, Query(min_length=1, max_length=200, pattern=_PATTERN)]


@router.get("/v1/items", response_model=ItemListOut, responses=responses(), dependencies=READ)
async def search(
    request: Request,
    q: Annotated[
        str, Query(max_length=200, pattern=r"^[^\x00]*$", description="Words of title, brand, category.")
    ] = "",
    k: K = DEFAULT_K,
    offset: Offset = 0,
    category: Category = None,
) -> JSONResponse:
    """Products by words; beginnings of words and words with a typing error are found too. All without words."""
    return JSONResponse(await asyncio.to_thread(_search, service_of(request).state, q, k, offset, category))


def _search(state: State, query: str, k: int, offset: int, category: str | None) -> dict[str, Any]:
    allowed = filter_mask(state.catalogue, ItemFilters(categories=(category,) if category else ()))
    popularity = state.popularity / max(1.0, state.popularity.max(initial=0))
    if not query.strip():
        return listed(state, np.where(allowed, state.popularity, -np.inf), k, offset, "popularity")
    scores, matched = state.search.search(query, len(state.catalogue))
    # More words of the query first, then rarer words, then what is bought more often.
    total = matched * 100 + scores + 0.5 * popularity
    return listed(state, np.where(allowed & (matched > 0), total, -np.inf), k, offset, "words")


@router.get("/v1/popular", response_model=ItemListOut, responses=responses(), dependencies=READ)
async def popular(
    request: Request,
    k: K = DEFAULT_K,
    offset: Offset = 0,
    category: Category = None,
    days: Annotated[float | None, Query(gt=0, le=3650, description="Purchases of the last days alone.")] = None,
) -> JSONResponse:
    """The products that were bought most often, in the dataset and since."""

    def find() -> dict[str, Any]:
        """The list, made in a thread."""
        service = service_of(request)
        state = service.state
        allowed = filter_mask(state.catalogue, ItemFilters(categories=(category,) if category else ()))
        counts = state.popularity if days is None else _recent_counts(service, state, days)
        if days is not None:
            allowed &= counts > 0
        return listed(state, np.where(allowed, counts, -np.inf), k, offset, "popularity")

    return JSONResponse(await asyncio.to_thread(find))


def _recent_counts(service: Service, state: State, days: float) -> np.ndarray[Any, Any]:
    """(I,) purchases of the last days, as events say."""
    statement = (
        select(EVENTS.c.item_id, func.count())
        .where(EVENTS.c.kind == PURCHASE, EVENTS.c.timestamp >= time.time() - days * 86_400)
        .group_by(EVENTS.c.item_id)
    )
    counts = np.zeros(len(state.catalogue))
    with service.database.read() as connection:
        for item_id, count in connection.execute(statement):
            if item_id in state.catalogue.index:
                counts[state.catalogue.index[item_id]] = count
    return counts


@router.get("/v1/latest", response_model=ItemListOut, responses=responses(), dependencies=READ)
async def latest(request: Request, k: K = DEFAULT_K, offset: Offset = 0, category: Category = None) -> JSONResponse:
    """The newest products: those added last, then those of the dataset by their first purchase."""

    def find() -> dict[str, Any]:
        """The list, made in a thread."""
        state = service_of(request).state
        allowed = filter_mask(state.catalogue, ItemFilters(categories=(category,) if category else ()))
        return listed(state, np.where(allowed, state.catalogue.added, -np.inf), k, offset, "latest")

    return JSONResponse(await asyncio.to_thread(find))


@router.get("/v1/items/{item_id:path}/similar", response_model=ItemListOut, responses=responses(404), dependencies=READ)
async def similar(
    request: Request, item_id: ItemId, k: K = DEFAULT_K, offset: Offset = 0, category: Category = None
) -> JSONResponse:
    """The products that are most similar to one, whoever asks."""
    service = service_of(request)
    _known(service.state, item_id)

    def find() -> dict[str, Any]:
        """The list, made in a thread."""
        filters = ItemFilters(categories=(category,) if category else ())
        ranking, method, state = service.engine.similar(item_id, filters, k + offset)
        ids = state.catalogue.ids
        items = [listed_item(state, ids[place], float(ranking.scores[place])) for place in ranking.best[offset:]]
        return {"items": items, "method": method, "total": int(np.isfinite(ranking.scores).sum())}

    return JSONResponse(await asyncio.to_thread(find))


@router.get("/v1/items/{item_id:path}", response_model=ItemOut, responses=responses(404), dependencies=READ)
async def read(request: Request, item_id: ItemId) -> JSONResponse:
    """One product."""
    return JSONResponse(_as_json(service_of(request).state, item_id))


@router.post("/v1/items", response_model=PutOut, responses=responses(), dependencies=WRITE)
async def add(request: Request, body: ItemsBody) -> JSONResponse:
    """Add products, or replace those with the same ids. They can be recommended by their text at once.

    Other worker processes follow within half a second.
    """
    service = service_of(request)
    ids = [item.item_id for item in body.items]
    if len(set(ids)) < len(ids):
        raise HTTPException(422, "an item_id is given twice")
    rows = [
        ShopItem(
            Item(one.item_id, one.title, one.brand, one.categories, one.description, one.features, one.price),
            one.stock,
            one.hidden,
        )
        for one in body.items
    ]
    await _write(service, lambda: put_items(service.database, rows))
    able = sum(all(item in arm.known for arm in service.state.arms) for item in ids)
    warnings = [] if able == len(ids) else ["an arm cannot recommend all of them: its items are fixed by its training"]
    return JSONResponse({"stored": len(ids), "recommendable": able, "warnings": warnings})


@router.patch("/v1/items/{item_id:path}", response_model=ItemOut, responses=responses(404), dependencies=WRITE)
async def change(request: Request, item_id: ItemId, body: ItemPatch) -> JSONResponse:
    """Change some values of a product: hide it, or set its price or stock."""
    service = service_of(request)
    _known(service.state, item_id)
    changes = body.model_dump(include=body.model_fields_set)
    await _write(service, lambda: _patch(service, item_id, changes))
    return JSONResponse(_as_json(service.state, item_id))


def _patch(service: Service, item_id: str, changes: dict[str, Any]) -> None:
    """Change a stored product, or store a product of a run with its changes."""
    if get_item(service.database, item_id) is None:
        put_items(service.database, [_of_run(service.state, item_id)])
    patch_item(service.database, item_id, changes)


def _of_run(state: State, item_id: str) -> ShopItem:
    """A product of a run as it is stored; a run may hold no title."""
    item = state.catalogue.items[item_id]
    return ShopItem(item if item.title else replace(item, title=item_id))


@router.delete("/v1/items/{item_id:path}", status_code=204, responses=responses(404), dependencies=WRITE)
async def remove(request: Request, item_id: ItemId) -> None:
    """Delete a product: it is not recommended or found any more. Histories with it stay."""
    service = service_of(request)
    _known(service.state, item_id)

    def delete() -> None:
        if get_item(service.database, item_id) is None:
            put_items(service.database, [_of_run(service.state, item_id)])
        delete_item(service.database, item_id)

    await _write(service, delete)


async def _write(service: Service, change: Callable[[], object]) -> None:
    """Change the database, then take the change up in this process."""
    await asyncio.to_thread(change)
    await service.upkeep.refresh()


def _known(state: State, item_id: str) -> Item:
    item = state.catalogue.get(item_id)
    if item is None:
        raise HTTPException(404, "there is no such product")
    return item


def _as_json(state: State, item_id: str) -> dict[str, Any]:
    item = _known(state, item_id)
    catalogue, position = state.catalogue, state.catalogue.index[item_id]
    stock = catalogue.stock[position]
    return {
        "item_id": item.item_id,
        "title": item.title,
        "brand": item.brand,
        "categories": list(item.categories),
        "description": item.description,
        "features": list(item.features),
        "price": item.price,
        "stock": None if np.isnan(stock) else int(stock),
        "hidden": bool(catalogue.hidden[position]),
        "new": item_id in catalogue.new,
        "purchases": float(state.popularity[position]),
    }
