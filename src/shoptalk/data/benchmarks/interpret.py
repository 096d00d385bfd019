"""From texts to their parts: the options of a prompt, the items of the history, the target, and segments.

What is a title and what is part of the template is decided over all rows: a quoted text or a line that nearly all
prompts contain, such as "Yes." or "Answer:", belongs to the template.
"""

import re
from collections import Counter
from collections.abc import Collection, Sequence
from dataclasses import replace
from itertools import pairwise
from random import Random
from sys import intern

from shoptalk.constants import (
    HISTORY_SEGMENT,
    LAST_LINE_SEGMENT,
    OPTIONS_SEGMENT,
    REST_SEGMENT,
    TARGET_SEGMENT,
)
from shoptalk.data.benchmarks.options_in_text import announces_options, find_options, plain
from shoptalk.data.benchmarks.row import BenchmarkRow
from shoptalk.schema import ITEM_OPENS, NO_ITEM, TOKEN_CLOSES

#: An item as a code: ``<a_12><b_3><c_4>``, or an item token.
_CODE = re.compile(rf"(?:<[a-z]_\d+>)+|{re.escape(ITEM_OPENS)}.+?{re.escape(TOKEN_CLOSES)}")
_TOKEN = re.compile(f"{re.escape(ITEM_OPENS)}(.+?){re.escape(TOKEN_CLOSES)}")
_QUOTED = re.compile(r'"([^"\n]+)"|“([^”\n]+)”')
_SINGLE_QUOTED = re.compile(r"(?<=[\[\s,(])'([^'\n]+)'(?=[,\])\s.;]|$)")
_LISTED = re.compile(r"^[ \t]*(?:\d{1,3}[.)]|[-*•])[ \t]+(\S[^\n]*)$", re.MULTILINE)
_SENTENCE = re.compile(r"(?<=[.?!])\s+(?=[A-Z])")
#: A text in more than this share of the prompts, and in more than two, belongs to the template.
_TEMPLATE_SHARE = 0.9
#: Most rows whose prompts are divided into segments.
MOST_SEGMENTS = 20_000
#: Most different answers of questions whose answer is a label, and fewest rows for each of them.
MOST_LABELS, ROWS_PER_LABEL = 20, 10
#: Most words of a label.
MOST_LABEL_WORDS = 4


def interpret(rows: Sequence[BenchmarkRow], *, seed: int = 1, most_segments: int = MOST_SEGMENTS) -> list[BenchmarkRow]:
    """The rows with the parts of their prompts.

    Rows whose format has columns for these parts are returned as they are. Of many rows only a random sample of
    ``most_segments`` has segments, because these repeat most of the prompt.
    """
    numbers = range(len(rows))
    segmented = frozenset(numbers if len(rows) <= most_segments else Random(seed).sample(numbers, most_segments))
    titles = {title for title in (row.answer.strip().strip('"') for row in rows) if ", " in title}
    with_options = [_with_options(row, titles) for row in rows]
    is_label = _has_labels(with_options)
    template = _template_texts(with_options)
    return [
        _with_items(row, is_label, template, segmented=number in segmented) if row.prompt else row
        for number, row in enumerate(_without_constant_label(with_options))
    ]


def listed_items(answer: str) -> tuple[str, ...]:
    """The distinct items that an answer lists as item tokens, without the token that fills up a list."""
    return tuple(dict.fromkeys(item for item in _TOKEN.findall(answer) if item != NO_ITEM))


def _with_options(row: BenchmarkRow, titles: Collection[str]) -> BenchmarkRow:
    """A row with the options that its prompt lists."""
    if not row.prompt or row.options:
        return row
    found = find_options(row.prompt, row.answer, titles)
    if found is None:
        return replace(row, unread_options=announces_options(row.prompt))
    history = (row.prompt[: found.start],)
    segments = {OPTIONS_SEGMENT: row.prompt[found.start : found.end]}
    target = found.options[found.right]
    return replace(row, options=found.options, right=found.right, target=target, history=history, segments=segments)


