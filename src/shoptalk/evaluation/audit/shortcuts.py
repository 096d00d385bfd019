"""Telling the right option without a history, and by what: popularity, topic or format.

Models that see ever more of the options alone are learned from the training questions and judged on the test's:
popularity; the letters besides; the format besides (case, digits, punctuation, length); every character n-gram. What
each adds to the one before is due to what it sees more. A topic is told by letters alone, without spaces, so that a
cleaning which takes digits, case or punctuation from the right options only shows as format.

Source of the idea: S. Gururangan et al., "Annotation artifacts in natural language inference data", NAACL 2018.
"""

from collections.abc import Iterator
from typing import Any

import numpy as np

from shoptalk.evaluation.audit.evidence import Evidence, MultipleChoiceSet, letters
from shoptalk.evaluation.audit.finding import Finding, judged, shorten
from shoptalk.evaluation.bootstrap import Floats, estimate
from shoptalk.evaluation.id_map import PAD_ID, Ints
from shoptalk.evaluation.options import correctness
from shoptalk.evaluation.probe import FORMAT, Ngrams, beside, format_features, log_odds
from shoptalk.schema import Estimate

#: Fewer questions to learn from or to judge by say nothing.
ENOUGH = 50
#: What a leak must add to accuracy, beyond doubt, to be one.
LEAK = 0.02
#: What popularity or topic must give beyond chance, beyond doubt, to be told.
SHOWN = 0.05


def check(evidence: Evidence) -> Iterator[Finding]:
    """Options-only accuracy, and what it is due to."""
    choice_set = evidence.choice_set
    if choice_set is None or min(choice_set.learned.sum(), (~choice_set.learned).sum()) < ENOUGH:
        return
    probe, seed = _Probe(choice_set, evidence), evidence.seed
    popular, topic, whole = (probe.judge(blocks) for blocks in ("p", "pt", "ptf"))
    # Letters may confuse more than they tell, above all where questions are few: format must beat the better of both.
    known = max(topic, popular, key=np.mean)
    leak = estimate(whole - known, seed=seed)
    estimated = estimate(max(whole, probe.judge("n"), key=np.mean), seed=seed)
    yield _options_only(estimated, leak, float(known.mean()), choice_set.chance)
    yield judged(
        "format_leak",
        leak,
        LEAK,
        ("" if leak.low > LEAK else "no formatting leak: ")
        + f"the format of the text adds {leak.value:+.3f} to what popularity and topic tell"
        + (f": {probe.blame()}" if leak.low > LEAK else ""),
        worst="fail",
        example=probe.example() if leak.low > LEAK else "",
        do="give right options and distractors the same cleaning (one data.cleaning for all)",
    )
    popularity, gained = estimate(popular, seed=seed), estimate(topic - popular, seed=seed)
    yield judged(
        "popularity",
        popularity,
        choice_set.chance + SHOWN,
        f"the most popular option is right in {popularity.value:.3f} of the questions, "
        f"chance is {choice_set.chance:.3f}"
        + (": distractors drawn uniformly give popularity away" if popularity.low > choice_set.chance + SHOWN else ""),
        do="compare with popularity and not with chance, or draw distractors by popularity",
    )
    yield judged(
        "topic",
        gained,
        SHOWN if leak.low <= LEAK else 1.0,  # a leak of the format shows in the letters too
        f"the letters of the options tell {gained.value:+.3f} beyond popularity",
        do="draw distractors from the category of the right item",
    )


def _options_only(estimated: Estimate, leak: Estimate, known: float, chance: float) -> Finding:
    """The accuracy without any history, and whether it is a formatting leak."""
    statement = (
        f"without any history the right option is found in {estimated.value:.3f} of the questions (chance {chance:.3f}"
    )
    if leak.low > LEAK:
        return Finding(
            "options_only",
            "fail",
            f"a formatting leak: {statement}; popularity and topic explain {known:.3f})",
            estimated,
            do="do not report this exam's accuracy; clean all options alike and make the questions again",
        )
    return judged(
        "options_only",
        estimated,
        max(known, chance) + SHOWN + LEAK,
        f"{statement})",
        worst="fail",
        do="the options give themselves away; look at what the right ones have in common",
    )


