"""The sections of a recipe, but for ``[sweep]``: strict, frozen models with the documentation of each setting."""

import difflib
import re
from typing import Annotated, Any, Literal, Self

from pydantic import Field, field_validator, model_validator

from shoptalk.constants import DEFAULT_K
from shoptalk.plugins import Registry
from shoptalk.registry import BASELINES, SOURCES
from shoptalk.sweep_config import Section
from shoptalk.urls import has_password

Cleaning = Literal["raw", "unescape", "words", "asymmetric"]
KeptColumn = Literal["brand", "categories", "description", "features", "price"]
TextField = Literal["token", "title", "brand", "categories", "description", "features", "review"]
Tracker = Literal["tensorboard", "mlflow"]
ItemTask = Literal["next", "next_title", "title_of", "item_of"]
CrowdKind = Literal["contents", "first_order", "second_order", "interaction", "predictive"]
CrowdTemplate = Literal[
    "contents", "title", "review", "same_brand", "same_category", "bought_together", "interaction", "predictive"
]
GraphForm = Literal["ones", "published", "learned", "all-edges"]
Positive = Annotated[int, Field(ge=1)]
Natural = Annotated[int, Field(ge=0)]
Share = Annotated[float, Field(ge=0, le=1)]
#: A number that is chosen from the data when training begins (see `shoptalk.tasks.sizes`).
Auto = Literal["auto"]


#: Values of ``data.time_format`` for numbers, with how many of the unit make a second.
TIME_UNITS = {"seconds": 1, "milliseconds": 10**3, "microseconds": 10**6, "nanoseconds": 10**9}
#: Value of ``data.time_format`` for days since 1900, as spreadsheets write them.
SPREADSHEET_DAYS = "excel-days"
#: A pattern with at least one directive of strptime, and no directive that is not supported.
_TIME_PATTERN = re.compile(r"(?=.*%[^%])(?:[^%]|%-?[dmyHIMSj]|%[aAbBYpfzZ%])+", re.DOTALL)


def _known(name: str, registry: Registry[Any], kind: str) -> str:
    """The name, if the registry has it; else a `ValueError` with the nearest name that it has."""
    if name not in registry:
        near = difflib.get_close_matches(name, registry, n=1)
        hint = f"did you mean {near[0]}?" if near else f"known here: {', '.join(registry)}"
        raise ValueError(f"unknown {kind} {name} ({hint})")
    return name


def decided(value: int | Auto) -> int:
    """A number of a recipe whose sizes have been chosen.

    Raises
    ------
    ValueError
        If ``auto`` still stands for it.
    """
    if value == "auto":
        raise ValueError("auto: the sizes have not been chosen yet")
    return value


class Data(Section):
    """The raw files, and which purchases and items of them are kept."""

    source: str = Field(description="format of the files ([list](../guide/data.md#sources))")
    reviews: str | None = Field(None, description="file of reviews or ratings; of `table`: the same as interactions")
    interactions: str | None = Field(
        None, description="file of interactions (source `table`), or table or view of a database (source `database`)"
    )
    items: str | None = Field(
        None,
        description="file, table or view of products; without one, items have their title in the interactions (sources "
        "`table` and `database`), or else their id",
    )
    url: str | None = Field(
        None,
        description="database of the sources `database` and `events`: a path, or an address such as "
        "`postgresql://reader:${PASSWORD}@localhost/shop`, in which `${NAME}` is an environment variable",
    )
    kinds: tuple[str, ...] = Field(
        ("purchase",), description="kinds of events that are read (source `events`)", min_length=1
    )
    columns: dict[str, str | Positive] = Field(
        {},
        description="name of a column = its name in the file or table, or its number from 1 without a header (sources "
        "`table` and `database`)",
    )
    time_format: str | None = Field(
        None,
        description="format of timestamps: a strptime pattern, a unit or excel-days (sources `table` and `database`)",
    )
    max_bad_lines: Share = Field(0.001, description="largest share of malformed lines; with more, prepare stops")
    verified: bool = Field(True, description="keep verified purchases only, where the source marks them")
    duplicates: Literal["first", "keep"] = Field("first", description="several reviews of one item by one user")
    min_rating: float | None = Field(None, description="drop ratings below this")
    user_core: Natural = Field(0, description="k-core: smallest number of interactions of a user")
    item_core: Natural = Field(0, description="k-core: smallest number of interactions of an item")
    min_history: Natural = Field(0, description="smallest number of items of a user")
    min_categories: Natural = Field(0, description="smallest number of categories among a user's items")
    users: Positive | None = Field(
        None, description="keep at most this many users, drawn by the seed after all other filters; default: all"
    )
    cleaning: Cleaning = Field("unescape", description="how titles are cleaned")
    unbought: Literal["drop", "keep"] = Field(
        "drop", description="whether items without interactions stay in the catalogue"
    )
    seed: Natural | None = Field(None, description="seed of the split and the options; default: the seed of the recipe")
    keep: tuple[KeptColumn, ...] = Field((), description="item columns to keep besides those of prompt.fields")

    @field_validator("source")
    @classmethod
    def _is_source(cls, name: str) -> str:
        return _known(name, SOURCES, "source")

    @field_validator("time_format")
    @classmethod
    def _is_time_format(cls, value: str | None) -> str | None:
        units = (*TIME_UNITS, SPREADSHEET_DAYS)
        if value is None or value in units or _TIME_PATTERN.fullmatch(value):
            return value
        raise ValueError(f"{value!r} is no pattern such as %d/%m/%Y, and none of {', '.join(units)}")

    @field_validator("url")
    @classmethod
    def _has_no_password(cls, value: str | None) -> str | None:
        if value is not None and has_password(value):
            raise ValueError(
                "a password would be copied into the folders of runs: write ${NAME} of a variable in its place"
            )
        return value

    @model_validator(mode="after")
    def _has_file(self) -> Self:
        in_database = self.source in {"database", "events"}
        if in_database != (self.url is not None):
            raise ValueError(f"the source `{self.source}` {'needs' if in_database else 'has no'} `url`")
        if self.source == "events":
            if self.reviews or self.interactions or self.items:
                raise ValueError(
                    "the source `events` has its own tables: leave `reviews`, `interactions` and `items` out"
                )
        elif (self.reviews is None) == (self.interactions is None):
            raise ValueError("name exactly one of `reviews` and `interactions`")
        return self

    @property
    def purchases(self) -> str:
        """The file of reviews or interactions, whichever is named."""
        return self.reviews or self.interactions or ""


