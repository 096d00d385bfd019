"""One pass over a tree gives the scores of one pass per answer."""

import pytest
import torch

from shoptalk.models import tree
from shoptalk.models.language_model import LanguageModel
from shoptalk.models.tree import tree_length, tree_log_probabilities
from tests.words import small_model


def one_by_one(model: LanguageModel, prompt: list[int], answer: list[int]) -> torch.Tensor:
    """The log-probability of each token of the answer, by one full pass."""
    logits = model.network(torch.tensor([prompt + answer])).logits[0].log_softmax(-1)
    indices = range(len(prompt) - 1, len(prompt) + len(answer) - 1)
    return torch.stack([logits[index, token] for index, token in zip(indices, answer, strict=True)])


def test_a_tree_scores_like_one_pass_per_answer() -> None:
    model = small_model()
    model.network.eval()
    questions = [([5, 9, 11], [[7, 8], [7, 12, 30], [44]]), ([60, 61, 62, 63, 64], [[5], [6, 7, 8, 9]])]
    with torch.no_grad():
        flat = tree_log_probabilities(model, questions)
        each = torch.cat([one_by_one(model, prompt, answer) for prompt, answers in questions for answer in answers])
    assert torch.allclose(flat, each, atol=1e-5)


def test_logits_are_computed_in_blocks(monkeypatch: pytest.MonkeyPatch) -> None:
    model = small_model()
    model.network.eval()
    questions = [([5, 9, 11], [[7, 8], [7, 12, 30], [44]]), ([60, 61, 62, 63, 64], [[5], [6, 7, 8, 9]])]
    rows = []
    model.head.register_forward_hook(lambda _module, _inputs, output: rows.append(len(output)))
    with torch.no_grad():
        whole = tree_log_probabilities(model, questions)
        monkeypatch.setattr(tree, "SCORES", 4 * model.head.weight.shape[0] + 1)
        blocks = tree_log_probabilities(model, questions)
    assert rows == [11, 4, 4, 3]  # 2 + 3 + 1 + 1 + 4 answer tokens
    assert torch.allclose(whole, blocks, atol=1e-6)


def test_the_last_token_of_an_answer_is_not_computed() -> None:
    assert tree_length(([1, 2, 3], [[4], [5, 6, 7]])) == 3 + 0 + 2


@pytest.mark.parametrize("kind", ["gpt2", "llama"])
def test_other_architectures_score_the_same_way(kind: str) -> None:
    from transformers import GPT2Config, GPT2LMHeadModel, LlamaConfig, LlamaForCausalLM

    torch.manual_seed(0)
    if kind == "gpt2":
        network = GPT2LMHeadModel(GPT2Config(vocab_size=64, n_embd=32, n_layer=2, n_head=2))
    else:  # grouped queries, as Mistral has them
        sizes = {"vocab_size": 64, "hidden_size": 32, "intermediate_size": 64, "num_hidden_layers": 2}
        network = LlamaForCausalLM(LlamaConfig(**sizes, num_attention_heads=4, num_key_value_heads=2))
    model = LanguageModel(network.eval(), None, kind, "full", "fp32")
    with torch.no_grad():
        flat = tree_log_probabilities(model, [([5, 9, 11], [[7, 8], [12, 30]])])
        each = torch.cat([one_by_one(model, [5, 9, 11], answer) for answer in ([7, 8], [12, 30])])
    assert torch.allclose(flat, each, atol=1e-5)
