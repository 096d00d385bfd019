"""Options-only classifiers: whether popularity, topic or format reveals the right option without a history.

Four classifiers see the options only. They are fitted to the training questions and evaluated on the test questions.
Each has more features than the one before: popularity; also the letters (the topic); also the format (case, digits,
punctuation, length). The last one sees all character n-grams. The accuracy that a classifier adds to the one before is
due to the added features. The topic features are letters without spaces. So a cleaning that removes digits, case or
punctuation from the right options only is measured as format.

Source of the idea: S. Gururangan et al., "Annotation artifacts in natural language inference data", NAACL 2018.
"""

from collections.abc import Iterator
from typing import Any

import numpy as np

from shoptalk.evaluation.audit.evidence import Evidence, MultipleChoiceSet, letters
from shoptalk.evaluation.audit.finding import Finding, NotChecked, finding_above, shorten
from shoptalk.evaluation.bootstrap import Floats, estimate
from shoptalk.evaluation.id_map import PAD_ID, Ints
from shoptalk.evaluation.options import correctness
from shoptalk.evaluation.probe import FORMAT, Ngrams, format_features, log_odds, stack_features
from shoptalk.schema import Estimate

#: Fewest training questions and fewest test questions.
MIN_QUESTIONS = 50
#: A format leak: the lower bound of the accuracy added by the format is above this.
LEAK_LIMIT = 0.02
#: A shortcut by popularity or topic: the lower bound of the added accuracy is above this.
SHORTCUT_LIMIT = 0.05


def check(evidence: Evidence) -> Iterator[Finding | NotChecked]:
    """Options-only accuracy, and the feature groups it is due to."""
    choice_set = evidence.choice_set
    if choice_set is None:
        return
    sizes = int(choice_set.in_training.sum()), int((~choice_set.in_training).sum())
    if min(sizes) < MIN_QUESTIONS:
        if evidence.benchmark is not None:
            yield NotChecked(
                "what the options give away",
                f"{MIN_QUESTIONS} questions for fitting a classifier and {MIN_QUESTIONS} others are needed, and there "
                f"are {sizes[0]} and {sizes[1]}",
                "give more questions",
            )
        return
    yield from _findings(choice_set, evidence)


def _findings(choice_set: MultipleChoiceSet, evidence: Evidence) -> Iterator[Finding]:
    """The findings about enough questions."""
    probe, seed = _Probe(choice_set, evidence), evidence.seed
    by_popularity, by_topic, by_format = (probe.correctness_with(blocks) for blocks in ("p", "pt", "ptf"))
    # With few questions the letters can lower the accuracy: format is compared with the better of the two.
    explained = max(by_topic, by_popularity, key=np.mean)
    leak = estimate(by_format - explained, seed=seed)
    accuracy = estimate(max(by_format, probe.correctness_with("n"), key=np.mean), seed=seed)
    yield _options_only(accuracy, leak, float(explained.mean()), choice_set.chance)
    yield finding_above(
        "format_leak",
        leak,
        LEAK_LIMIT,
        ("" if leak.low > LEAK_LIMIT else "no formatting leak: ")
        + f"the format of the text adds {leak.value:+.3f} to the accuracy of popularity and topic"
        + (f": {probe.contributions()}" if leak.low > LEAK_LIMIT else ""),
        severity="fail",
        example=probe.example() if leak.low > LEAK_LIMIT else "",
        do="clean right options and distractors in the same way (one data.cleaning for all)",
    )
    popularity, topic_gain = estimate(by_popularity, seed=seed), estimate(by_topic - by_popularity, seed=seed)
    yield finding_above(
        "popularity",
        popularity,
        choice_set.chance + SHORTCUT_LIMIT,
        f"the most popular option is right in {popularity.value:.3f} of the questions, "
        f"chance is {choice_set.chance:.3f}"
        + (
            ": with uniformly drawn distractors popularity is a shortcut"
            if popularity.low > choice_set.chance + SHORTCUT_LIMIT
            else ""
        ),
        do="compare with the popularity baseline and not with chance, or draw distractors by popularity",
    )
    yield finding_above(
        "topic",
        topic_gain,
        SHORTCUT_LIMIT if leak.low <= LEAK_LIMIT else 1.0,  # a format leak also affects the letters
        f"the topic of the options (letters of their texts) adds {topic_gain.value:+.3f} to the accuracy of popularity",
        do="draw distractors from the category of the right item",
    )


def _options_only(accuracy: Estimate, leak: Estimate, explained: float, chance: float) -> Finding:
    """The finding about the accuracy without any history."""
    statement = (
        f"without any history the right option is found in {accuracy.value:.3f} of the questions (chance {chance:.3f}"
    )
    if leak.low > LEAK_LIMIT:
        return Finding(
            "options_only",
            "fail",
            f"a formatting leak: {statement}; popularity and topic explain {explained:.3f})",
            accuracy,
            do="do not report this accuracy; clean all options in the same way and build the questions again",
        )
    return finding_above(
        "options_only",
        accuracy,
        max(explained, chance) + SHORTCUT_LIMIT + LEAK_LIMIT,
        f"{statement})",
        severity="fail",
        do="the options reveal the answer; look for what the right options have in common",
    )