def _has_labels(rows: Sequence[BenchmarkRow]) -> bool:
    """Whether the answers of the rows without options are labels (few different ones) and not items."""
    answers = Counter(plain(row.answer) for row in rows if row.prompt and not row.options)
    if any(len(answer.split()) > MOST_LABEL_WORDS for answer in answers):
        return False
    return len(answers) <= min(MOST_LABELS, max(2, answers.total() // ROWS_PER_LABEL))


def _without_constant_label(rows: Sequence[BenchmarkRow]) -> list[BenchmarkRow]:
    """Rows with a column of labels that are all equal: their answer is the item."""
    labels = {row.answer for row in rows if not row.prompt and row.has_label}
    if len(labels) != 1:
        return list(rows)
    return [
        replace(row, answer=row.target, segments={}, has_label=False) if not row.prompt and row.has_label else row
        for row in rows
    ]


def _template_texts(rows: Sequence[BenchmarkRow]) -> frozenset[str]:
    """Quoted texts, lines and sentences that belong to the template."""
    prompts = [row.prompt for row in rows if row.prompt]
    counts: Counter[str] = Counter()
    for prompt in prompts:
        quotes = {match[0] for match in _QUOTED.finditer(prompt)}
        counts.update(quotes | {text.strip() for _, _, text in [*_lines(prompt), *_sentences(prompt)]})
    return frozenset(text for text, count in counts.items() if count > _TEMPLATE_SHARE * len(prompts) and count > 2)


def _with_items(row: BenchmarkRow, is_label: bool, template: frozenset[str], *, segmented: bool) -> BenchmarkRow:
    """A row with the items of its history, its target and, if ``segmented``, its segments."""
    prompt = row.prompt
    listed = row.segments.get(OPTIONS_SEGMENT, "")
    body = prompt.replace(listed, " ", 1) if listed else prompt
    tail_start = _tail(body, template)
    spans = _items(body, template)
    target, target_span = row.target, None
    if not listed and is_label:
        target, target_span = _judged_item(body, tail_start, spans)
    elif not listed:
        target = _answer_item(row.answer)
    if target_span is not None:
        spans = [span for span in spans if span[1] <= target_span[0] or span[0] >= target_span[1]]
    history = tuple(intern(text) for _, _, text in spans)
    segments = {
        **row.segments,
        LAST_LINE_SEGMENT: prompt[_tail(prompt, template) :],
        REST_SEGMENT: _without(prompt, [span[:2] for span in spans] if not listed else []),
    }
    if listed and spans:
        segments[REST_SEGMENT] = _without(body, [span[:2] for span in spans]) + "\n" + listed
    if target_span is not None:
        segments |= {TARGET_SEGMENT: target, HISTORY_SEGMENT: _without(body, [target_span])}
    title = target.partition('"')[0] if target_span is not None else target  # "Title" written by an author
    return replace(
        row,
        history=history or row.history,
        history_is_parsed=bool(history),
        target=intern(title.strip()),
        segments=segments if segmented else {},
        has_label=is_label and not listed,
    )


def _items(body: str, template: frozenset[str]) -> list[tuple[int, int, str]]:
    """Start, end and text of the items in a text: codes, else quoted titles, else the lines of a list."""
    for pattern in (_CODE, _QUOTED, _SINGLE_QUOTED, _LISTED):
        spans = []
        for match in pattern.finditer(body):
            text = next((group for group in match.groups() if group), match[0])
            if match[0] not in template:
                spans.append((match.start(), match.end(), text.strip().strip('"').strip()))
        if spans:
            return spans
    return []


def _tail(body: str, template: frozenset[str]) -> int:
    """The start of the last line, or of the last sentence of a text with one line, that is not part of the template."""
    lines = _lines(body)
    parts = lines if len(lines) > 1 else _sentences(body)
    while len(parts) > 1 and parts[-1][2].strip() in template:
        parts.pop()
    return parts[-1][0] if parts else len(body)


def _lines(text: str) -> list[tuple[int, int, str]]:
    """Start, end and text of the lines that are not blank."""
    return [(*match.span(), match[0]) for match in re.finditer(r"[^\n]*\S[^\n]*", text)]


def _sentences(text: str) -> list[tuple[int, int, str]]:
    """Start, end and text of the sentences; quoted texts are not divided."""
    masked = _QUOTED.sub(lambda match: "_" * len(match[0]), text)
    bounds = [0, *(match.end() for match in _SENTENCE.finditer(masked)), len(text)]
    return [(start, end, text[start:end]) for start, end in pairwise(bounds) if text[start:end].strip()]


def _judged_item(body: str, tail: int, spans: Sequence[tuple[int, int, str]]) -> tuple[str, tuple[int, int] | None]:
    """The item that a label judges, and its span: the only item of the last line, or what follows its colon."""
    in_tail = [span for span in spans if span[0] >= tail]
    if len(in_tail) == 1:
        start, end = in_tail[0][:2]
        while start > tail and body[start - 1] in "\"'“":
            start -= 1
        last_quote = max(body.rfind(quote, end) for quote in '"”')
        end = last_quote + 1 if last_quote >= 0 and "\n" not in body[end:last_quote] else end
        return body[start:end].strip().strip("\"'“”").strip(), (start, end)
    if not in_tail and (colon := body.find(":", tail)) >= 0:
        line_end = body.find("\n", colon)
        line_end = len(body) if line_end < 0 else line_end
        if text := body[colon + 1 : line_end].strip(" .?"):
            return text, (colon + 1, line_end)
    return "", None


def _answer_item(answer: str) -> str:
    """The item in an answer of one item."""
    return answer.strip().strip('"“”').strip()


def _without(text: str, spans: Sequence[tuple[int, int]]) -> str:
    """A text without the given spans."""
    parts, position = [], 0
    for start, end in sorted(spans):
        parts.append(text[position:start])
        position = max(position, end)
    return " ".join([*parts, text[position:]])