class SplitSection(Section):
    """How interactions are divided into training, validation and test."""

    method: Literal["leave-one-out", "by-user", "by-time", "by-time-per-user", "random"] = Field(
        "leave-one-out",
        description="which purchases are training, validation and test; `random`: each user's purchases are shuffled "
        "and divided, so that later ones are learned from (as some papers do)",
    )
    fractions: tuple[Share, Share, Share] = Field((0.8, 0.1, 0.1), description="train, validation, test")
    history: Natural = Field(
        0, description="by-user: the first n items are the history, the next is the answer; 0: all but the last"
    )
    ties: Literal["source", "random", "set"] = Field(
        "source", description="order of a user's purchases with equal timestamps"
    )
    cold: Share = Field(0.0, description="share of the items that only the test contains (leave-one-out)")

    @model_validator(mode="after")
    def _sums_to_one(self) -> Self:
        if abs(sum(self.fractions) - 1) > 1e-9:
            raise ValueError(f"fractions must sum to 1, not {sum(self.fractions):g}")
        if self.cold and self.method != "leave-one-out":
            raise ValueError('cold needs method = "leave-one-out"')
        return self


class CandidatesSection(Section):
    """The options of each case, drawn once by `prepare`."""

    options: Annotated[int, Field(ge=2, le=26)] = Field(
        4, description="number of options: the target and its distractors"
    )
    negatives: Literal["uniform", "popularity", "same-category", "similar-title"] = Field(
        "uniform", description="how distractors are drawn"
    )


class Prompt(Section):
    """The task, and how histories and answers are written as text."""

    task: str = Field("multiple_choice", description="the task: see docs/glossary.md for the list")
    style: Literal["alpaca", "phi3", "chat", "plain", "bare"] = Field(
        "alpaca", description="wording of the prompt; `bare`: a row of item tokens"
    )
    answer: Literal["title", "letter"] = Field(
        "title", description="multiple_choice: whether the answer is the title or the letter of an option"
    )
    fields: tuple[TextField, ...] = Field(
        ("title",), description="columns of an item in prompts and in the text of its embedding", min_length=1
    )
    user: bool = Field(False, description="put a token of the user before the history, one for each training user")
    persona: bool = Field(
        False, description="generate_reason: the user has a pseudonym, and one review is shown, the latest"
    )
    padding: Literal["repeat", "token", "none"] = Field(
        "repeat",
        description="generate_ids: lists of fewer than ten are padded by repeating them, by a padding token, or not",
    )
    history: Positive = Field(50, description="largest number of items of a history in a prompt; the latest are taken")
    field_tokens: Positive = Field(
        96, description="largest number of tokens of a title, brand, description, ... in a prompt or answer"
    )
    max_tokens: Annotated[int, Field(ge=32)] = Field(
        512, description="largest number of tokens of a prompt with its answer"
    )


