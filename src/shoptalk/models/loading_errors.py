"""Parts of the error messages for models and tokenizers that cannot be loaded."""

LOADING_HINT = (
    "give a folder with a model, a GGUF file, or a name that Hugging Face knows; shoptalk models lists what is at hand "
    "without a network"
)


def first_line(error: Exception) -> str:
    """The first line of an error message, at most 300 characters."""
    return (str(error).strip().splitlines() or [type(error).__name__])[0][:300]
