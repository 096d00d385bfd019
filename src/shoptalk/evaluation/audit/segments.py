"""What each segment of a prompt gives away alone: the target, the last line, everything but the history, the history.

A classifier of character n-grams sees one segment and is judged on rows of users that it was not fitted to: by its area
under the ROC curve (AUC) where the answer is one of two labels, else by its accuracy against the most frequent answer.
What a segment without the history predicts needs no user. What the history predicts without the target is the user's
habit, and no match of user and item.

Source of the idea: S. Gururangan et al., "Annotation artifacts in natural language inference data", NAACL 2018.
"""

from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from shoptalk.constants import HISTORY_SEGMENT, LAST_LINE_SEGMENT, REST_SEGMENT, TARGET_SEGMENT
from shoptalk.evaluation.auc import auc, auc_and_gain
from shoptalk.evaluation.audit.benchmark import LABEL, OPTIONS, Benchmark, normalised
from shoptalk.evaluation.audit.evidence import Evidence
from shoptalk.evaluation.audit.finding import Finding, NotChecked, Severity, corrected_low, shorten
from shoptalk.evaluation.bootstrap import Floats, estimate
from shoptalk.evaluation.id_map import Bools, IdMap, Ints
from shoptalk.evaluation.probe import Ngrams, log_odds, stack_features
from shoptalk.schema import Estimate

#: Fewest rows for fitting and for judging where the parts are given, and fewest rows where they are not.
MIN_TRAINING, MIN_TEST, MIN_ROWS = 200, 100, 200
#: Most rows of a part, and most characters of a segment over all rows, that a classifier sees.
MOST_ROWS, MOST_CHARACTERS, MOST_OF_ONE = 4_000, 1_500_000, 2_000
#: AUC, or accuracy above the most frequent answer, beyond which the whole interval must lie.
WARN_AUC, FAIL_AUC, WARN_GAIN, FAIL_GAIN = 0.52, 0.55, 0.02, 0.05
#: The same for the history alone: users who like more than others are no flaw of a file.
HISTORY_AUC = 0.55
#: Parts into which rows are divided for fitting and judging, and blocks of rows where users cannot be told apart.
FOLDS, BLOCKS = 5, 20
#: Most different answers.
MOST_CLASSES = 10
#: Names of the findings by segment.
NAMES = {
    TARGET_SEGMENT: "target_alone",
    LAST_LINE_SEGMENT: "last_line_alone",
    REST_SEGMENT: "prompt_without_history",
    HISTORY_SEGMENT: "history_alone",
}
#: What to do about a segment that predicts the answer.
_ADVICE = {
    TARGET_SEGMENT: "report this AUC beside the model's; only what exceeds it is due to the history",
    HISTORY_SEGMENT: "report the AUC per user beside the overall one: users differ in how often they like something",
}
_LOOK = "look for words or numbers in it that depend on the answer"
WHAT = "what the segments of the prompt give away"


def check(evidence: Evidence) -> Iterator[Finding | NotChecked]:
    """AUC or accuracy of each segment, and of the popularity of the target."""
    benchmark = evidence.benchmark
    if benchmark is None:
        return
    for kind in (LABEL, OPTIONS):
        rows = benchmark.rows_of(kind)
        if len(rows):
            yield from _segments(benchmark, kind, rows, evidence.seed)


def _segments(benchmark: Benchmark, kind: int, rows: Ints, seed: int) -> Iterator[Finding | NotChecked]:
    """The findings about the rows of one kind."""
    present = [name for name in ((REST_SEGMENT,) if kind == OPTIONS else NAMES) if name in benchmark.segments]
    rows = rows[np.array([any(benchmark.segments[name][row] for name in present) for row in rows.tolist()], dtype=bool)]
    names = [name for name in present if any(benchmark.segments[name][row] for row in rows[:1000].tolist())]
    if not names:
        if kind == LABEL:
            yield NotChecked(WHAT, "the rows have no prompt of which a part could be taken")
        return
    folds = _folds(benchmark, rows, seed)
    if not folds:
        what = "a label" if kind == LABEL else "an option"
        yield NotChecked(
            WHAT, f"there are {len(rows):,} rows whose answer is {what}, and {MIN_ROWS} are needed", "give more rows"
        )
        return
    probe = _Probe(benchmark, folds, seed)
    count = len(np.unique(probe.labels[probe.test]))
    if not 2 <= count <= MOST_CLASSES:
        yield NotChecked(WHAT, f"the answers have {count} different values")
        return
    yield from probe.two_labels(names) if count == 2 and kind == LABEL else probe.many_labels(names, kind)
    if kind == LABEL and TARGET_SEGMENT not in names:
        yield NotChecked(
            "what the target gives away",
            "the item that the question is about could not be told apart in the prompts",
            "put it between double quotes in the last line",
        )