class Model(Section):
    """The language model."""

    base: str = Field(
        "nano",
        description="`nano`, or a causal model: a name of the Hugging Face hub or of a prepared model, a folder, or a "
        "GGUF file",
    )
    tuning: Literal["full", "lora", "qlora"] = Field(
        "full", description="all weights, low-rank adapters, or adapters on 4-bit weights"
    )
    precision: Literal["auto", "fp32", "bf16", "fp16"] = Field(
        "auto", description="number format in training; `auto`: measured when the run begins"
    )
    width: Annotated[int, Field(ge=32, multiple_of=32)] | Auto = Field(
        256, description="nano: hidden size; `auto`: chosen from the data"
    )
    layers: Positive = Field(4, description="nano: number of layers")
    vocabulary: Annotated[int, Field(ge=300, le=65536)] = Field(
        4096, description="nano: size of the tokenizer's vocabulary"
    )
    dropout: Share = Field(0.0, description="nano: dropout of the embeddings and of the output of each layer")
    graph_attention: GraphForm | Literal["off"] = Field(
        "off",
        description="bias of the attention between items and users from the graph of the training purchases "
        "([forms](../guide/items.md#graph-attention))",
    )


class Lora(Section):
    """Low-rank adapters, for `tuning = "lora"` and `"qlora"`."""

    r: Positive = Field(16, description="rank of the adapters")
    alpha: Positive = Field(32, description="scale of the adapters: their output is multiplied by alpha / r")
    dropout: Share = Field(0.05, description="dropout on the input of the adapters")
    targets: tuple[str, ...] = Field((), description="names of the adapted layers; empty: all linear layers")


class Items(Section):
    """Item tokens, for tasks that predict them."""

    encoder: str = Field(
        "lsa",
        description="`lsa`, `minilm`, the hidden states of a language model (a prepared model by name, or a folder, "
        "also of a run's model), any sentence-transformers model by name or path; `none`: ids alone (SASRec)",
    )
    dimensions: Annotated[int, Field(ge=2)] | Auto = Field(
        256, description="length of the vectors of lsa or a language model; `auto`: chosen from the data"
    )
    dropout: Share = Field(0.3, description="share of the items whose learned residual is left out in a training step")
    negatives: Natural = Field(
        0, description="number of sampled negatives in each step; 0: softmax over the whole catalogue"
    )
    transition_text: bool = Field(
        False, description="add a transition-text scorer to the model, with weights chosen on validation cases"
    )
    second_stage: Literal["off", "auto"] = Field(
        "off", description="re-rank the best items of the model and other sources; `auto`: where validation gains by it"
    )
    cold_start_items: bool = Field(
        False,
        description="add a bonus to cold-start items to rank them as well as others (needs transition_text, refit)",
    )
    tasks: tuple[ItemTask, ...] = Field(("next",), description="kinds of training examples", min_length=1)


class Pretraining(Section):
    """A stage of training before the examples of the task: prompts of the catalogue and of training purchases."""

    epochs: Natural = Field(0, description="epochs of this stage; 0: no such stage")
    prompts: tuple[CrowdKind, ...] = Field(
        ("contents", "second_order", "interaction", "predictive"),
        description="kinds of prompts ([list](../guide/items.md#pretraining))",
        min_length=1,
    )
    counts: dict[CrowdKind, Natural] = Field(
        {}, description="kind = largest number of its prompts, drawn by the seed; default: all"
    )
    tokens: bool = Field(
        True, description="name items and users by their tokens, where they have one; otherwise by titles"
    )
    templates: dict[CrowdTemplate, str] = Field({}, description="name of a question = its text with $slots")

    @model_validator(mode="after")
    def _counts_what_it_has(self) -> Self:
        if len(set(self.prompts)) < len(self.prompts):
            raise ValueError("prompts names a kind twice")
        if unused := sorted(set(self.counts) - set(self.prompts)):
            raise ValueError(f"counts names {unused[0]}, which prompts does not")
        return self


