"""Small GGUF files of a Llama with random weights, and the network that they hold."""

from pathlib import Path
from typing import Any

import gguf
import torch
from tokenizers import pre_tokenizers
from transformers import LlamaConfig, LlamaForCausalLM

WIDTH, INNER, LAYERS, HEADS, KEY_HEADS = 64, 96, 2, 4, 2
SPECIAL = ("<|endoftext|>", "<|im_start|>", "<|im_end|>")
MERGES = ("s o", "so a", "soa p", "Ġ soap")
TEMPLATE = "{% for message in messages %}<|im_start|>{{ message['content'] }}<|im_end|>{% endfor %}"
#: Tokens: three special ones, the bytes, and what the merges make.
TOKENS = [
    *SPECIAL,
    *sorted(pre_tokenizers.ByteLevel.alphabet()),
    *(merge.replace(" ", "") for merge in MERGES),
]
VOCABULARY = len(TOKENS)


def network(seed: int = 1) -> LlamaForCausalLM:
    """A Llama with random weights, grouped keys and tied embeddings."""
    torch.manual_seed(seed)
    config = LlamaConfig(
        vocab_size=VOCABULARY,
        hidden_size=WIDTH,
        intermediate_size=INNER,
        num_hidden_layers=LAYERS,
        num_attention_heads=HEADS,
        num_key_value_heads=KEY_HEADS,
        max_position_embeddings=256,
        rms_norm_eps=1e-5,
        tie_word_embeddings=True,
    )
    return LlamaForCausalLM(config).eval()


def write_gguf(
    path: Path, *, seed: int = 1, quantised: bool = False, template: str = TEMPLATE, without: str = "", **metadata: Any
) -> LlamaForCausalLM:
    """Write a network as llama.cpp does; returns it.

    Parameters
    ----------
    quantised
        Store the matrices as Q8_0.
    without
        Leave out tensors whose name contains this.
    metadata
        Replaces ``architecture``, ``blocks`` or ``vocabulary``.
    """
    model = network(seed)
    writer = gguf.GGUFWriter(path, metadata.get("architecture", "llama"))
    writer.add_name("Tiny")
    writer.add_license("mit")
    writer.add_block_count(metadata.get("blocks", LAYERS))
    writer.add_context_length(256)
    writer.add_embedding_length(WIDTH)
    writer.add_feed_forward_length(INNER)
    writer.add_head_count(HEADS)
    writer.add_head_count_kv(KEY_HEADS)
    writer.add_rope_dimension_count(WIDTH // HEADS)
    writer.add_rope_freq_base(10000.0)
    writer.add_layer_norm_rms_eps(1e-5)
    writer.add_vocab_size(metadata.get("vocabulary", VOCABULARY))
    writer.add_tokenizer_model("gpt2")
    writer.add_token_list(TOKENS)
    writer.add_token_types([3] * len(SPECIAL) + [1] * (VOCABULARY - len(SPECIAL)))
    writer.add_token_merges(list(MERGES))
    for name, number in (("bos", 1), ("eos", 2), ("pad", 2), ("unk", 0)):
        getattr(writer, f"add_{name}_token_id")(number)
    writer.add_add_bos_token(False)
    writer.add_chat_template(template)
    for name, tensor in _tensors(model).items():
        if without and without in name:
            continue
        values = tensor.detach().numpy()
        if quantised and values.ndim == 2:
            kind = gguf.GGMLQuantizationType.Q8_0
            writer.add_tensor(name, gguf.quantize(values, kind), raw_dtype=kind)
        else:
            writer.add_tensor(name, values)
    writer.write_header_to_file()
    writer.write_kv_data_to_file()
    writer.write_tensors_to_file()
    writer.close()
    return model


def _tensors(model: LlamaForCausalLM) -> dict[str, torch.Tensor]:
    """The tensors under the names of GGUF; rows of queries and keys are in the order of llama.cpp."""
    names = {
        "self_attn.q_proj": "attn_q",
        "self_attn.k_proj": "attn_k",
        "self_attn.v_proj": "attn_v",
        "self_attn.o_proj": "attn_output",
        "mlp.gate_proj": "ffn_gate",
        "mlp.up_proj": "ffn_up",
        "mlp.down_proj": "ffn_down",
        "input_layernorm": "attn_norm",
        "post_attention_layernorm": "ffn_norm",
    }
    state = model.state_dict()
    tensors = {
        "token_embd.weight": state["model.embed_tokens.weight"],
        "output_norm.weight": state["model.norm.weight"],
    }
    for layer in range(LAYERS):
        for name, short in names.items():
            tensor = state[f"model.layers.{layer}.{name}.weight"]
            if short in {"attn_q", "attn_k"}:
                heads = HEADS if short == "attn_q" else KEY_HEADS
                halves = tensor.reshape(heads, 2, len(tensor) // heads // 2, WIDTH)
                tensor = halves.swapaxes(1, 2).reshape(tensor.shape)
            tensors[f"blk.{layer}.{short}.weight"] = tensor.contiguous()
    return tensors
