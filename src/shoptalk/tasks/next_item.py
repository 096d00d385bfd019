"""The task `next_item`: every item is one token, and one forward pass ranks the whole catalogue."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

from shoptalk.errors import RecipeError
from shoptalk.prompts.builder import PLAIN, PromptBuilder
from shoptalk.prompts.template import Template
from shoptalk.recipe import Recipe
from shoptalk.schema import EvalExample, Example, History, Message, Recommender, Split, item_token
from shoptalk.tasks.rankings import RankingTask
from shoptalk.tasks.sizes import DataSize, Sizes

if TYPE_CHECKING:
    from shoptalk.models.language_model import LanguageModel
    from shoptalk.models.numpy_model import NumpyModel
    from shoptalk.training.loop import TrainingData

#: Simple methods that rank a catalogue in seconds.
BASELINES = ("popularity", "recent_popularity", "item_knn", "text_knn", "transitions")
#: Purchases below which data count as small, and from which on as large (see docs/notes/sizes.md).
SMALL, LARGE = 20_000, 50_000
INSTRUCTION = Template("items", "Reviewer has bought the products below, the latest last. They will buy next:")


class ItemPrompts(PromptBuilder):
    """Prompts with the history as item tokens, text or both; the answer is the token of the next item."""

    def instruction(self, history: History) -> Message:  # noqa: ARG002
        """The question what comes next."""
        return Message("system", (PLAIN if self.prompt.style == "plain" else INSTRUCTION).render())

    def answer(self, case: EvalExample, *, latest: int | None = None) -> Message:  # noqa: ARG002
        """The token of the next item."""
        return Message("assistant", item_token(case.targets[0]))

    @property
    def in_sequence(self) -> bool:
        """True for plain lines and bare tokens without reviews: each line is an answer as well."""
        return self.prompt.style in {"plain", "bare"} and "review" not in self.prompt.fields

    def facts(self, kinds: Iterable[str], items: Iterable[str]) -> list[Example]:
        """Examples from an item token to its title (``title_of``), and from a title to the token (``item_of``)."""
        items = list(items)
        return [Example(self._fact(kind, item)) for kind in kinds for item in items]

    def _fact(self, kind: str, item_id: str) -> tuple[Message, ...]:
        token, title = item_token(item_id), self.title(item_id)
        question, answer = (token, title) if kind == "title_of" else (title, token)
        return Message("user", question), Message("assistant", answer)


class NextItem(RankingTask):
    """Rank the whole catalogue by item tokens."""

    name = "next_item"
    summary = "predict the token of the next item out of the whole catalogue"
    prompts = ItemPrompts
    item_tokens = True
    computes_in_numpy = True
    reads_graph = True
    styles = (*RankingTask.styles, "bare")
    validation_metrics = ("validation_loss", "ndcg@10")

    def default_settings(self, content: Mapping[str, Any]) -> Mapping[str, Mapping[str, Any]]:
        """What is best in docs/results.md.

        Tokens alone, sizes chosen from the data, the transition-text scorer, a second stage where validation gains by
        it, and a final fit on all purchases. Without texts of items it is a SASRec.
        """
        items, model, prompt = (content.get(name, {}) for name in ("items", "model", "prompt"))
        texts = items.get("encoder") != "none"
        reranked = texts and not items.get("cold_start_items")
        fresh = model.get("base", "nano") == "nano"
        tokens_alone = prompt.get("style", "bare") == "bare"
        return {
            "prompt": {"style": "bare"},
            "model": {
                **({"width": "auto", "layers": 2, "dropout": 0.4} if fresh else {}),
                **({"vocabulary": 300} if fresh and tokens_alone else {}),
            },
            "items": {
                "dimensions": "auto",
                "transition_text": texts,
                "second_stage": "auto" if reranked else "off",
            },
            "training": {
                "epochs": "auto",
                "batch_tokens": "auto",
                "weight_decay": 1e-2,
                "patience": 3,
                "refit": True,
            },
            "evaluation": {"baselines": BASELINES},
        }

    def check(self, recipe: Recipe) -> None:
        """Check the settings; graph attention needs prompts with item tokens (see `Task.check`)."""
        super().check(recipe)
        has_tokens = recipe.prompt.style == "bare" or "token" in recipe.prompt.fields
        if recipe.model.graph_attention != "off" and not has_tokens:
            raise RecipeError(
                f'model.graph_attention = "{recipe.model.graph_attention}" needs item tokens in the history',
                hint='set prompt.style = "bare", or put "token" into prompt.fields',
            )

    def sizes(self, size: DataSize) -> Sizes:
        """Larger models, larger steps and fewer epochs for more purchases (see docs/notes/sizes.md)."""
        if size.purchases < SMALL:
            return Sizes(width=64, dimensions=64, epochs=12, batch_tokens=1024)
        if size.purchases < LARGE:
            return Sizes(width=128, dimensions=128, epochs=15, batch_tokens=1024)
        return Sizes(width=512, dimensions=512, epochs=8, batch_tokens=2048)

    def training_data(
        self, recipe: Recipe, split: Split, choices: Sequence[EvalExample], prompts: PromptBuilder, model: LanguageModel
    ) -> TrainingData:
        """The examples, with those that ``items.tasks`` adds; items compete with items, words with words."""
        from shoptalk.training.training_data import with_facts

        assert isinstance(prompts, ItemPrompts)  # `prompts` of this task
        assert model.items is not None
        training_data = super().training_data(recipe, split, choices, prompts, model)
        kinds = [kind for kind in ("title_of", "item_of") if kind in recipe.items.tasks]
        train = with_facts(
            training_data.train,
            prompts.facts(kinds, sorted(model.items.seen)),
            model,
            items_only="next_title" not in recipe.items.tasks,
        )
        return replace(training_data, train=train, negatives=recipe.items.negatives)

    def recommender(
        self,
        model: LanguageModel | NumpyModel,
        prompts: PromptBuilder,
        recipe: Recipe,  # noqa: ARG002
        folder: Path,
    ) -> Recommender:
        """Ranks by one forward pass and one matrix product, with the scorer and second stage of the folder."""
        from shoptalk.models.numpy_model import NumpyModel
        from shoptalk.recommend.transition_text import load_transition_text
        from shoptalk.second_stage.reranked import with_second_stage

        if isinstance(model, NumpyModel):
            from shoptalk.models.mapped import map_tensors
            from shoptalk.recommend.numpy_items import NumpyItemRecommender

            scorer = load_transition_text(folder, map_tensors)
            return with_second_stage(NumpyItemRecommender(model, prompts, scorer), folder, map_tensors)
        from shoptalk.recommend.index import open_index
        from shoptalk.recommend.items import ItemRecommender

        recommender = ItemRecommender(model, prompts, load_transition_text(folder))
        recommender.index = open_index(folder, recommender.table)
        return with_second_stage(recommender, folder)


TASK = NextItem()
