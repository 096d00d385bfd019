"""What `questions.py` measures: the data sets, the variants of a recipe, and the questions that compare them."""

from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from sizes import gift_cards, table

SMOLLM2 = "smollm2-135m-instruct"
#: Stands for the folder of a model with the architecture of SmolLM2 and random weights.
RANDOM = "{random}"
#: Stands for the folder of the model of the variant `TITLES` with seed 1.
TUNED = "{tuned}"
#: The name of the variant that most others differ from in one thing.
TITLES = "SmolLM2, LoRA"


@dataclass(frozen=True)
class Shop:
    """A data set with its split: users are drawn once, by the seed 1.

    Attributes
    ----------
    data
        The section ``[data]``.
    split
        The section ``[split]``.
    says
        What it is, for the page.
    """

    data: dict[str, Any]
    split: dict[str, Any]
    says: str


@dataclass(frozen=True)
class Variant:
    """A recipe that is measured, as settings by section over those of `base`.

    Attributes
    ----------
    name
        As tables show it; unique in its shop.
    seconds
        Processor seconds of one seed, measured once (Xeon with AMX, one thread); for ``--dry-run``.
    settings
        The settings; none for a simple method, whose name is ``method``.
    seeds
        The seeds of its training.
    shop
        Name of the data set.
    validated
        Whether the scores of validation cases are kept too, for mixing.
    trained_as
        Name of the variant whose model is asked, with the scoring of this one.
    """

    name: str
    seconds: float
    settings: dict[str, dict[str, Any]] = field(default_factory=dict)
    seeds: tuple[int, ...] = (1,)
    shop: str = "beauty"
    validated: bool = False
    method: str = ""
    trained_as: str = ""


@dataclass(frozen=True)
class Question:
    """Variants side by side, and the pairs of them that are tested.

    Attributes
    ----------
    number
        As in ``--only``.
    title, says
        Heading and description on the page.
    names
        The variants by shop, in the order of the table.
    pairs
        For each shop the pairs (first, second) whose difference is tested; Holm's correction is over the pairs of a
        shop.
    mixes
        Whether the scores of the variants in `MIXED` are added to those of the transition-text scorer.
    """

    number: int
    title: str
    says: str
    names: dict[str, tuple[str, ...]]
    pairs: dict[str, tuple[tuple[str, str], ...]]
    mixes: bool = False


def against(reference: str, names: tuple[str, ...]) -> tuple[tuple[str, str], ...]:
    """Pairs of every other variant with a reference."""
    return tuple((name, reference) for name in names if name != reference)


_BY_USER = {"method": "by-user", "history": 4}
SHOPS = {
    "beauty": Shop(
        {**table("-beauty")(Path()), "users": 560},
        {**_BY_USER, "fractions": (0.4, 0.2, 0.4)},
        "Amazon Beauty (2014), 560 of 22,332 users: 224 for training, 112 for validation, 224 tested. The first four "
        "purchases of a user are the history, the fifth is the target",
    ),
    "beauty-long": Shop(
        {**table("-beauty")(Path()), "min_history": 17, "users": 400},
        {"method": "by-user", "fractions": (0.32, 0.16, 0.52)},
        "Amazon Beauty (2014), 400 of the users with at least 17 purchases: 128 for training, 64 for validation, 208 "
        "tested. The last purchase is the target",
    ),
    "industrial": Shop(
        {**table("2018-industrial")(Path()), "users": 400},
        {**_BY_USER, "fractions": (0.32, 0.16, 0.52)},
        "Amazon Industrial and Scientific (2018), 400 of 3,285 users: 128 for training, 64 for validation, 208 tested. "
        "First four purchases and the fifth",
    ),
    "gift-cards": Shop(
        gift_cards(Path()),
        {**_BY_USER, "fractions": (0.3, 0.1, 0.6)},
        "Amazon gift cards (2018) with reviews, all users: 30 % for training, 10 % for validation, 60 % tested, of "
        "whom those with at least five purchases count. First four purchases and the fifth",
    ),
}  # fmt: skip
#: Columns that `prepare` must keep for the fields of some variants.
KEPT = {"industrial": ("brand", "description"), "gift-cards": ("categories", "review")}


