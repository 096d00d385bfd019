"""What is served, and taking up changes now."""

from typing import Any

from fastapi import APIRouter, Depends
from starlette.requests import Request

from shoptalk import __version__
from shoptalk.serve.access import needs
from shoptalk.serve.answers import StatusOut
from shoptalk.serve.errors import responses
from shoptalk.serve.routes import JSONResponse, service_of
from shoptalk.serve.service import Service

router = APIRouter(tags=["operation"], dependencies=[Depends(needs("admin"))])


@router.get("/v1/admin/status", response_model=StatusOut, responses=responses())
async def status(request: Request) -> JSONResponse:
    """Which runs and rules are served, and what was refused with the reason."""
    return JSONResponse(_status(service_of(request)))


@router.post("/v1/admin/reload", response_model=StatusOut, responses=responses())
async def reload(request: Request) -> JSONResponse:
    """Look for new runs, rules and products now, and try again what was refused.

    Nothing that is being answered is disturbed. What is broken is refused, and the old one serves on. Other worker
    processes look on their own every half second.
    """
    service = service_of(request)
    await service.upkeep.refresh(again=True)
    return JSONResponse(_status(service))


def _status(service: Service) -> dict[str, Any]:
    state, refused = service.state, service.upkeep.refused
    return {
        "version": __version__,
        "experiment": service.settings.experiment,
        "arms": [
            {
                "name": arm.name,
                "run": arm.run,
                "method": arm.method,
                "weight": arm.settings.weight,
                "items": len(arm.items),
                "refused": refused[arm.name].message if arm.name in refused else None,
            }
            for arm in state.arms
        ],
        "items": int(state.catalogue.offered.sum()),
        "new_items": len(state.catalogue.new),
        "rules": [rule.name for rule in state.rules.rules],
        "refused": {what: one.message for what, one in refused.items()},
        "waiting": service.queue.waiting,
    }
