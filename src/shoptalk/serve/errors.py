"""Errors as answers: one JSON form for all of them, with the status of HTTP, and never a traceback."""

import logging
from typing import Any

from fastapi import FastAPI
from fastapi.exceptions import RequestValidationError
from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import JSONResponse

from shoptalk.errors import DatabaseError, ShoptalkError
from shoptalk.serve.answers import ErrorOut
from shoptalk.serve.batching import Overloaded
from shoptalk.serve.logs import LOGGER, REQUEST_ID

#: Seconds after which a client should try again while the database does not answer.
RETRY_DATABASE = "2"
_KINDS = {400: "bad_request", 401: "unauthorised", 403: "forbidden", 404: "not_found", 405: "method_not_allowed"}


def error_body(kind: str, message: str, where: str | None = None, hint: str | None = None) -> dict[str, Any]:
    """The JSON of an error."""
    about = {"kind": kind, "message": message, "where": where, "hint": hint, "request_id": REQUEST_ID.get()}
    return {"error": about}


def error_response(
    status: int, kind: str, message: str, *, hint: str | None = None, headers: dict[str, str] | None = None
) -> JSONResponse:
    """An answer with an error."""
    return JSONResponse(error_body(kind, message, hint=hint), status, headers)


def of_error(error: Exception) -> JSONResponse:
    """The answer to an error of the service itself."""
    if isinstance(error, Overloaded):
        seconds = str(max(1, round(error.retry_after)))
        return error_response(429, error.kind, error.message, headers={"Retry-After": seconds})
    if isinstance(error, DatabaseError):
        # The message may name the host of the database.
        logging.getLogger(LOGGER).error("database", extra={"fields": {"error": error.message}})
        return error_response(
            503, "database", "the database does not answer", hint="try again", headers={"Retry-After": RETRY_DATABASE}
        )
    if isinstance(error, TimeoutError):
        return error_response(503, "timed_out", "this took too long", headers={"Retry-After": "1"})
    if isinstance(error, ShoptalkError):
        return JSONResponse(error_body(error.kind, error.message, hint=error.hint), 422)
    logging.getLogger(LOGGER).error("unexpected", exc_info=error)
    return error_response(500, "bug", "an unexpected error; it was logged under the request id")


def responses(*statuses: int) -> dict[int | str, dict[str, Any]]:
    """The errors of a route, for its description; those that every route has are among them."""
    described = {
        400: "The body is no JSON",
        401: "No key, or one that is not valid",
        403: "The key does not allow this",
        404: "There is none",
        408: "The body came too slowly",
        409: "It exists already",
        413: "The body is too large",
        415: "The body is not plain JSON",
        421: "Another host was meant",
        422: "A value does not fit",
        429: "Too many requests; Retry-After says when to try again",
        503: "The database does not answer; Retry-After says when to try again",
    }
    chosen = {400, 401, 403, 408, 413, 415, 421, 422, 429, 503, *statuses}
    return {status: {"model": ErrorOut, "description": described[status]} for status in sorted(chosen)}


def install(app: FastAPI) -> None:
    """Make every error an answer of this form."""

    @app.exception_handler(RequestValidationError)
    async def invalid(_request: Request, error: RequestValidationError) -> JSONResponse:
        """The first thing that is wrong with a request."""
        first = error.errors()[0]
        place = ".".join(str(part) for part in first["loc"] if part != "body")[:200]
        message = str(first["msg"]).removeprefix("Value error, ")
        kind, status = ("bad_request", 400) if first["type"] == "json_invalid" else ("invalid", 422)
        return JSONResponse(error_body(kind, message, where=place or None), status)

    @app.exception_handler(HTTPException)
    async def http_error(_request: Request, error: HTTPException) -> JSONResponse:
        kind = _KINDS.get(error.status_code, "http")
        return JSONResponse(error_body(kind, str(error.detail)), error.status_code, error.headers)

    @app.exception_handler(ShoptalkError)
    async def own_error(_request: Request, error: ShoptalkError) -> JSONResponse:
        return of_error(error)

    @app.exception_handler(TimeoutError)
    async def timed_out(_request: Request, error: TimeoutError) -> JSONResponse:
        return of_error(error)
