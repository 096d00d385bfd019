"""The result of refreshing a run."""

from dataclasses import dataclass
from typing import Literal

from shoptalk.results.figures import Difference
from shoptalk.schema import Estimate

Outcome = Literal["taken up", "refused", "nothing new", "rolled back"]


@dataclass(frozen=True, slots=True)
class RefreshTest:
    """The test on which a refresh is decided: the new run and the old one on the same new purchases.

    Attributes
    ----------
    metric
        The metric that decides.
    old, new
        The metric of both runs on these cases.
    difference
        The paired difference, new minus old.
    margin
        How much worse the new run may be, in the unit of the metric: it is taken up only if the low end of the interval
        is above minus this.
    """

    metric: str
    old: Estimate
    new: Estimate
    difference: Difference
    margin: float


@dataclass(frozen=True, slots=True)
class RefreshResult:
    """The output of ``shoptalk refresh --json``, and `refresh.json` in the folder of a new version.

    Attributes
    ----------
    outcome
        What was decided.
    says
        The decision and its reason in one sentence.
    run
        The folder of the run.
    before, current
        The versions that were and are current.
    versions
        The versions that are kept, the current one last.
    version
        The version that was made; null if none was.
    database
        The address of the database, without a password.
    purchases, users, items
        Numbers of new purchases, of users with one, and of new products.
    erased
        Number of purchases left out because the data of their user were erased.
    cases
        Number of test cases whose next purchase is new.
    test
        The comparison; null without one.
    seconds
        Time that it took.
    warnings
        What else to know.
    """

    outcome: Outcome
    says: str
    run: str
    before: str
    current: str
    versions: tuple[str, ...]
    version: str | None = None
    database: str | None = None
    purchases: int = 0
    users: int = 0
    items: int = 0
    erased: int = 0
    cases: int = 0
    test: RefreshTest | None = None
    seconds: float = 0.0
    warnings: tuple[str, ...] = ()
