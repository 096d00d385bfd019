"""Truncated examples and prompts, and answers that occur in their prompts."""

import re
from collections.abc import Iterator

import numpy as np

from shoptalk.evaluation.audit.evidence import Evidence
from shoptalk.evaluation.audit.finding import Finding, Severity, share, shorten
from shoptalk.evaluation.bootstrap import estimate
from shoptalk.schema import Estimate

#: Shares of truncated examples above which a finding is a warning, or a failure.
WARN_SHARE, FAIL_SHARE = 0.01, 0.1

#: Answers with fewer words ("yes", "A") occur in many prompts by chance.
MIN_WORDS = 3


def check(evidence: Evidence) -> Iterator[Finding]:
    """Prompts that a run truncated; answers of instruction rows that can be copied from their prompts."""
    outcome = evidence.outcome
    for kind, cut_share in (outcome.cut or {}).items() if outcome is not None else ():
        severity: Severity = "fail" if cut_share > FAIL_SHARE else "warn" if cut_share > WARN_SHARE else "info"
        yield Finding(
            "truncation",
            severity,
            f"{cut_share:.3f} of the {kind} were truncated to the model's maximum length",
            Estimate(cut_share, np.nan, np.nan, 0),
            do="increase the maximum length, or shorten the history" if severity != "info" else "",
        )
    if evidence.texts:
        yield _copied(evidence)


def _copied(evidence: Evidence) -> Finding:
    """The share of answers that occur in their prompts, and the mean share of an answer's words that do."""
    is_copied, word_fractions = [], []
    for prompt, answer in evidence.texts:
        prompt_words, answer_words = _normalised(prompt), _normalised(answer)
        is_copied.append(len(answer_words.split()) >= MIN_WORDS and answer_words in prompt_words)
        distinct = set(answer_words.split())
        word_fractions.append(len(distinct & set(prompt_words.split())) / len(distinct) if distinct else 0.0)
    size, word_share = share(is_copied), estimate(np.array(word_fractions), seed=evidence.seed)
    flagged = size.low > WARN_SHARE
    index = int(np.argmax(is_copied))
    return Finding(
        "answer_in_prompt",
        "fail" if flagged else "info",
        f"{size.value:.3f} of the answers occur word for word in their prompts, and on average "
        f"{word_share.value:.3f} of an answer's words do",
        size,
        f"“{shorten(evidence.texts[index][1])}”" if flagged else "",
        "a model can copy the answer; if it is one of several options, evaluate it as multiple choice"
        if flagged
        else "",
    )


def _normalised(text: str) -> str:
    """The text in lower case, its words separated by single spaces, with a space at each end."""
    return f" {re.sub(r'[^0-9a-z]+', ' ', text.casefold()).strip()} "
