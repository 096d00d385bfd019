"""``shoptalk demo``: the whole pipeline on a generated shop."""

from pathlib import Path
from typing import Annotated

import typer

from shoptalk.cli.options import Json, Seed, print_json


def command(
    out: Annotated[Path, typer.Option("--out", metavar="DIR", help="A new folder for the shop and the run.")] = Path(
        "demo"
    ),
    as_json: Json = False,
    seed: Seed = None,
) -> None:
    """Generate a shop, train a model with default settings, evaluate it and recommend products (about three minutes).

    Example: `shoptalk demo --out demo`
    """
    from shoptalk.cli.recommend import show_recommendations
    from shoptalk.cli.show import show_evaluation
    from shoptalk.data.sample import NEXT_ITEM_FILE, write_sample
    from shoptalk.experiment import run
    from shoptalk.progress_bars import progress_bars
    from shoptalk.report.verdict import show_verdict
    from shoptalk.results import as_json as to_json
    from shoptalk.stages.recommend import RecommendRequest, recommend
    from shoptalk.tasks import load_recipe

    sample, folder = out / "shop", out / "run"
    with progress_bars() as progress:
        progress("sample", 0, 1, f"writing a synthetic shop to {sample}")
        write_sample(sample, seed=1 if seed is None else seed)
        trained, result = run(load_recipe(sample / NEXT_ITEM_FILE, seed=seed), folder, progress)
        user = trained.dataset.split("last").test[0].history.user_id
        (recommended,) = recommend(trained, RecommendRequest(users=[user], k=3, explain=True), progress)
    if as_json:
        print_json({**to_json(result), "recommended": to_json(recommended)})
        return
    show_evaluation(result.evaluation)
    verdict = show_verdict(result.evaluation, result.audit)
    print(f"\n{verdict.symbol} {verdict.title}. {verdict.sentence}")
    print(f"\nThree recommendations for user {user}, with explanations:")
    show_recommendations(recommended)
    print(f"\nReport: {folder / 'report.html'}")
    print("Next, for example:")
    print(f"  shoptalk recommend {folder} --user {user} --explain")
    print(f"  shoptalk recommend {folder} --history {recommended.items[0].item_id} -k 5")
    print(f"  shoptalk serve {folder}     # a shop in the browser: docs/guide/page.md")
    print("  shoptalk run RECIPE --out RUN     # your own purchases: docs/guide/data.md")
