"""Whether the service works, and its metrics."""

import asyncio

from fastapi import APIRouter, Depends
from starlette.requests import Request
from starlette.responses import Response

from shoptalk.errors import DatabaseError
from shoptalk.online.events import check_alive
from shoptalk.serve.access import needs
from shoptalk.serve.answers import HealthOut, ReadyOut
from shoptalk.serve.metrics import CONTENT_TYPE_LATEST
from shoptalk.serve.routes import JSONResponse, service_of

router = APIRouter(tags=["operation"])
#: Seconds that the database has to answer.
PATIENCE = 2.0


@router.get("/healthz", response_model=HealthOut)
async def health() -> JSONResponse:
    """That the process runs."""
    return JSONResponse({"status": "ok"})


@router.get("/readyz", response_model=ReadyOut, responses={503: {"model": ReadyOut, "description": "Not ready"}})
async def ready(request: Request) -> JSONResponse:
    """Whether the model is loaded and the database answers. Without the database only recommending works."""
    service = service_of(request)
    try:
        await asyncio.wait_for(asyncio.to_thread(check_alive, service.database), PATIENCE)
        database = True
    except (DatabaseError, TimeoutError):
        database = False
    state = service.state
    content = {
        "ready": database,
        "database": database,
        "arms": [arm.name for arm in state.arms],
        "items": int(state.catalogue.offered.sum()),
    }
    return JSONResponse(content, 200 if database else 503)


@router.get("/metrics", response_class=Response, dependencies=[Depends(needs("read"))], include_in_schema=False)
async def metrics(request: Request) -> Response:
    """The metrics, for Prometheus."""
    return Response(await asyncio.to_thread(service_of(request).metrics.text), media_type=CONTENT_TYPE_LATEST)
