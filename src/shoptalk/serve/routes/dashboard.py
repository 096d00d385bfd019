"""The figures of the dashboard, and the reports that it links to."""

import asyncio
from typing import Annotated

from fastapi import APIRouter, Depends, Query
from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import Response

from shoptalk.serve.access import needs
from shoptalk.serve.routes import JSONResponse
from shoptalk.serve.routes.page import page_of

router = APIRouter(include_in_schema=False)
#: Reports hold styles and images of their own, and nothing that runs.
REPORT_POLICY = "default-src 'none'; style-src 'unsafe-inline'; img-src data:; sandbox; frame-ancestors 'none'"


@router.get("/admin/figures", dependencies=[Depends(needs("admin"))])
async def figures(
    request: Request,
    hours: Annotated[float, Query(ge=1, le=24 * 366)] = 24,
    window: Annotated[float, Query(ge=1, le=90 * 86_400)] = 86_400,
) -> Response:
    """Everything that the dashboard draws; ``window`` is how long after a user's first answer events count."""
    from shoptalk.serve.dashboard import dashboard  # SciPy, which nothing else needs here

    page = page_of(request)
    await page.service.shown.flush()
    return JSONResponse(await asyncio.to_thread(dashboard, page, hours, window))


@router.get("/admin/reports/{name}")
async def report(request: Request, name: str, ticket: Annotated[str, Query(max_length=100)]) -> Response:
    """The report of a run, by a link of the dashboard; a link is valid for some minutes."""
    from shoptalk.serve.dashboard import report_of

    content = await asyncio.to_thread(report_of, page_of(request), name, ticket)
    if content is None:
        raise HTTPException(404, "there is no such report, or the link is too old: open the dashboard again")
    return Response(content, media_type="text/html; charset=utf-8", headers={"Content-Security-Policy": REPORT_POLICY})