@dataclass(frozen=True)
class _Fold:
    """Rows to fit a classifier to, and rows to judge it on."""

    training: Ints
    test: Ints


def _folds(benchmark: Benchmark, rows: Ints, seed: int) -> list[_Fold]:
    """The file's own parts if both are large enough, else folds over users; none if there are too few rows."""
    generator = np.random.default_rng(seed)
    training, test = np.intersect1d(rows, benchmark.training), np.intersect1d(rows, benchmark.test)
    if len(training) >= MIN_TRAINING and len(test) >= MIN_TEST:
        return [_Fold(_drawn(training, generator), _drawn(test, generator))]
    pool = test if len(test) >= MIN_ROWS else rows
    if len(pool) < MIN_ROWS:
        return []
    group = benchmark.group[pool]
    if np.bincount(group).max() > len(pool) / FOLDS:
        group = np.arange(len(pool)) * BLOCKS // len(pool)
    _, group = np.unique(group, return_inverse=True)
    fold = (generator.permutation(int(group.max()) + 1) % FOLDS)[group]
    chosen = _drawn(np.arange(len(pool)), generator)
    fold, pool = fold[chosen], pool[chosen]
    return [_Fold(pool[fold != number], pool[fold == number]) for number in range(FOLDS) if (fold == number).any()]


def _drawn(rows: Ints, generator: np.random.Generator) -> Ints:
    return rows if len(rows) <= MOST_ROWS else np.sort(generator.choice(rows, MOST_ROWS, replace=False))