def base(shop: str) -> dict[str, Any]:
    """The recipe of the variant `TITLES` on a shop."""
    place = SHOPS[shop]
    return {
        "name": f"questions-{shop}",
        "data": {**place.data, "cleaning": "words", "seed": 1},
        "split": place.split,
        "candidates": {"options": 4, "negatives": "uniform"},
        "prompt": {"task": "generate_title", "style": "plain", "field_tokens": 32},
        "model": {"base": SMOLLM2, "tuning": "lora"},
        "lora": {"r": 16, "alpha": 32, "dropout": 0.0},
        "training": {"epochs": 2, "targets": "last", "learning_rate": 3e-4, "batch_tokens": 1024},
        "evaluation": {"scoring": "pmi"},
    }


def _model(name: str, tuning: str, **training: Any) -> dict[str, dict[str, Any]]:
    return {"model": {"base": name, "tuning": tuning}, "training": training}


def _choice(answer: str, **training: Any) -> dict[str, dict[str, Any]]:
    return {
        "prompt": {"task": "multiple_choice", "answer": answer},
        "training": training,
        "evaluation": {"scoring": "mean"},
    }


TWO = (1, 2)
SIMPLE = ("popularity", "tfidf", "cooccurrence", "transitions")
#: The processor seconds of a simple method are few.
_SIMPLE = tuple(Variant(name, 3, shop=shop, method=name) for shop in SHOPS for name in SIMPLE)
SCORER = "transition-text scorer"

_TRAINED = (
    Variant(TITLES, 190, seeds=TWO, validated=True),
    Variant("SmolLM2, not trained", 80, _model(SMOLLM2, "lora", epochs=0), validated=True),
    Variant("random weights, LoRA", 160, _model(RANDOM, "lora")),
    Variant("SmolLM2, full", 270, _model(SMOLLM2, "full", learning_rate=5e-5)),
    Variant("random weights, full", 270, _model(RANDOM, "full", learning_rate=1e-3)),
    Variant("SmolLM2, QLoRA", 270, _model(SMOLLM2, "qlora"), TWO),
)
ZERO_SHOT = "SmolLM2, not trained"
#: The ways to score a title besides that of `base`.
_SCORED = tuple(
    Variant(f"{name}, {scoring}", 45, {"evaluation": {"scoring": scoring}}, seeds, trained_as=name)
    for name, seeds in ((ZERO_SHOT, (1,)), (TITLES, TWO))
    for scoring in ("sum", "mean")
)
_OPTIONS = (
    Variant("options in the prompt, title, not trained", 100, _choice("title", epochs=0)),
    Variant("options in the prompt, letter, not trained", 80, _choice("letter", epochs=0)),
    Variant("options in the prompt, title", 310, _choice("title")),
    Variant("options in the prompt, letter", 290, _choice("letter")),
)

_NANO = {"width": 128, "layers": 2, "dropout": 0.4, "vocabulary": 300}
#: A history of item tokens is short, so that steps are of few tokens.
_EVERY = {"targets": "every", "learning_rate": 1e-3, "weight_decay": 1e-2, "patience": 3, "batch_tokens": 256}
_NANO_TRAINING, _ITEM_TRAINING = {**_EVERY, "epochs": 20}, {**_EVERY, "epochs": 10}


def _items(base_settings: dict[str, Any], training: dict[str, Any], encoder: str = "lsa", *, mixed: bool = False,
           **prompt: Any) -> dict[str, dict[str, Any]]:  # fmt: skip
    """Settings of item tokens."""
    return {
        "prompt": {"task": "next_item", "style": "bare", **prompt},
        "model": {"tuning": "full", **base_settings},
        "items": {"encoder": encoder, "dimensions": 128, "transition_text": mixed, "second_stage": "off"},
        "training": {"refit": False, **training},
    }


