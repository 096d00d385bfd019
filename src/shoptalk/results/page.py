"""The page that documents the schema of the results, generated from their classes."""

from shoptalk.results.audit import AuditResult
from shoptalk.results.choice import ChoiceResult
from shoptalk.results.comparison import ComparisonResult
from shoptalk.results.dataset import DatasetInfo, PrepareResult
from shoptalk.results.evaluation import EvaluationResult, RunResult
from shoptalk.results.models import AddedModel, ModelsResult
from shoptalk.results.online import OnlineResult
from shoptalk.results.recommendation import RecommendResult
from shoptalk.results.sample import SampleResult
from shoptalk.results.sweep import SweepResult
from shoptalk.results.teacher import TeachResult
from shoptalk.typed_json import describe

#: Files and outputs with their classes.
_PUBLISHED: tuple[tuple[str, type], ...] = (
    ("`metrics.json`", EvaluationResult),
    ("`audit.json`, and `shoptalk audit --json`", AuditResult),
    ("`shoptalk evaluate --json` and `shoptalk run --json`", RunResult),
    ("`shoptalk compare --json`", ComparisonResult),
    ("`shoptalk choose --json`", ChoiceResult),
    ("`shoptalk sample --json`", SampleResult),
    ("`dataset.json`", DatasetInfo),
    ("`shoptalk prepare --json`", PrepareResult),
    ("`shoptalk recommend --json`", RecommendResult),
    ("`shoptalk models --json`", ModelsResult),
    ("`shoptalk models add --json`", AddedModel),
    ("`shoptalk online --json`", OnlineResult),
    ("`sweep.json`, and `shoptalk sweep --json`", SweepResult),
    ("`shoptalk teach --json`", TeachResult),
)


_HEAD = """# Results on disk and on standard output

This page is generated from the classes in `src/shoptalk/results/` by `python -m shoptalk.results`, and a test compares
the two. Rates are fractions. JSON has no NaN: a value that cannot be computed is null. Later versions may add keys;
readers ignore unknown keys.

| file or output | schema |
|---|---|
"""


def schema_page() -> str:
    """The page ``docs/reference/files.md``."""
    rows = "".join(f"| {what} | [{cls.__name__}](#{cls.__name__.lower()}) |\n" for what, cls in _PUBLISHED)
    return f"{_HEAD}{rows}\n{describe(*(cls for _, cls in _PUBLISHED))}"