class _Probe:
    """Classifiers that see one segment, judged on held-out rows."""

    def __init__(self, benchmark: Benchmark, folds: Sequence[_Fold], seed: int) -> None:
        self.benchmark, self.folds, self.seed = benchmark, folds, seed
        self.labels, self.names = benchmark.labels
        self.test = np.concatenate([fold.test for fold in folds])
        group = benchmark.group[self.test]
        if np.bincount(group).max() > len(group) / FOLDS:  # users cannot be told apart
            group = self.test
        self.users = [str(number) for number in group.tolist()]

    def two_labels(self, names: Sequence[str]) -> Iterator[Finding]:
        """Findings by AUC; what shows the target is compared with the target alone."""
        is_positive = self.labels[self.test] == self.labels[self.test].max()
        comparisons = len(names) + 1
        target: Floats | None = None
        if TARGET_SEGMENT in names:
            size = auc(self._scores(None)[:, 0], is_positive, self.users, seed=self.seed)
            yield self._popularity(size, comparisons)
            target = self._scores(TARGET_SEGMENT)[:, 0]
            size = auc(target, is_positive, self.users, seed=self.seed)
            yield self._alone(TARGET_SEGMENT, size, corrected_low(size, comparisons), target)
        for name in names:
            if name == TARGET_SEGMENT:
                continue
            scores = self._scores(name)[:, 0]
            if target is None or name == HISTORY_SEGMENT:
                size = auc(scores, is_positive, self.users, seed=self.seed)
                yield self._alone(name, size, corrected_low(size, comparisons), scores)
            else:
                size, gain = auc_and_gain(scores, target, is_positive, self.users, seed=self.seed)
                yield self._gain_over_target(name, size, gain, corrected_low(gain, comparisons))

    def _popularity(self, size: Estimate, comparisons: int) -> Finding:
        """The finding about the popularity of the target."""
        severity = _severity(corrected_low(size, comparisons), WARN_AUC, FAIL_AUC)
        return Finding(
            "target_popularity",
            severity,
            f"how often the target occurs in other users' rows predicts the answer with an AUC of {size.value:.3f} "
            "(0.5: not at all)" + (": popularity is a shortcut" if severity != "info" else ""),
            size,
            self._popular_example() if severity != "info" else "",
            "report this AUC beside the model's; draw positives and negatives of equal popularity"
            if severity != "info"
            else "",
        )

    def _alone(self, name: str, size: Estimate, low: float, scores: Floats) -> Finding:
        """The finding about a segment that is judged by itself."""
        is_history = name == HISTORY_SEGMENT
        severity = _severity(low, HISTORY_AUC, 1.0) if is_history else _severity(low, WARN_AUC, FAIL_AUC)
        flagged = severity != "info"
        share, answer = self._majority()
        without = "without the item that it is about" if is_history else "without any history"
        return Finding(
            NAMES[name],
            severity,
            f"{name} alone predicts the answer with an AUC of {size.value:.3f} (0.5: not at all; always answering "
            f"“{answer}” is right in {share:.3f})" + (f": {without}" if flagged else ""),
            size,
            self._example(name, scores) if flagged else "",
            _ADVICE.get(name, _ADVICE[TARGET_SEGMENT]) if flagged else "",
        )

    def _gain_over_target(self, name: str, size: Estimate, gain: Estimate, low: float) -> Finding:
        """The finding about a segment that contains the target."""
        severity = _severity(low, WARN_GAIN, FAIL_GAIN)
        return Finding(
            NAMES[name],
            severity,
            f"{name} predicts the answer with an AUC of {size.value:.3f}: {gain.value:+.3f} beyond the target alone "
            f"[{gain.low:+.3f}, {gain.high:+.3f}]",
            size,
            self._example(name) if severity != "info" else "",
            _LOOK if severity != "info" else "",
        )

    def many_labels(self, names: Sequence[str], kind: int) -> Iterator[Finding]:
        """Findings by accuracy: above the most frequent answer, or above the target alone for what shows the target."""
        classes = self._classes()
        majority = (self._majority_by_fold() == self.labels[self.test]).astype(np.float64)
        baseline, what = majority, "and the most frequent answer"
        for name in names:
            right = (classes[self._scores(name, ranked=False).argmax(axis=1)] == self.labels[self.test]).astype(
                np.float64
            )
            shows_target = name in (LAST_LINE_SEGMENT, REST_SEGMENT) and TARGET_SEGMENT in names
            compared = baseline if shows_target else majority
            gain = estimate(right - compared, users=self.users, seed=self.seed)
            fail = 1.0 if name == HISTORY_SEGMENT else FAIL_GAIN
            severity = _severity(corrected_low(gain, len(names)), WARN_GAIN, fail)
            answer = "the position of the right option" if kind == OPTIONS else "the answer"
            yield Finding(
                NAMES[name],
                severity,
                f"{name} predicts {answer} in {right.mean():.3f} of the rows, "
                f"{what if shows_target else 'and the most frequent answer'} is right in {compared.mean():.3f}",
                gain,
                self._example(name) if severity != "info" else "",
                _ADVICE.get(name, _LOOK).replace("AUC", "accuracy") if severity != "info" else "",
            )
            if name == TARGET_SEGMENT:
                baseline, what = right, "and the target alone"

    def _scores(self, name: str | None, *, ranked: bool = True) -> Floats:
        """(M, C) log-odds of the classes for the test rows.

        ``ranked``: (M, 1) for the last of two classes, as ranks within each fold, so that the scores of the classifiers
        of different folds are comparable. Without a name, the only feature is the popularity of the target.
        """
        texts = self.benchmark.segments[name or TARGET_SEGMENT]
        codes, distinct = self._codes(texts)
        ngrams = None if name is None else Ngrams(distinct).of(distinct)
        classes = self._classes()[-1:] if ranked else self._classes()
        parts = []
        for fold in self.folds:
            blocks = [] if ngrams is None else [ngrams]
            if name in (None, TARGET_SEGMENT):
                blocks.append(self._counts(fold, distinct, codes))
            features = stack_features(*blocks)
            training = _within(fold.training, texts)
            label, code = self.labels[training], codes[training]
            columns = [_decision(features, code, label == positive)[codes[fold.test]] for positive in classes]
            parts.append(np.stack([_ranks(column) for column in columns] if ranked else columns, axis=1))
        return np.concatenate(parts)

    def _classes(self) -> Ints:
        return np.unique(self.labels[np.concatenate([fold.training for fold in self.folds])])

    def _codes(self, texts: Sequence[str]) -> tuple[Ints, list[str]]:
        """(N,) the number of each used row's text, and the distinct texts, cut to their last characters."""
        rows = np.unique(np.concatenate([np.concatenate([fold.training, fold.test]) for fold in self.folds]))
        most = max(100, min(MOST_OF_ONE, MOST_CHARACTERS // len(rows)))
        numbers = IdMap([])
        codes = np.zeros(len(texts), dtype=np.int64)
        codes[rows] = [numbers.of(texts[row][-most:]) for row in rows.tolist()]
        return codes, list(dict.fromkeys(texts[row][-most:] for row in rows.tolist()))

    def _counts(self, fold: _Fold, distinct: Sequence[str], codes: Ints) -> Floats:
        """(T, 3) popularity of the targets in the rows for fitting: scaled log count, square, whether it is 0."""
        benchmark = self.benchmark
        items_by_user: dict[int, set[str]] = {}
        for row, group in zip(fold.training.tolist(), benchmark.group[fold.training].tolist(), strict=True):
            items_by_user.setdefault(group, set()).update([benchmark.target[row], *benchmark.history[row]])
        keys: Counter[str] = Counter()
        for text, count in Counter(item for items in items_by_user.values() for item in items).items():
            keys[normalised(text)] += count
        own = np.zeros(len(distinct))
        for row in np.concatenate([fold.training, fold.test]).tolist():
            own[codes[row]] = keys[normalised(benchmark.target[row])]
        is_training = np.zeros(len(distinct), dtype=np.bool_)
        is_training[codes[fold.training]] = True
        logs = np.log1p(np.maximum(0, own - is_training))  # a row for fitting does not count itself
        scaled = logs / max(1.0, logs.max(initial=0))
        return np.stack([scaled, scaled**2, logs == 0], axis=1)

    def _majority(self) -> tuple[float, str]:
        """The share of the most frequent answer among the test rows, and its text."""
        counts = np.bincount(self.labels[self.test])
        return float(counts.max() / counts.sum()), self.names[int(counts.argmax())]

    def _majority_by_fold(self) -> Ints:
        """(M,) for each test row the most frequent answer of the rows for fitting."""
        return np.concatenate(
            [np.full(len(fold.test), np.bincount(self.labels[fold.training]).argmax()) for fold in self.folds]
        )

    def _example(self, name: str, scores: Floats | None = None) -> str:
        """The test rows with the highest and the lowest score, or the first row of the test."""
        if scores is None:
            return self._shown(name, int(self.test[0]))
        highest, lowest = (self.test[index] for index in (scores.argmax(), scores.argmin()))
        return f"most likely “{self.names[-1]}”: {self._shown(name, highest)}; least: {self._shown(name, lowest)}"

    def _shown(self, name: str, row: int) -> str:
        text = " ".join(self.benchmark.segments[name][row].split())
        return f"“{shorten(text, 60)}” ({self.benchmark.where[row]}, answer “{self.benchmark.answer[row].strip()}”)"

    def _popular_example(self) -> str:
        """The target that occurs most often, and how often with the positive answer."""
        keys = [normalised(self.benchmark.target[row]) for row in self.test.tolist()]
        key, count = Counter(keys).most_common(1)[0]
        rows = self.test[[name == key for name in keys]]
        hits = int((self.labels[rows] == self.labels[self.test].max()).sum())
        title = self.benchmark.target[int(rows[0])]
        return f"“{shorten(title)}” is the target of {count} rows, of which {hits} have the answer “{self.names[-1]}”"


def _severity(low: float, warn: float, fail: float) -> Severity:
    return "fail" if low > fail else "warn" if low > warn else "info"


def _within(rows: Ints, texts: Sequence[str]) -> Ints:
    """The rows that have the segment, or all if none has."""
    present = np.array([bool(texts[row]) for row in rows.tolist()], dtype=np.bool_)
    return rows[present] if present.any() else rows


def _decision(features: Any, codes: Ints, is_positive: Bools) -> Floats:
    """(T,) log-odds of the positive class for each text, fitted to rows with the texts of these numbers."""
    count = features.shape[0]
    right = np.bincount(codes[is_positive], minlength=count).astype(np.float64)
    wrong = np.bincount(codes[~is_positive], minlength=count).astype(np.float64)
    if not right.any() or not wrong.any():
        return np.zeros(count)
    return np.asarray(log_odds(features, right, wrong).decision_function(features), dtype=np.float64)


def _ranks(scores: Floats) -> Floats:
    """Ranks as shares, equal for equal scores: scores of several classifiers become comparable."""
    _, index, counts = np.unique(scores, return_inverse=True, return_counts=True)
    return np.asarray(((np.cumsum(counts) - (counts - 1) / 2) / len(scores))[index], dtype=np.float64)
