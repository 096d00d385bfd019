"""Base models, tokenizers, adapters and number formats."""

import warnings

with warnings.catch_warnings():  # in a notebook without ipywidgets, tqdm warns when transformers imports it
    warnings.simplefilter("ignore")
    import tqdm.auto  # noqa: F401
