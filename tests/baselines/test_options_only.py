import numpy as np
import pytest

from shoptalk.baselines import options_only
from shoptalk.baselines.options_only import OptionsOnly, learn
from shoptalk.errors import RecipeError
from shoptalk.evaluation.options import correctness
from shoptalk.schema import Candidates, EvalExample, History

from .shop import CATALOGUE, split


def cases(count: int, seed: int, *, asymmetric: bool) -> list[EvalExample]:
    """Two options of random words; with ``asymmetric`` the right one alone has lost its digits, as in system A."""
    generator = np.random.default_rng(seed)
    made = []
    for number in range(count):
        words = [" ".join(generator.choice(list("abcdefghij"), 3)) for _ in range(2)]
        titles, answer = [f"{text} {generator.integers(10, 99)}-pack" for text in words], int(generator.integers(2))
        if asymmetric:
            titles[answer] = words[answer] + " pack"
        made.append(
            EvalExample(
                History(f"u{number}", ("soap",)), ("x",), Candidates(("x", "y"), (titles[0], titles[1])), answer
            )
        )
    return made


def accuracy(*, asymmetric: bool) -> float:
    probe = OptionsOnly(cases(300, 1, asymmetric=asymmetric))
    test = cases(300, 2, asymmetric=asymmetric)
    scores = probe.score([one.history for one in test], [one.candidates for one in test if one.candidates])
    return float(correctness(scores, [one.answer or 0 for one in test]).mean())


def test_finds_a_shortcut_that_is_there() -> None:
    assert accuracy(asymmetric=True) == 1.0


def test_finds_none_where_there_is_none() -> None:
    assert accuracy(asymmetric=False) == pytest.approx(0.5, abs=0.09)  # 3 standard errors of 300 coins


def test_never_sees_the_history() -> None:
    probe = OptionsOnly(cases(50, 1, asymmetric=True))
    candidates = [Candidates(("x", "y"), ("a b c pack", "d 12-pack"))] * 2
    one, other = probe.score([History("u", ("soap",)), History("v", ("lip1", "hair1"))], candidates)
    assert one.tolist() == other.tolist()


def test_log_odds_follow_the_counts() -> None:
    # "aa" is right in 3 of 4 of the same pairs, "bb" in 1 of 4; their letters tell them apart.
    right = Candidates(("x", "y"), ("aa", "bb"))
    made = [EvalExample(History(str(n), ()), ("x",), right, 0 if n < 30 else 1) for n in range(40)]
    first, second = OptionsOnly(made).score([History("u", ())], [right])[0]
    assert first > 0 > second
    assert first == pytest.approx(np.log(30 / 10), abs=0.2)


def test_only_so_many_texts_are_learned_from(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(options_only, "MOST_TEXTS", 100)
    made = cases(300, 1, asymmetric=True)
    drawn = options_only._draw(made, seed=1)
    assert len(drawn) == 50  # of two options each
    assert drawn == options_only._draw(made, seed=1) != options_only._draw(made, seed=2)


def test_nothing_to_learn_from() -> None:
    with pytest.raises(RecipeError, match="training cases with options"):
        learn(split(), CATALOGUE, 1)


def test_blank_titles_have_a_format_still() -> None:
    blank = Candidates(("x", "y"), ("", "  "))
    made = [EvalExample(History("u", ()), ("x",), blank, 0)]
    assert np.isfinite(OptionsOnly(made).score([History("u", ())], [blank])[0]).all()