class _Probe:
    """Blocks of features of the options' texts, and classifiers that see some of the blocks.

    The blocks are ``p`` (popularity), ``t`` (topic) and ``f`` (format); ``n`` alone stands for all character n-grams.
    """

    def __init__(self, choice_set: MultipleChoiceSet, evidence: Evidence) -> None:
        self.choice_set, self.seed = choice_set, evidence.seed
        in_training, shown = choice_set.in_training, choice_set.shown
        right = np.bincount(choice_set.right[in_training], minlength=len(choice_set.texts))
        all_shown = np.bincount(choice_set.options[in_training][shown[in_training]], minlength=len(choice_set.texts))
        self.right, self.wrong = right.astype(np.float64), (all_shown - right).astype(np.float64)
        self.test_rows = np.flatnonzero(~in_training)
        used = np.flatnonzero(all_shown)
        self.format = format_features(choice_set.texts)
        self.blocks: dict[str, Any] = {
            "p": _popularity(choice_set, evidence),
            "t": _topic(choice_set, used),
            "f": np.concatenate([self.format, self.format**2], axis=1),
        }
        self._used = used

    def correctness_with(self, blocks: str) -> Floats:
        """(A,) correctness on the test questions of a classifier that sees these blocks."""
        if blocks == "n":
            return self.correct(
                Ngrams([self.choice_set.texts[text] for text in self._used.tolist()]).of(self.choice_set.texts)
            )
        return self.correct(stack_features(*(self.blocks[block] for block in blocks)))

    def correct(self, features: Any) -> Floats:
        """(A,) correctness on the test questions of log-odds fitted to features (T, F) of the texts."""
        odds = np.asarray(log_odds(features, self.right, self.wrong).decision_function(features))
        options, shown = self.choice_set.options[self.test_rows], self.choice_set.shown[self.test_rows]
        return correctness(
            [odds[row[real]] for row, real in zip(options, shown, strict=True)],
            self.choice_set.answer[self.test_rows].tolist(),
        )

    def contributions(self) -> str:
        """The format features that reveal the answer, the strongest first, with what each adds to popularity."""
        base = self.correctness_with("p").mean()
        adds = {}
        for kind in dict.fromkeys(FORMAT):
            columns = [column for column, name in enumerate(FORMAT) if name == kind]
            features = self.format[:, columns]
            adds[kind] = self.correct(stack_features(self.blocks["p"], features, features**2)).mean() - base
        strongest = [kind for kind in sorted(adds, key=lambda kind: -adds[kind]) if adds[kind] > LEAK_LIMIT]
        return ", ".join(f"{kind} ({adds[kind]:+.3f})" for kind in strongest) or "no format feature alone"

    def example(self) -> str:
        """A right and a wrong option with the same letters in two formats, or else two options of one question."""
        choice_set, keys = self.choice_set, self.choice_set.keys
        wrong_options = choice_set.shown.copy()
        wrong_options[np.arange(len(wrong_options)), choice_set.answer] = False
        wrong_texts = np.unique(choice_set.options[wrong_options])
        by_key = dict(zip(keys[wrong_texts].tolist(), wrong_texts.tolist(), strict=True))
        for text in np.unique(choice_set.right).tolist():
            wrong_text = by_key.get(int(keys[text]))
            if wrong_text is not None and choice_set.texts[wrong_text] != choice_set.texts[text]:
                return f"right: “{shorten(choice_set.texts[text])}”, wrong: “{shorten(choice_set.texts[wrong_text])}”"
        row = int(self.test_rows[0])
        wrong_titles = [choice_set.texts[text] for text in choice_set.options[row][wrong_options[row]].tolist()]
        return (
            f"right: “{shorten(choice_set.texts[int(choice_set.right[row])])}”, wrong: “{shorten(wrong_titles[0])}”"
            if wrong_titles
            else ""
        )


def _popularity(choice_set: MultipleChoiceSet, evidence: Evidence) -> Floats:
    """(T, 3) popularity features: scaled log count, its square, and whether the count is 0.

    The count is that of training purchases; where they are unknown, that of texts with the same letters in training.
    """
    counts = np.zeros(len(choice_set.texts))
    if choice_set.item is not None and evidence.log is not None:
        is_option = choice_set.item != PAD_ID
        np.maximum.at(
            counts, choice_set.options[is_option], evidence.log.purchases[choice_set.item[is_option]].astype(np.float64)
        )
    else:
        seen = choice_set.seen_items[choice_set.in_training[choice_set.seen_items[:, 0]], 1]
        bought: Ints = np.concatenate(
            [choice_set.keys[seen], choice_set.keys[choice_set.right[choice_set.in_training]]]
        )
        counts = np.bincount(bought, minlength=int(choice_set.keys.max(initial=0)) + 1)[choice_set.keys].astype(
            np.float64
        )
    logs = np.log1p(counts)
    return np.stack(
        [logs / max(1.0, logs.max(initial=0)), (logs / max(1.0, logs.max(initial=0))) ** 2, counts == 0], axis=1
    )


def _topic(choice_set: MultipleChoiceSet, used: Ints) -> Any:
    """TF-IDF of n-grams (n = 4, 5) of the letters, sparse (T, W), without spaces, case, digits and punctuation."""
    letter_texts = [letters(text) for text in choice_set.texts]
    from sklearn.feature_extraction.text import TfidfVectorizer

    vectorizer = TfidfVectorizer(
        analyzer="char", ngram_range=(4, 5), sublinear_tf=True, dtype=np.float32, min_df=2 if len(used) > 1000 else 1
    )
    try:
        vectorizer.fit([letter_texts[text] for text in used.tolist()])
    except ValueError:  # no text has four letters
        return np.zeros((len(letter_texts), 1))
    return vectorizer.transform(letter_texts)
