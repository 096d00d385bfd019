"""What the pages of ``docs/reproductions/`` are made of: runs, files beside them, and the commands for both."""

from dataclasses import dataclass
from pathlib import Path
from typing import Literal

#: How a file is judged.
Judged = Literal["", "audit", "score"]


@dataclass(frozen=True)
class Experiment:
    """One run of a page: its folder's name, what it is, its recipe and other settings.

    ``{runs}`` in a setting is the page's folder of runs. ``script`` makes the run from another one instead, whose name
    follows it.
    """

    name: str
    what: str
    recipe: str = ""
    settings: tuple[str, ...] = ()
    script: tuple[str, str] | None = None

    def command(self, runs: Path) -> list[str]:
        """What a user types."""
        if self.script:
            return ["python", self.script[0], str(runs / self.script[1]), str(runs / self.name)]
        changed = [part for setting in self.settings for part in ("--set", setting.format(runs=runs))]
        return ["shoptalk", "run", self.recipe, *changed, "--out", str(runs / self.name)]


@dataclass(frozen=True)
class Material:
    """A file or folder that runs are made from or that comes of them: its command, if it needs one, and its judge."""

    name: str
    what: str
    made: tuple[str, ...] = ()
    judged: Judged = ""

    def command(self, runs: Path) -> list[str]:
        """What a user types; nothing where a run leaves the file."""
        return [part.format(runs=runs) for part in self.made]

    def judge(self, runs: Path) -> list[str]:
        """The command that says what it is worth."""
        more = ["--precision", "distinct"] if self.judged == "score" else ["--alpaca"]
        return ["shoptalk", self.judged, *more, str(runs / self.name)]


@dataclass(frozen=True)
class Group:
    """Runs of one exam, side by side, and what belongs to them.

    ``compared`` are two runs by ``shoptalk compare``; ``analysed`` are runs whose error analysis is shown; ``name`` is
    that of the option ``--group``.
    """

    title: str
    columns: tuple[str, ...]
    steps: tuple[Experiment | Material, ...]
    compared: tuple[str, str] | None = None
    analysed: tuple[str, ...] = ()
    name: str = ""

    def compare(self, runs: Path) -> list[str]:
        """The command that compares them; nothing where none are."""
        return ["shoptalk", "compare", *(str(runs / name) for name in self.compared)] if self.compared else []


EXPERIMENTS: dict[str, tuple[Experiment, ...]] = {
    "a": (
        Experiment(
            "published", "as published: the right option alone is cleaned", "recipes/beauty-options-as-published.toml"
        ),
        Experiment("honest", "one cleaning for all options", "recipes/beauty-options.toml"),
    ),
    "b": (
        Experiment("next", "the next item alone", "recipes/toys-crowd.toml", ('items.tasks=["next"]',)),
        Experiment("crowd", "with crowd prompts", "recipes/toys-crowd.toml"),
        Experiment(
            "honest",
            "with a graph of what may be known",
            "recipes/toys-items.toml",
            ("items.second_stage=off",),
        ),
        Experiment(
            "leaky", "with a graph that has seen the test, as published", script=("benchmarks/leaky_graph.py", "honest")
        ),
    ),
}


def _advice() -> Group:
    """System C: 200 customers alone, mixed with other instructions, and the same exam without the talk."""
    recipe, other = "recipes/gift-cards-advise.toml", "benchmarks/reproductions/general.py"
    columns = ("accuracy", "swapped_accuracy", "title_exact_match", "title_invalid_share", "title_echo_share",
               "reason_match")  # fmt: skip
    mixed = ('training.extra=["{runs}/general.json"]', "training.epochs=8")
    plain = ("prompt.task=generate_title", "prompt.style=plain", 'prompt.fields=["title"]', "training.targets=every",
             "prompt.history=20")  # fmt: skip
    eval_data = ("split.method=by-user", "split.fractions=[0.5, 0.1, 0.4]", "candidates.options=4",
            "candidates.negatives=popularity")  # fmt: skip
    export = ("shoptalk", "export", "{runs}/alone", "--part", "test", "--out", "{runs}/right.json")
    return Group(
        "Gift cards with reviews (2018), four options",
        columns,
        (
            Experiment("alone", "200 customers alone", recipe),
            Experiment("short", "200 customers alone, 8 epochs in place of 20", recipe, ("training.epochs=8",)),
            Material("general.json", "other instructions", ("python", other, "--out", "{runs}/general.json")),
            Experiment("mixed", "mixed with 2,000 other instructions, 8 epochs", recipe, mixed),
            Experiment("title", "the title alone, plain lines, every purchase learned", recipe, plain),
            Experiment("items", "item tokens", "recipes/gift-cards-items.toml", eval_data),
            Material("alone/generated.json", "what *200 customers alone* answers", judged="audit"),
            Material("mixed/generated.json", "what *mixed* answers", judged="audit"),
            Material("right.json", "the right answers", export, "audit"),
        ),
    )


