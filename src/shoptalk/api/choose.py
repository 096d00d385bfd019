"""Choose a method for a dataset."""

from shoptalk.data.dataset import Dataset
from shoptalk.progress_bars import progress_bars
from shoptalk.results import ChoiceResult
from shoptalk.stages.choose import choose as choose_method


def choose(data: Dataset, *, seed: int = 1, progress: bool = True) -> ChoiceResult:
    """Recommend a method, from training and validation purchases alone, and say how sure that is.

    Parameters
    ----------
    data
        A dataset with validation users.
    seed
        Seed of the samples.

    Returns
    -------
    ChoiceResult
        ``recommended``, the ``probability`` that it is the best, the learning ``curves`` of the simple methods, what is
        expected of ``models``, and all of it in words as ``says``.

    Raises
    ------
    ShoptalkError
        For a dataset with too few training or validation users.

    Examples
    --------
    >>> import pandas as pd, shoptalk
    >>> bought = [(f"u{user}", f"i{(user + step) % 5}", step) for user in range(20) for step in range(5)]
    >>> purchases = pd.DataFrame(bought, columns=["user_id", "item_id", "position"])
    >>> choice = choose(shoptalk.prepare(interactions=purchases, progress=False), progress=False)
    >>> choice.kind  # twenty users are too few
    'little'
    """
    with progress_bars(show=progress) as report:
        return choose_method(data, report, seed=seed)