class Training(Section):
    """The training of the model."""

    epochs: Natural | Auto = Field(
        5, description="epochs on the examples; 0: no training (zero-shot); `auto`: chosen from the data"
    )
    targets: Literal["last", "every"] = Field(
        "every", description="targets of a training user: the last purchase, or each"
    )
    batch_tokens: Annotated[int, Field(ge=32)] | Auto = Field(
        4096, description="tokens per step; `auto`: chosen from the data"
    )
    learning_rate: Annotated[float, Field(gt=0)] = Field(1e-3, description="highest learning rate")
    weight_decay: Annotated[float, Field(ge=0)] = Field(1e-3, description="weight decay of AdamW")
    warmup: Share = Field(0.05, description="share of the steps with a rising learning rate")
    patience: Natural = Field(
        2,
        description="early stopping: epochs without a better validation NDCG or loss; 0: no early stopping",
    )
    pretrain_epochs: Natural = Field(0, description="epochs on the titles of the catalogue before the examples")
    choice_epochs: Natural = Field(0, description="epochs of the choice phase, on the options of training cases")
    refit: bool = Field(
        False, description="train again on training and validation purchases, for the best number of epochs"
    )
    gradient_checkpointing: bool = Field(
        False, description="compute activations again in the backward pass, to save memory"
    )
    checkpoint_seconds: Annotated[float, Field(ge=0)] = Field(
        300.0, description="smallest number of seconds between two checkpoints"
    )
    overfit: bool = Field(False, description="train on a few examples until they are memorised, to check the set-up")
    extra: tuple[str, ...] = Field((), description="files of instruction / input / output rows to train on in addition")
    extra_ratio: Annotated[float, Field(gt=0)] | None = Field(
        None, description="rows of `extra` for each example of the dataset, drawn by the seed; default: all rows"
    )
    answers: str | None = Field(
        None,
        description="generate_reason: file of `shoptalk teach`, whose answers are learned in place of those made from "
        "the data; users without one are left out",
    )
    loss_on: Literal["answer", "all"] = Field(
        "answer", description="tokens of an example that are learned: the answer, or the prompt as well"
    )
    trackers: tuple[Tracker, ...] = Field(("tensorboard",), description="where losses are logged besides log.jsonl")


class Teacher(Section):
    """A teacher model at an OpenAI-compatible endpoint, for `shoptalk teach`."""

    url: str = Field(description="address of the API, such as `https://api.openai.com/v1`")
    model: str = Field(description="name of the model", min_length=1)
    key_variable: str = Field(
        "OPENAI_API_KEY", description="environment variable with the key of the API; empty: the server needs none"
    )
    options: Positive = Field(
        10, description="products that the teacher chooses from, the next purchase among them; 1: that one alone"
    )
    concurrency: Annotated[int, Field(ge=1, le=256)] = Field(8, description="requests at the same time")
    retries: Annotated[int, Field(ge=0, le=20)] = Field(5, description="retries of a request, with back-off")
    timeout: Annotated[float, Field(gt=0)] = Field(60.0, description="seconds to wait for an answer")
    max_answer_tokens: Positive = Field(200, description="largest number of tokens of an answer")
    limit: Literal["max_tokens", "max_completion_tokens"] = Field(
        "max_tokens", description="the API's name of this limit; newer models of OpenAI want the second"
    )
    temperature: Annotated[float, Field(ge=0, le=2)] | None = Field(
        None, description="temperature of sampling; default: that of the server"
    )
    budget_tokens: Positive = Field(1_000_000, description="most tokens of all answers in the cache")
    budget_cost: Annotated[float, Field(gt=0)] | None = Field(
        None, description="most money for all answers in the cache, in the currency of the prices"
    )
    input_price: Annotated[float, Field(ge=0)] = Field(0.0, description="price of a million input tokens")
    output_price: Annotated[float, Field(ge=0)] = Field(0.0, description="price of a million output tokens")

    @field_validator("url")
    @classmethod
    def _is_http(cls, url: str) -> str:
        if re.fullmatch(r"https?://[^\s/@?#]+[^\s@?#]*", url):
            return url
        raise ValueError(f"{url!r} is no address such as https://api.openai.com/v1, without a name or key in it")

    @model_validator(mode="after")
    def _has_prices(self) -> Self:
        if self.budget_cost is not None and not (self.input_price or self.output_price):
            raise ValueError("budget_cost needs input_price and output_price")
        return self


class Evaluation(Section):
    """The evaluation on test cases."""

    scoring: Literal["sum", "mean", "pmi"] = Field(
        "sum",
        description="score of an option: sum or mean of the log-probabilities of its tokens, or their sum less that "
        "without the history (pointwise mutual information)",
    )
    resamples: Annotated[int, Field(ge=100)] = Field(1000, description="number of bootstrap resamples of the users")
    generate: Natural = Field(0, description="number of test users for whom a text is generated; 0: none")
    baselines: tuple[str, ...] = Field(
        ("chance", "popularity", "tfidf", "cooccurrence", "options_only"),
        description="baselines evaluated beside the model",
    )
    k: Positive = Field(DEFAULT_K, description="a further list length k of the ranking metrics, beside 5, 10 and 20")

    @field_validator("baselines")
    @classmethod
    def _knows_baselines(cls, names: tuple[str, ...]) -> tuple[str, ...]:
        return tuple(_known(name, BASELINES, "baseline") for name in names)
