"""What was cut away, and answers that stand in their prompts."""

import re
from collections.abc import Iterator

import numpy as np

from shoptalk.evaluation.audit.evidence import Evidence
from shoptalk.evaluation.audit.finding import Finding, Severity, share, shorten
from shoptalk.evaluation.bootstrap import estimate
from shoptalk.schema import Estimate

#: Share of cut examples from which on a figure needs a word, and from which on it is another task.
SOME, MANY = 0.01, 0.1

#: Answers of fewer words than this ("yes", "A") are in many prompts by chance.
WORDS = 3


def check(evidence: Evidence) -> Iterator[Finding]:
    """Prompts that were cut by a run; answers of instruction rows that can be copied from their prompts."""
    outcome = evidence.outcome
    for what, cut in (outcome.cut or {}).items() if outcome is not None else ():
        severity: Severity = "fail" if cut > MANY else "warn" if cut > SOME else "info"
        yield Finding(
            "truncation",
            severity,
            f"{cut:.3f} of the {what} were cut to fit the model's length",
            Estimate(cut, np.nan, np.nan, 0),
            do="raise the model's length, or shorten the history" if severity != "info" else "",
        )
    if evidence.texts:
        yield _copied(evidence)


def _copied(evidence: Evidence) -> Finding:
    """Answers that stand in their prompts, whole; the words in common beside them."""
    inside, words = [], []
    for prompt, answer in evidence.texts:
        statement, wanted = _plain(prompt), _plain(answer)
        inside.append(len(wanted.split()) >= WORDS and wanted in statement)
        own = set(wanted.split())
        words.append(len(own & set(statement.split())) / len(own) if own else 0.0)
    found, overlap = share(inside), estimate(np.array(words), seed=evidence.seed)
    bad = found.low > SOME
    at = int(np.argmax(inside))
    return Finding(
        "answer_in_prompt",
        "fail" if bad else "info",
        f"{found.value:.3f} of the answers stand word for word in their prompts, and {overlap.value:.3f} of "
        "an answer's words",
        found,
        f"“{shorten(evidence.texts[at][1])}”" if bad else "",
        "a model can copy; if the answer is one of several options, judge it as a choice" if bad else "",
    )


def _plain(text: str) -> str:
    """Words only, small, one space between them and one at each end."""
    return f" {re.sub(r'[^0-9a-z]+', ' ', text.casefold()).strip()} "
