import numpy as np
import pytest

from shoptalk.baselines import options_only
from shoptalk.baselines.options_only import OptionsOnly, learn
from shoptalk.errors import RecipeError
from shoptalk.evaluation.options import correctness
from shoptalk.schema import Candidates, EvalExample, History

from .small_dataset import CATALOGUE, split


def cases(count: int, seed: int, *, asymmetric: bool) -> list[EvalExample]:
    """Two options of random words; with ``asymmetric`` the title of the right option has no digits."""
    generator = np.random.default_rng(seed)
    examples = []
    for number in range(count):
        texts = [" ".join(generator.choice(list("abcdefghij"), 3)) for _ in range(2)]
        titles, answer = [f"{text} {generator.integers(10, 99)}-pack" for text in texts], int(generator.integers(2))
        if asymmetric:
            titles[answer] = texts[answer] + " pack"
        candidates = Candidates(("x", "y"), (titles[0], titles[1]))
        examples.append(EvalExample(History(f"u{number}", ("soap",)), ("x",), candidates, answer))
    return examples


def accuracy(*, asymmetric: bool) -> float:
    """Accuracy of the probe on new cases of the same kind."""
    probe = OptionsOnly(cases(300, 1, asymmetric=asymmetric))
    test = cases(300, 2, asymmetric=asymmetric)
    scores = probe.score([case.history for case in test], [case.candidates for case in test if case.candidates])
    return float(correctness(scores, [case.answer or 0 for case in test]).mean())


def test_asymmetric_cleaning_is_recognised() -> None:
    assert accuracy(asymmetric=True) == 1.0


def test_without_a_shortcut_the_accuracy_is_that_of_chance() -> None:
    assert accuracy(asymmetric=False) == pytest.approx(0.5, abs=0.09)  # 3 standard errors of 300 coins


def test_never_sees_the_history() -> None:
    probe = OptionsOnly(cases(50, 1, asymmetric=True))
    candidates = [Candidates(("x", "y"), ("a b c pack", "d 12-pack"))] * 2
    first, second = probe.score([History("u", ("soap",)), History("v", ("lip1", "hair1"))], candidates)
    assert first.tolist() == second.tolist()


def test_log_odds_follow_the_counts() -> None:
    # "aa" is right in 30 of 40 equal cases, "bb" in 10.
    candidates = Candidates(("x", "y"), ("aa", "bb"))
    examples = [EvalExample(History(str(n), ()), ("x",), candidates, 0 if n < 30 else 1) for n in range(40)]
    first, second = OptionsOnly(examples).score([History("u", ())], [candidates])[0]
    assert first > 0 > second
    assert first == pytest.approx(np.log(30 / 10), abs=0.2)


def test_the_number_of_texts_is_limited(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(options_only, "MOST_TEXTS", 100)
    examples = cases(300, 1, asymmetric=True)
    sample = options_only._sample(examples, seed=1)
    assert len(sample) == 50  # of two options each
    assert sample == options_only._sample(examples, seed=1) != options_only._sample(examples, seed=2)


def test_without_training_cases_there_is_an_error() -> None:
    with pytest.raises(RecipeError, match="training cases with options"):
        learn(split(), CATALOGUE, 1)


def test_blank_titles_have_finite_scores() -> None:
    blank = Candidates(("x", "y"), ("", "  "))
    examples = [EvalExample(History("u", ()), ("x",), blank, 0)]
    assert np.isfinite(OptionsOnly(examples).score([History("u", ())], [blank])[0]).all()
