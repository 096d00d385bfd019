"""Truncation of benchmark rows at a stated length, in tokens of a stated tokenizer."""

from collections.abc import Iterator

from shoptalk.evaluation.audit.evidence import Evidence
from shoptalk.evaluation.audit.finding import Finding, NotChecked, Severity, share

#: Shares of cut rows above which a finding is a warning, or a failure.
WARN_SHARE, FAIL_SHARE = 0.01, 0.1


def check(evidence: Evidence) -> Iterator[Finding | NotChecked]:
    """The share of the rows that are longer than the stated length."""
    benchmark = evidence.benchmark
    if benchmark is None or not len(benchmark):
        return
    if benchmark.tokens is None:
        reason = (
            "no tokenizer and length were given" if any(benchmark.prompt) else "the file has columns and no prompts"
        )
        yield NotChecked("truncation", reason, "--tokenizer MODEL --max-tokens N" if any(benchmark.prompt) else "")
        return
    tokens = benchmark.tokens
    cut = tokens.prompt + tokens.answer > tokens.most
    size = share(cut)
    lost = float((tokens.prompt >= tokens.most).mean())
    severity: Severity = "fail" if size.low > FAIL_SHARE else "warn" if size.low > WARN_SHARE else "info"
    longest = int((tokens.prompt + tokens.answer).argmax())
    yield Finding(
        "truncation",
        severity,
        f"{size.value:.3f} of the rows have more than {tokens.most:,} tokens of {tokens.tokenizer}; in {lost:.3f} the "
        "prompt alone fills them, so that nothing of the answer is left",
        size,
        f"{benchmark.where[int(tokens.row[longest])]}: {int(tokens.prompt[longest]):,} tokens of the prompt, "
        f"{int(tokens.answer[longest]):,} of the answer"
        if cut.any()
        else "",
        "increase the length, or shorten the history in the prompt" if severity != "info" else "",
    )
