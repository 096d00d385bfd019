"""Events: what customers did. An answer means that they are on the disk."""

import time

from fastapi import APIRouter, Depends
from starlette.requests import Request

from shoptalk.online.events import Event
from shoptalk.serve.access import needs
from shoptalk.serve.answers import AcceptedOut
from shoptalk.serve.errors import responses
from shoptalk.serve.routes import JSONResponse, service_of
from shoptalk.serve.schemas import EventBody, EventsBody
from shoptalk.serve.visitors import check_own

router = APIRouter(tags=["events"], dependencies=[Depends(needs("write"))])


@router.post("/v1/events", response_model=AcceptedOut, responses=responses())
async def events(request: Request, body: EventBody | EventsBody) -> JSONResponse:
    """Store one event, or several of which all or none are stored.

    When this answers, they are on the disk, and the next recommendation for these users knows them. An event whose id
    is stored already is ignored, so that sending again after a failure is safe.
    """
    bodies = body.events if isinstance(body, EventsBody) else (body,)
    check_own(request, [one.user for one in bodies])
    now = time.time()
    added = await service_of(request).store_events([_event(one, now) for one in bodies])
    return JSONResponse({"stored": added.stored, "duplicates": added.duplicates})


def _event(body: EventBody, now: float) -> Event:
    return Event(
        body.event_id,
        body.user,
        body.item_id,
        body.kind,
        now if body.timestamp is None else body.timestamp,
        body.recommendation_id,
        body.value,
    )
