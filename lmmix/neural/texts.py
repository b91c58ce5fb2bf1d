"""Which texts a network can learn from, or be tuned on."""

from __future__ import annotations

from lmmix.corpus import Corpus
from lmmix.errors import InputError
from lmmix.vocab import EOS, UNK


def check_text(name: str, text: Corpus) -> None:
    """Raise InputError for a text, in the words of a network, from which nothing follows; `name` says which it is."""
    if not text.n_sentences:
        raise InputError(f"the {name} text has no sentence")
    words = text.ids[text.ids != EOS]
    if not len(words):
        raise InputError(f"the {name} text has no words")
    if not (words != UNK).any():
        raise InputError(
            f"no word of the {name} text is in the vocabulary ({len(words):,} words of other spelling); "
            "give a text of the same language and tokens"
        )
