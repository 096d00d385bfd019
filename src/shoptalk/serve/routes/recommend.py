"""Recommendations, and scores of options."""

import asyncio

from fastapi import APIRouter, Depends
from starlette.requests import Request

from shoptalk.errors import ShoptalkError
from shoptalk.serve.access import needs
from shoptalk.serve.answers import BatchOut, RecommendOut, ScoreOut
from shoptalk.serve.batching import Overloaded
from shoptalk.serve.errors import error_body, responses
from shoptalk.serve.query import Query
from shoptalk.serve.routes import JSONResponse, service_of
from shoptalk.serve.schemas import BatchBody, RecommendBody, ScoreBody
from shoptalk.serve.visitors import check_own

router = APIRouter(tags=["recommendations"], dependencies=[Depends(needs("read"))])


@router.post("/v1/recommend", response_model=RecommendOut, responses=responses())
async def recommend(request: Request, body: RecommendBody) -> JSONResponse:
    """The best products for a user, or for a history.

    A user's history is what the dataset holds and what events have said since. Somebody without a history gets popular
    products, and the answer says so.
    """
    check_own(request, [body.user])
    return JSONResponse(await service_of(request).recommend(body))


@router.post("/v1/recommend/batch", response_model=BatchOut, responses=responses())
async def recommend_batch(request: Request, body: BatchBody) -> JSONResponse:
    """Several requests at once. One that cannot be answered has its error in the place of its answer."""
    service = service_of(request)
    found = await asyncio.gather(*map(service.recommend, body.requests), return_exceptions=True)
    answers = []
    for answer in found:
        if isinstance(answer, Overloaded):
            raise answer  # the client should wait, and ask for all again
        if isinstance(answer, ShoptalkError):
            answers.append(error_body(answer.kind, answer.message, hint=answer.hint))
        elif isinstance(answer, BaseException):
            raise answer
        else:
            answers.append(answer)
    return JSONResponse({"answers": answers})


@router.post("/v1/score", response_model=ScoreOut, responses=responses())
async def score(request: Request, body: ScoreBody) -> JSONResponse:
    """The scores of some products for a user, or for a history, the best first."""
    service = service_of(request)
    arm = service.assign(body.user or "anonymous", body.arm)
    query = Query("", arm, body.user or "", body.history)
    ranked, fallback = await asyncio.to_thread(service.engine.score, query, body.options)
    state = service.state
    products = state.catalogue.items
    items = [
        {"item_id": item, "title": products[item].title if item in products else "", "score": value}
        for item, value in zip(ranked.items, ranked.scores, strict=True)
    ]
    return JSONResponse(
        {
            "items": items,
            "method": state.arms[arm].method if fallback is None else "popularity",
            "fallback": fallback,
            "arm": state.arms[arm].name,
            "unit": state.arms[arm].unit if fallback is None else "score",
        }
    )