_SMOL = {"base": SMOLLM2, "tuning": "lora"}
_TINY = {"base": "nano", **_NANO}
ITEMS, ITEMS_IN_SMOLLM2 = "item tokens, nano", "item tokens in SmolLM2"
BOTH = "titles and item tokens in SmolLM2"
_TOKENS = (
    Variant(ITEMS, 30, _items(_TINY, _NANO_TRAINING), TWO, validated=True),
    Variant(f"{ITEMS}, vectors of SmolLM2", 80, _items(_TINY, _NANO_TRAINING, SMOLLM2), TWO),
    Variant(f"{ITEMS}, vectors of SmolLM2 tuned on titles", 80, _items(_TINY, _NANO_TRAINING, TUNED), TWO),
    Variant(ITEMS_IN_SMOLLM2, 100, _items(_SMOL, _ITEM_TRAINING), TWO, validated=True),
    Variant(f"{ITEMS_IN_SMOLLM2}, vectors of SmolLM2", 150, _items(_SMOL, _ITEM_TRAINING, SMOLLM2)),
    Variant(
        BOTH,
        250,
        _items(_SMOL, {**_ITEM_TRAINING, "epochs": 2, "batch_tokens": 1024}, style="plain", fields=("token", "title")),
    ),
)
_MIXED_ITEMS = (
    Variant(f"{ITEMS}, with the scorer", 40, _items(_TINY, _NANO_TRAINING, mixed=True), TWO),
    Variant(f"{ITEMS_IN_SMOLLM2}, with the scorer", 120, _items(_SMOL, _ITEM_TRAINING, mixed=True)),
)
#: Variants whose scores of options are added to those of the transition-text scorer.
MIXED = ("SmolLM2, not trained", TITLES, ITEMS, ITEMS_IN_SMOLLM2)


def _with_fields(shop: str, seconds: float, *fields: str) -> Variant:
    """The history told by some fields; the answer is always a title."""
    return Variant(" + ".join(fields), seconds, {"prompt": {"fields": fields}, "training": {"epochs": 1}}, shop=shop)


_FIELDS = (
    *(_with_fields("industrial", 95, *fields) for fields in (
        ("title",), ("brand",), ("description",), ("title", "brand"), ("title", "description"),
        ("title", "brand", "description"))),
    *(_with_fields("gift-cards", 80, *fields) for fields in (
        ("title",), ("categories",), ("review",), ("title", "categories"), ("title", "review"),
        ("title", "categories", "review"))),
)  # fmt: skip
_LENGTHS = tuple(
    Variant(
        f"last {count}",
        seconds,
        {"prompt": {"history": count, "max_tokens": 1024}, "training": {"epochs": 1}},
        shop="beauty-long",
    )
    for count, seconds in ((1, 55), (2, 65), (4, 85), (8, 130), (16, 210))
)
VARIANTS = {
    (variant.shop, variant.name): variant
    for variant in (
        *_SIMPLE,
        Variant(SCORER, 3, method=SCORER, validated=True),
        *_TRAINED,
        *_SCORED,
        *_OPTIONS,
        *_TOKENS,
        *_MIXED_ITEMS,
        *_FIELDS,
        *_LENGTHS,
    )
}


def _names(variants: tuple[Variant, ...], shop: str = "beauty") -> tuple[str, ...]:
    return tuple(variant.name for variant in variants if variant.shop == shop)


