"""What is stored about a person, and its erasure."""

import asyncio
from typing import Annotated

from fastapi import APIRouter, Depends, Path
from starlette.requests import Request

from shoptalk.online.events import erase_user, stored_about
from shoptalk.serve.access import needs
from shoptalk.serve.answers import ErasedOut, UserOut
from shoptalk.serve.errors import responses
from shoptalk.serve.routes import JSONResponse, service_of

router = APIRouter(tags=["persons"], dependencies=[Depends(needs("admin"))])
UserId = Annotated[str, Path(min_length=1, max_length=500, pattern=r"^[^\x00-\x1f\x7f]+$")]


@router.get("/v1/users/{user_id:path}", response_model=UserOut, responses=responses())
async def about(request: Request, user_id: UserId) -> JSONResponse:
    """Everything that is stored about a person: events, and what was recommended."""
    service = service_of(request)
    await service.shown.flush()
    stored = await asyncio.to_thread(stored_about, service.database, user_id)
    return JSONResponse(
        {
            "user": user_id,
            "in_dataset": list(service.state.arms[0].history(user_id)),
            "events": stored["events"],
            "recommendations": stored["recommendations"],
        }
    )


@router.delete("/v1/users/{user_id:path}", response_model=ErasedOut, responses=responses())
async def erase(request: Request, user_id: UserId) -> JSONResponse:
    """Erase everything that the service has stored about a person.

    Purchases in the dataset of a run stay there: prepare and train again without them.
    """
    service = service_of(request)
    await service.shown.flush()
    erased = await asyncio.to_thread(erase_user, service.database, user_id)
    in_dataset = any(arm.history(user_id) for arm in service.state.arms)
    return JSONResponse({"events": erased.events, "recommendations": erased.recommendations, "in_dataset": in_dataset})