class _Probe:
    """Features of an exam's texts in blocks, and models that see some of them."""

    def __init__(self, choice_set: MultipleChoiceSet, evidence: Evidence) -> None:
        self.choice_set, self.seed = choice_set, evidence.seed
        learned, shown = choice_set.learned, choice_set.shown
        right = np.bincount(choice_set.right[learned], minlength=len(choice_set.texts))
        all_shown = np.bincount(choice_set.options[learned][shown[learned]], minlength=len(choice_set.texts))
        self.right, self.wrong = right.astype(np.float64), (all_shown - right).astype(np.float64)
        self.asked = np.flatnonzero(~learned)
        met = np.flatnonzero(all_shown)
        self.format = format_features(choice_set.texts)
        self.blocks: dict[str, Any] = {
            "p": _popularity(choice_set, evidence),
            "t": _topic(choice_set, met),
            "f": np.concatenate([self.format, self.format**2], axis=1),
        }
        self._met = met

    def judge(self, blocks: str) -> Floats:
        """(A,) how right a model that sees these blocks is on the test's questions."""
        if blocks == "n":
            return self.correct(
                Ngrams([self.choice_set.texts[text] for text in self._met.tolist()]).of(self.choice_set.texts)
            )
        return self.correct(beside(*(self.blocks[block] for block in blocks)))

    def correct(self, features: Any) -> Floats:
        """(A,) correctness of log-odds learned from features (T, F) of the texts."""
        odds = np.asarray(log_odds(features, self.right, self.wrong).decision_function(features))
        rows, shown = self.choice_set.options[self.asked], self.choice_set.shown[self.asked]
        return correctness(
            [odds[row[real]] for row, real in zip(rows, shown, strict=True)],
            self.choice_set.answer[self.asked].tolist(),
        )

    def blame(self) -> str:
        """Which sides of the format tell, the strongest first, by what each alone adds to popularity."""
        base = self.judge("p").mean()
        adds = {}
        for kind in dict.fromkeys(FORMAT):
            columns = [column for column, name in enumerate(FORMAT) if name == kind]
            own = self.format[:, columns]
            adds[kind] = self.correct(beside(self.blocks["p"], own, own**2)).mean() - base
        strong = [kind for kind in sorted(adds, key=lambda kind: -adds[kind]) if adds[kind] > LEAK]
        return ", ".join(f"{kind} ({adds[kind]:+.3f})" for kind in strong) or "no side of it alone"

    def example(self) -> str:
        """The same letters shown as a right and as a wrong option, in two looks; else one question."""
        choice_set, keys = self.choice_set, self.choice_set.keys
        shown = choice_set.shown.copy()
        shown[np.arange(len(shown)), choice_set.answer] = False
        wrong = np.unique(choice_set.options[shown])
        by_key = dict(zip(keys[wrong].tolist(), wrong.tolist(), strict=True))
        for text in np.unique(choice_set.right).tolist():
            other = by_key.get(int(keys[text]))
            if other is not None and choice_set.texts[other] != choice_set.texts[text]:
                return f"right: “{shorten(choice_set.texts[text])}”, wrong: “{shorten(choice_set.texts[other])}”"
        row = int(self.asked[0])
        others = [choice_set.texts[text] for text in choice_set.options[row][shown[row]].tolist()]
        return (
            f"right: “{shorten(choice_set.texts[int(choice_set.right[row])])}”, wrong: “{shorten(others[0])}”"
            if others
            else ""
        )


def _popularity(choice_set: MultipleChoiceSet, evidence: Evidence) -> Floats:
    """(T, 3) how often what a text stands for was bought in training; by its letters where no purchases are known."""
    count = np.zeros(len(choice_set.texts))
    if choice_set.item is not None and evidence.log is not None:
        real = choice_set.item != PAD_ID
        np.maximum.at(count, choice_set.options[real], evidence.log.bought[choice_set.item[real]].astype(np.float64))
    else:
        learned = choice_set.seen_items[choice_set.learned[choice_set.seen_items[:, 0]], 1]
        met: Ints = np.concatenate([choice_set.keys[learned], choice_set.keys[choice_set.right[choice_set.learned]]])
        count = np.bincount(met, minlength=int(choice_set.keys.max(initial=0)) + 1)[choice_set.keys].astype(np.float64)
    logs = np.log1p(count)
    return np.stack(
        [logs / max(1.0, logs.max(initial=0)), (logs / max(1.0, logs.max(initial=0))) ** 2, count == 0], axis=1
    )


def _topic(choice_set: MultipleChoiceSet, met: Ints) -> Any:
    """TF-IDF of n-grams (n = 4, 5) of the letters, sparse (T, W): no space, case, digit or punctuation mark counts."""
    plain = [letters(text) for text in choice_set.texts]
    from sklearn.feature_extraction.text import TfidfVectorizer

    vectorizer = TfidfVectorizer(
        analyzer="char", ngram_range=(4, 5), sublinear_tf=True, dtype=np.float32, min_df=2 if len(met) > 1000 else 1
    )
    try:
        vectorizer.fit([plain[text] for text in met.tolist()])
    except ValueError:  # no text is that long
        return np.zeros((len(plain), 1))
    return vectorizer.transform(plain)