def _pretrained_advice() -> Group:
    """System C with SmolLM2: the five configurations, each with the loss on the whole prompt and on the answer."""
    recipe, other = "recipes/gift-cards-advise-smollm2.toml", "benchmarks/reproductions/general.py"
    columns = ("accuracy", "swapped_accuracy", "title_exact_match", "title_invalid_share", "title_echo_share",
               "text_prompt_share", "answer_prompt_share", "text_repeat_share", "text_malformed_share",
               "reason_match")  # fmt: skip
    small = ("prompt.field_tokens=12", "evaluation.generate=16")
    # As the recipe's section [sweep] has them.
    configurations = ((), ('lora.targets=["q_proj", "k_proj", "v_proj", "o_proj"]',), ("lora.r=16", "lora.alpha=32"),
                      ("lora.dropout=0.2",), ("training.learning_rate=1e-3",))  # fmt: skip
    losses = {"prompt": ("the whole prompt", ("training.loss_on=all",)), "answer": ("the answer", ())}

    def run(name: str, what: str, *settings: str) -> Experiment:
        return Experiment(f"smollm2-{name}", what, recipe, (*small, *settings))

    return Group(
        "SmolLM2-135M-Instruct, 200 customers, one epoch",
        columns,
        (
            run("zero", "not trained", "training.epochs=0"),
            *(
                run(f"{loss}-{number}", f"configuration {number}, loss on {where}", *changed, *settings)
                for number, changed in enumerate(configurations, start=1)
                for loss, (where, settings) in losses.items()
            ),
            run("longer", "configuration 5, loss on the answer, 4 epochs", *configurations[4], "training.epochs=4"),
            Material("general.json", "other instructions", ("python", other, "--out", "{runs}/general.json")),
            run(
                "mixed",
                "configuration 5, loss on the answer, mixed with 2,000 other instructions",
                *configurations[4],
                'training.extra=["{runs}/general.json"]',
                "training.extra_ratio=10",
            ),
        ),
        name="smollm2",
    )


def _pretrained_choice() -> tuple[Group, Group]:
    """System A with SmolLM2: options in the prompt, QLoRA, uneven and even cleaning, trained or not."""
    recipe, uneven, zero = "recipes/beauty-choice-smollm2.toml", "data.cleaning=asymmetric", "training.epochs=0"
    columns = ("accuracy", "swapped_accuracy", "personalisation_gap", "f1")
    title = "SmolLM2-135M-Instruct with QLoRA, options in the prompt"
    return (
        Group(
            f"{title}, as published: the right option alone is cleaned",
            columns,
            (
                Experiment("smollm2-uneven-zero", "not trained", recipe, (uneven, zero)),
                Experiment("smollm2-uneven", "trained", recipe, (uneven,)),
            ),
            ("smollm2-uneven", "smollm2-uneven-zero"),
            name="smollm2",
        ),
        Group(
            f"{title}, one cleaning for all options",
            columns,
            (
                Experiment("smollm2-even-zero", "not trained", recipe, (zero,)),
                Experiment("smollm2-even", "trained", recipe),
            ),
            ("smollm2-even", "smollm2-even-zero"),
            ("smollm2-even",),
            name="smollm2",
        ),
    )


def _lists(name: str, title: str, shop: tuple[Material, ...] = (), data: tuple[str, ...] = ()) -> Group:
    """System D on one shop: with its windows, with honest ones, told more, and the whole catalogue ranked."""
    recipe, items = "recipes/gift-cards-list.toml", "recipes/gift-cards-items.toml"
    folder = f"{{runs}}/{name}"
    columns = ("precision@10", "recall@10", "hr@10", "mrr@10", "ndcg@10", "personalisation_gap")

    def windows(file: str, what: str, kind: str, run: str, *more: str, judged: Judged = "") -> Material:
        script = ("python", "benchmarks/reproductions/windows.py", kind)
        return Material(
            f"{name}-{file}", what, (*script, f"{folder}-{run}", "--out", f"{folder}-{file}", *more), judged
        )

    def lists(run: str, what: str, *settings: str) -> tuple[Experiment | Material, ...]:
        asked = windows(f"{run}.jsonl", what, "lists", run, judged="score")
        return Experiment(f"{name}-{run}", what, recipe, (*data, *settings)), asked

    # With D's rows there are more than twice as many, so that five epochs read what twelve read without them.
    published = (f'training.extra=["{folder}-train.jsonl"]', "training.epochs=5")
    return Group(
        title,
        columns,
        (
            *shop,
            *lists("one", "one product told, split before windows are cut"),
            windows("rows.jsonl", "D's rows", "rows", "one", judged="audit"),
            windows("train.jsonl", "D's rows for training", "rows", "one", "--part", "train"),
            *lists("published", "as published: windows reach into what is tested", *published),
            Experiment(f"{name}-history", "up to 20 products told", recipe, (*data, "prompt.history=20")),
            Experiment(f"{name}-items", "item tokens: the whole catalogue ranked", items, data),
        ),
        (f"{name}-published", f"{name}-one"),
    )


_SHOP = ("shoptalk", "sample", "{runs}/shop", "--format", "2023", "--users", "1000", "--items", "300")
_FILES = ("data.source=amazon2023", "data.reviews={runs}/shop/reviews.jsonl.gz",
          "data.items={runs}/shop/meta.jsonl.gz", "data.min_history=11")  # fmt: skip

GROUPS: dict[str, tuple[Group, ...]] = {
    "a": _pretrained_choice(),
    "c": (_advice(), _pretrained_advice()),
    "d": (
        _lists("gift-cards", "Gift cards (2018)"),
        _lists("shop", "A generated shop in the format of 2023", (Material("shop", "the shop", _SHOP),), _FILES),
    ),
}
