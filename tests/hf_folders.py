"""Tiny models of transformers with random weights, and tokenisers trained on a few lines, as folders."""

from __future__ import annotations

import json
from pathlib import Path

import torch
import transformers
from tokenizers import Tokenizer, decoders, models, pre_tokenizers, trainers

LINES = ["the cat sat on the mat", "a dog and a cat", "the dog sat on the cat", "zebra", "Ünïcode is a thing of 1999"]

SHAPE = {"hidden_size": 16, "intermediate_size": 24, "num_hidden_layers": 2, "num_attention_heads": 2}
LIMIT = 12

GPT2 = {"eos_token": "<|endoftext|>"}
LLAMA = {"bos_token": "<s>", "eos_token": "</s>", "unk_token": "<unk>"}
BERT = {
    "cls_token": "[CLS]", "sep_token": "[SEP]", "unk_token": "[UNK]", "mask_token": "[MASK]", "pad_token": "[PAD]",
}  # fmt: skip
ROBERTA = {**LLAMA, "mask_token": "<mask>", "pad_token": "<pad>"}


def save_tokenizer(folder: Path, special: dict[str, str], more: tuple[str, ...] = ()) -> int:
    """Byte-level BPE with some special pieces and `more` added ones; gives the number of pieces."""
    tokenizer = Tokenizer(models.BPE(unk_token=special.get("unk_token")))
    tokenizer.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False)
    tokenizer.decoder = decoders.ByteLevel()
    trainer = trainers.BpeTrainer(
        vocab_size=300,
        special_tokens=list(special.values()),
        initial_alphabet=pre_tokenizers.ByteLevel.alphabet(),
        show_progress=False,
    )
    tokenizer.train_from_iterator(LINES * 4, trainer)
    tokenizer.add_tokens(list(more))
    transformers.PreTrainedTokenizerFast(tokenizer_object=tokenizer, **special).save_pretrained(folder)
    return len(tokenizer.get_vocab())


def save_network(folder: Path, kind: str, pieces: int) -> None:
    """A network of the kind `gpt2`, `llama`, `mistral`, `bert`, `roberta` or `t5` with its configuration."""
    ends = {"bos_token_id": 0, "eos_token_id": 0}
    config, network = {
        "gpt2": lambda: (
            transformers.GPT2Config(
                vocab_size=pieces, n_positions=LIMIT, n_embd=16, n_layer=2, n_head=2, initializer_range=0.4, **ends
            ),
            transformers.GPT2LMHeadModel,
        ),
        "llama": lambda: (
            transformers.LlamaConfig(
                vocab_size=pieces + 5, max_position_embeddings=LIMIT, num_key_value_heads=1, initializer_range=0.4,
                **SHAPE,
            ),
            transformers.LlamaForCausalLM,
        ),
        "mistral": lambda: (
            transformers.MistralConfig(
                vocab_size=pieces, max_position_embeddings=64, sliding_window=4, num_key_value_heads=1,
                initializer_range=0.4, **SHAPE,
            ),
            transformers.MistralForCausalLM,
        ),
        "bert": lambda: (
            transformers.BertConfig(
                vocab_size=pieces, max_position_embeddings=32, initializer_range=0.4, **SHAPE
            ),
            transformers.BertForMaskedLM,
        ),
        "roberta": lambda: (
            transformers.RobertaConfig(
                vocab_size=pieces, max_position_embeddings=32, pad_token_id=4, initializer_range=0.4, **SHAPE
            ),
            transformers.RobertaForMaskedLM,
        ),
        "t5": lambda: (
            transformers.T5Config(vocab_size=pieces, d_model=16, d_kv=8, d_ff=16, num_layers=1, num_heads=2),
            transformers.T5ForConditionalGeneration,
        ),
    }[kind]()  # fmt: skip
    torch.manual_seed(1)
    model = network(config).eval()
    # Biases start at 0, where an error of theirs would not show.
    for name, parameter in model.named_parameters():
        if name.endswith("bias"):
            torch.nn.init.normal_(parameter, std=0.3)
    model.save_pretrained(folder)


def make_folder(folder: Path, kind: str) -> Path:
    """A whole model."""
    special = {"gpt2": GPT2, "bert": BERT, "roberta": ROBERTA}.get(kind, LLAMA)
    save_network(folder, kind, save_tokenizer(folder, special))
    return folder


def edit_json(file: Path, **values: object) -> None:
    """Set fields of a JSON file; None removes one."""
    content = {**json.loads(file.read_text()), **values}
    file.write_text(json.dumps({name: value for name, value in content.items() if value is not None}))