_PRETRAINED, _CHOICES = _names(_TRAINED), _names(_OPTIONS)
QUESTIONS = (
    Question(
        2,
        "Does pretraining help?",
        "SmolLM2 against the same architecture with random weights: the same examples, the same steps. Full tuning has "
        "a learning rate of 5e-5 for SmolLM2 and 1e-3 for random weights; LoRA 3e-4 for both.",
        {"beauty": _PRETRAINED[:5]},
        {"beauty": ((TITLES, "random weights, LoRA"), ("SmolLM2, full", "random weights, full"),
                    (TITLES, "SmolLM2, not trained"), ("SmolLM2, full", "SmolLM2, not trained"))},
    ),
    Question(
        3,
        "Does QLoRA hurt?",
        "LoRA on 4-bit weights (NF4, double quantisation) against LoRA and against full tuning.",
        {"beauty": ("SmolLM2, QLoRA", TITLES, "SmolLM2, full", "SmolLM2, not trained")},
        {"beauty": (("SmolLM2, QLoRA", TITLES), ("SmolLM2, QLoRA", "SmolLM2, full"), (TITLES, "SmolLM2, full"))},
    ),
    Question(
        4,
        "Options in the prompt, or titles scored without them?",
        "With options in the prompt the model reads all four lettered titles, and the score of an option is the mean "
        "log-probability of its title or letter (`multiple_choice`); without them it is the pointwise mutual "
        "information of history and title (`generate_title`). The same users, options and epochs.",
        {"beauty": (TITLES, "SmolLM2, not trained", *_CHOICES)},
        {"beauty": (*against(TITLES, _CHOICES[2:]), *against("SmolLM2, not trained", _CHOICES[:2]))},
    ),
    Question(
        5,
        "Which fields help?",
        "The history told by these fields of each product (the title where the others are empty; a review is the "
        "user's own); what is scored is always the title of an option. One epoch. Beauty has titles alone, Industrial "
        "no categories.",
        {shop: _names(_FIELDS, shop) for shop in ("industrial", "gift-cards")},
        {shop: against("title", _names(_FIELDS, shop)) for shop in ("industrial", "gift-cards")},
    ),
    Question(
        6,
        "How many history items are enough?",
        "A model trained and asked with at most the last 1, 2, 4, 8 or 16 purchases; one epoch.",
        {"beauty-long": _names(_LENGTHS, "beauty-long")},
        {"beauty-long": against("last 16", _names(_LENGTHS, "beauty-long"))},
    ),
    Question(
        7,
        "Text, item tokens, or both?",
        "Text: titles, scored as titles. Item tokens: one token for each product, whose embedding is a projection of a "
        "vector of its title plus a learned part; in `nano` (128 wide, two layers, random at the start) or in SmolLM2 "
        "(LoRA). Both: the token and the title of each product in SmolLM2's prompt, the answer an item token. Vectors: "
        "LSA of the titles, or SmolLM2's mean-pooled hidden states, as prepared or after LoRA training on the titles "
        "of the training users' histories (`items.encoder`). Every purchase of a training user is learned.",
        {"beauty": (TITLES, *_names(_TOKENS))},
        {"beauty": (*against(TITLES, _names(_TOKENS)), *against(ITEMS, _names(_TOKENS)[1:3]),
                    (ITEMS_IN_SMOLLM2, ITEMS), (_TOKENS[4].name, ITEMS_IN_SMOLLM2), (BOTH, ITEMS_IN_SMOLLM2))},
    ),
    Question(
        8,
        "Does mixing with counted transitions and texts add anything?",
        "Options: the score of the model is added to the two parts of the transition-text scorer (transitions, cosines "
        "of TF-IDF), all three with weights fitted on the validation users (conditional logit of standardised scores); "
        "the scorer alone has its two weights from the same users. Whole catalogue: item tokens with "
        "`items.transition_text`, weights chosen by NDCG@10 of validation users, against the tuned `transitions`.",
        {"beauty": ("transitions", *MIXED, *_names(_MIXED_ITEMS))},
        {"beauty": tuple((variant.name, "transitions") for variant in _MIXED_ITEMS)},
        mixes=True,
    ),
    Question(
        10,
        "How is a title scored?",
        "By the sum of the log-probabilities of its tokens, by their mean, or (the variants without a name for it) by "
        "the pointwise mutual information: the sum less that of the same title after the prompt without purchases. "
        "The model is the same.",
        {"beauty": (ZERO_SHOT, *_names(_SCORED)[:2], TITLES, *_names(_SCORED)[2:])},
        {"beauty": (*against(ZERO_SHOT, _names(_SCORED)[:2]), *against(TITLES, _names(_SCORED)[2:]))},
    ),
)  # fmt: skip
