"""The description of the interface: schemathesis finds no 500 and no answer outside of it, and its examples work."""

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import schemathesis
from hypothesis import HealthCheck, Phase, given, settings
from schemathesis.checks import not_a_server_error
from schemathesis.specs.openapi import schemas as _schemas  # noqa: F401 - pytest rewrites it, which fails in a deep stack
from schemathesis.specs.openapi.checks import response_schema_conformance, status_code_conformance
from starlette.testclient import TestClient

from tests.serve.processes import serving


@pytest.fixture(scope="module")
def described(served_run: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Any]:
    """The schema of a service in a process of its own."""
    with serving(tmp_path_factory.mktemp("described"), served_run) as served:
        yield schemathesis.openapi.from_url(f"{served.url}/openapi.json")


def test_no_answer_outside_of_the_description(described: Any) -> None:
    """Checked by hypothesis itself: the plugin of schemathesis for pytest needs an older pytest."""
    checks = [not_a_server_error, status_code_conformance, response_schema_conformance]
    operations = [found.ok() for found in described.get_all_operations()]
    assert len(operations) > 12
    for operation in operations:

        @settings(
            max_examples=5,
            deadline=None,
            phases=[Phase.explicit, Phase.generate],
            suppress_health_check=list(HealthCheck),
            derandomize=True,
            database=None,
        )
        @given(case=operation.as_strategy())
        def keeps_to_it(case: Any) -> None:
            case.call_and_validate(checks=checks)

        keeps_to_it()


def test_examples_are_valid(shop: TestClient) -> None:
    content = shop.get("/openapi.json").json()
    paths = {"RecommendBody": "/v1/recommend", "EventBody": "/v1/events"}
    for name, path in paths.items():
        for example in content["components"]["schemas"][name]["examples"]:
            assert shop.post(path, json=example).status_code == 200
    item = content["components"]["schemas"]["ItemBody"]["examples"][0]
    assert shop.post("/v1/items", json={"items": [item]}).status_code == 200
    for example in content["components"]["schemas"]["ItemPatch"]["examples"]:
        assert shop.patch(f"/v1/items/{item['item_id']}", json=example).status_code == 200
    assert content["security"] == [{"key": []}]


def test_every_route_is_described(shop: TestClient) -> None:
    content = shop.get("/openapi.json").json()
    for path, methods in content["paths"].items():
        for method, about in methods.items():
            assert about["description" if path != "/healthz" else "summary"], (method, path)
    guide = (Path(__file__).parents[2] / "docs" / "guide" / "serve.md").read_text(encoding="utf-8")
    for path in content["paths"]:
        assert path.replace(":path", "") in guide, path
