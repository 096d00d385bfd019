"""The routes of the service, one file per group."""

from fastapi.responses import JSONResponse
from starlette.requests import Request

from shoptalk.serve.service import Service

__all__ = ["JSONResponse", "service_of"]


def service_of(request: Request) -> Service:
    """The service that answers a request."""
    service: Service = request.app.state.service
    return service
