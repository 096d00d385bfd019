"""Audit a dataset, or an evaluated model, for leaks and shortcuts."""

from shoptalk.api.model import Model
from shoptalk.data.dataset import Dataset
from shoptalk.progress_bars import progress_bars
from shoptalk.results import AuditResult
from shoptalk.stages.audit import audit_dataset, audit_run


def audit(data: Dataset | Model, *, seed: int = 1, progress: bool = True) -> AuditResult:
    """Look for what would make the figures of an evaluation unreliable.

    Parameters
    ----------
    data
        A dataset, or a model that was evaluated: its results are audited, too.
    seed
        Seed of the samples.

    Returns
    -------
    AuditResult
        ``clean`` is False if a finding has the severity ``fail``.

    Raises
    ------
    ShoptalkError
        For a model that was not evaluated.

    Examples
    --------
    >>> import pandas as pd, shoptalk
    >>> bought = [(f"u{user}", f"i{(user + step) % 5}", step) for user in range(20) for step in range(5)]
    >>> purchases = pd.DataFrame(bought, columns=["user_id", "item_id", "position"])
    >>> findings = audit(shoptalk.prepare(interactions=purchases, progress=False), progress=False)
    >>> [finding.check for finding in findings.findings if finding.severity == "fail"]
    []
    """
    with progress_bars(show=progress) as report:
        if isinstance(data, Model):
            return audit_run(data.trained.run, data.trained.dataset, report, seed=seed)
        return audit_dataset(data, report, seed=seed)
