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
from shoptalk.evaluation.coded import NOTHING, Ints
from shoptalk.evaluation.options import correctness
from shoptalk.evaluation.probe import FORMAT, Ngrams, beside, format_features, log_odds
from shoptalk.schema import Estimate

#: Fewer questions to learn from or to judge by say nothing.
ENOUGH = 50
#: What a leak must add to accuracy, beyond doubt, to be one.
LEAK = 0.02
#: What popularity or topic must give beyond chance, beyond doubt, to be told.
TOLD = 0.05


def check(evidence: Evidence) -> Iterator[Finding]:
    """Options-only accuracy, and what it is due to."""
    exam = evidence.exam
    if exam is None or min(exam.learned.sum(), (~exam.learned).sum()) < ENOUGH:
        return
    probe, seed = _Probe(exam, evidence), evidence.seed
    popular, topic, whole = (probe.judge(blocks) for blocks in ("p", "pt", "ptf"))
    # Letters may confuse more than they tell, above all where questions are few: format must beat the better of both.
    known = max(topic, popular, key=np.mean)
    leak = estimate(whole - known, seed=seed)
    told = estimate(max(whole, probe.judge("n"), key=np.mean), seed=seed)
    yield _options_only(told, leak, float(known.mean()), exam.chance)
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
        exam.chance + TOLD,
        f"the most popular option is right in {popularity.value:.3f} of the questions, chance is {exam.chance:.3f}"
        + (": distractors drawn uniformly give popularity away" if popularity.low > exam.chance + TOLD else ""),
        do="compare with popularity and not with chance, or draw distractors by popularity",
    )
    yield judged(
        "topic",
        gained,
        TOLD if leak.low <= LEAK else 1.0,  # a leak of the format shows in the letters too
        f"the letters of the options tell {gained.value:+.3f} beyond popularity",
        do="draw distractors from the category of the right item",
    )


def _options_only(told: Estimate, leak: Estimate, known: float, chance: float) -> Finding:
    """The accuracy without any history, and whether it is a formatting leak."""
    said = f"without any history the right option is found in {told.value:.3f} of the questions (chance {chance:.3f}"
    if leak.low > LEAK:
        return Finding(
            "options_only",
            "fail",
            f"a formatting leak: {said}; popularity and topic explain {known:.3f})",
            told,
            do="do not report this exam's accuracy; clean all options alike and make the questions again",
        )
    return judged(
        "options_only",
        told,
        max(known, chance) + TOLD + LEAK,
        f"{said})",
        worst="fail",
        do="the options give themselves away; look at what the right ones have in common",
    )


class _Probe:
    """Features of an exam's texts in blocks, and models that see some of them."""

    def __init__(self, exam: MultipleChoiceSet, evidence: Evidence) -> None:
        self.exam, self.seed = exam, evidence.seed
        learned, shown = exam.learned, exam.shown
        right = np.bincount(exam.right[learned], minlength=len(exam.texts))
        all_shown = np.bincount(exam.options[learned][shown[learned]], minlength=len(exam.texts))
        self.right, self.wrong = right.astype(np.float64), (all_shown - right).astype(np.float64)
        self.asked = np.flatnonzero(~learned)
        met = np.flatnonzero(all_shown)
        self.format = format_features(exam.texts)
        self.blocks: dict[str, Any] = {
            "p": _popularity(exam, evidence),
            "t": _topic(exam, met),
            "f": np.concatenate([self.format, self.format**2], axis=1),
        }
        self._met = met

    def judge(self, blocks: str) -> Floats:
        """(A,) how right a model that sees these blocks is on the test's questions."""
        if blocks == "n":
            return self.correct(Ngrams([self.exam.texts[text] for text in self._met.tolist()]).of(self.exam.texts))
        return self.correct(beside(*(self.blocks[block] for block in blocks)))

    def correct(self, features: Any) -> Floats:
        """(A,) correctness of log-odds learned from features (T, F) of the texts."""
        odds = np.asarray(log_odds(features, self.right, self.wrong).decision_function(features))
        rows, shown = self.exam.options[self.asked], self.exam.shown[self.asked]
        return correctness(
            [odds[row[real]] for row, real in zip(rows, shown, strict=True)], self.exam.answer[self.asked].tolist()
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
        exam, keys = self.exam, self.exam.keys
        shown = exam.shown.copy()
        shown[np.arange(len(shown)), exam.answer] = False
        wrong = np.unique(exam.options[shown])
        by_key = dict(zip(keys[wrong].tolist(), wrong.tolist(), strict=True))
        for text in np.unique(exam.right).tolist():
            other = by_key.get(int(keys[text]))
            if other is not None and exam.texts[other] != exam.texts[text]:
                return f"right: “{shorten(exam.texts[text])}”, wrong: “{shorten(exam.texts[other])}”"
        row = int(self.asked[0])
        others = [exam.texts[text] for text in exam.options[row][shown[row]].tolist()]
        return f"right: “{shorten(exam.texts[int(exam.right[row])])}”, wrong: “{shorten(others[0])}”" if others else ""


def _popularity(exam: MultipleChoiceSet, evidence: Evidence) -> Floats:
    """(T, 3) how often what a text stands for was bought in training; by its letters where no purchases are known."""
    count = np.zeros(len(exam.texts))
    if exam.item is not None and evidence.log is not None:
        real = exam.item != NOTHING
        np.maximum.at(count, exam.options[real], evidence.log.bought[exam.item[real]].astype(np.float64))
    else:
        learned = exam.held[exam.learned[exam.held[:, 0]], 1]
        met: Ints = np.concatenate([exam.keys[learned], exam.keys[exam.right[exam.learned]]])
        count = np.bincount(met, minlength=int(exam.keys.max(initial=0)) + 1)[exam.keys].astype(np.float64)
    logs = np.log1p(count)
    return np.stack(
        [logs / max(1.0, logs.max(initial=0)), (logs / max(1.0, logs.max(initial=0))) ** 2, count == 0], axis=1
    )


def _topic(exam: MultipleChoiceSet, met: Ints) -> Any:
    """TF-IDF of n-grams (n = 4, 5) of the letters, sparse (T, W): no space, case, digit or punctuation mark counts."""
    plain = [letters(text) for text in exam.texts]
    from sklearn.feature_extraction.text import TfidfVectorizer

    vectorizer = TfidfVectorizer(
        analyzer="char", ngram_range=(4, 5), sublinear_tf=True, dtype=np.float32, min_df=2 if len(met) > 1000 else 1
    )
    try:
        vectorizer.fit([plain[text] for text in met.tolist()])
    except ValueError:  # no text is that long
        return np.zeros((len(plain), 1))
    return vectorizer.transform(plain)
