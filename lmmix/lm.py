"""The contract of every language model, and `load`, which finds the reader for a file.

`load` knows file formats by their first bytes and imports the room that reads them only then.
"""

from __future__ import annotations

import re
from importlib import import_module
from pathlib import Path
from typing import Any, Protocol, runtime_checkable

import numpy as np

from lmmix.artefact import MAGIC, read_header
from lmmix.corpus import Corpus
from lmmix.errors import EventSpaceError, FormatError, InputError, SettingError
from lmmix.fileio import PathLike, open_read, read_json
from lmmix.tokenize import same_tokens
from lmmix.vocab import Vocab

State = Any
"""What a model remembers of n histories; only the model that made it can read it."""


@runtime_checkable
class LanguageModel(Protocol):
    """A probability for every next event, given the events of the sentence so far.

    Events are ids of `vocab`: words, `<unk>` for all words outside it, and `</s>`; never `<s>`, whose
    probability is 0. All log-probabilities are natural and float64.

    A text is read sentence after sentence: behind `</s>` the next one begins. To most models sentences are
    independent; one that `remembers` lets what it has read count in later sentences. Both ways, `score` of a text
    equals `advance` over all its events from ``start(1)`` on, without a new start in between.
    """

    @property
    def vocab(self) -> Vocab:
        """The event space."""
        ...

    @property
    def signature(self) -> str:
        """Every choice that affects the numbers, on one line."""
        ...

    def score(self, corpus: Corpus, threads: int | None = None) -> np.ndarray:
        """(T,) ln p(event | events before it in its sentence); words unknown to `vocab` count as `<unk>`.

        A model that remembers reads the sentences in their order and has no memory at the first.
        `threads` is how many to use at most; default: all cores.
        """
        ...

    def start(self, n: int) -> State:
        """The state of `n` sentences before their first word; nothing has been read before them."""
        ...

    def advance(self, state: State, words: np.ndarray) -> tuple[np.ndarray, State]:
        """(n,) ln p of the next `words` (n,) of each history, and the state behind them.

        Behind `</s>` that is the beginning of the next sentence: what `start` gives, plus what the model remembers.
        """
        ...

    def distribution(self, state: State) -> np.ndarray:
        """(n, V) probabilities of every next event; rows sum to 1."""
        ...


NO_DISTRIBUTION = "distribution:no"
"""The part of a signature that says that the model gives scores, which do not sum to 1."""


def is_distribution(model: LanguageModel) -> bool:
    """Whether the model, and each member of a mixture, gives probabilities that sum to 1 (or less, if padded)."""
    return f"|{NO_DISTRIBUTION}|" not in model.signature


REMEMBERS = "memory:document"
"""The part of a signature that says that the model remembers earlier sentences."""


def remembers(model: LanguageModel) -> bool:
    """Whether the probabilities of the model, or of a member of a mixture, depend on earlier sentences of the text."""
    return f"|{REMEMBERS}|" in model.signature


SEES_AHEAD = "reads:both-sides"
"""The part of a signature that says that a word's score depends on the words that follow, too."""


def sees_ahead(model: LanguageModel) -> bool:
    """Whether the scores of words depend on what follows them, so that they serve only to compare whole sentences."""
    return f"|{SEES_AHEAD}|" in model.signature


def score_with_lengths(
    model: LanguageModel, corpus: Corpus, threads: int | None = None
) -> tuple[np.ndarray, np.ndarray | None]:
    """(T,) ln p of each event, and (T,) the lengths of the n-grams hit if the model is one of n-grams that tells."""
    if hasattr(model, "score_with_lengths"):
        return model.score_with_lengths(corpus, threads)
    return model.score(corpus, threads), None


def taken(model: LanguageModel, state: State, rows: np.ndarray) -> State:
    """The state of some of the histories of `state`: `rows` (m,), each any number of times.

    A model whose states are no arrays with a row for each history has a method `take` for that.
    Raises SettingError for one that lacks it.
    """
    if hasattr(model, "take"):
        return model.take(state, rows)
    if not isinstance(state, np.ndarray):
        raise SettingError(f"a {type(model).__name__} cannot go on from one history in several ways, as this needs")
    return state[rows]


def can_take(model: LanguageModel) -> bool:
    """Whether `taken` has a way for the states of this model, a mixture's members included."""
    try:
        taken(model, model.start(1), np.zeros(1, np.int64))
    except SettingError:
        return False
    return True


KENLM_MAGIC = b"mmap lm http://kheafield.com/code"

_ARTEFACT_READERS = {
    "ngram": "lmmix.ngram.lmxfile:read_lmx",
    "ngram-packed": "lmmix.ngram.packed_file:read_packed",
    "infinigram": "lmmix.adaptive.infinigram_file:read_lmi",
}
_FOLDER_READERS = {"neural": "lmmix.neural.store:load_neural"}
_HF_READER = "lmmix.neural.hf.folder:load_hf"
_MIXTURE_READER = "lmmix.mix.mixture_file:load_mixture"
_ADAPTED_READER = "lmmix.neural.adaptation.adapted_file:load_adapted"
_JSON_READERS = {
    "mixture": _MIXTURE_READER,
    "words": "lmmix.words.words_file:load_words",
    "continuous-cache": _ADAPTED_READER,
    "dynamic": _ADAPTED_READER,
}
_ARPA_READER = "lmmix.ngram.arpa:read_arpa"
_KENLM_READER = "lmmix.ngram.kenlm:KenlmModel"
_DUMP_READER = "lmmix.dumps:read_dump"
_WITHOUT_FILE = {"cache": "lmmix.adaptive.cache:CacheModel"}

HEAD_BYTES = 1 << 16
"""What is looked at to know a file; in a dump of word probabilities a sentence stands before its first event."""

_DUMP_EVENT = re.compile(rb"(?:^|\n)[ \t]+p\( [^ \t\n]+ \| ")

FOLDER_CONFIG = "lmmix.json"
"""The file of a model folder that says of what kind it is."""

HF_CONFIG = "config.json"
"""The file by which the folder of a Hugging Face model is known."""


def load(path: PathLike, tokenizer: str | None = None, threads: int | None = None) -> LanguageModel:
    """The language model in `path`: ARPA, .lmx, .lmi, KenLM binary, neural folder, mixture, words, a dump, or the
    folder of a Hugging Face model, which is read from there alone: nothing is downloaded.

    ARPA files and dumps (`lmmix.dumps`) may be compressed.
    `tokenizer` says what made the tokens of an ARPA file or a dump, which cannot say so (default: white space); other
    models know, and are refused if they know better. `threads` read an ARPA file, or those of a
    mixture, by default all cores.

    Raises InputError for a missing file, FormatError for one that is no language model or is damaged, EventSpaceError
    for another tokeniser.
    """
    if str(path) == "-":
        raise InputError("-: a model cannot be read from standard input; give a file")
    reader = _reader(Path(path))
    module, function = reader.split(":")
    read = getattr(import_module(module), function)
    if reader == _ARPA_READER:
        return read(path, tokenizer=tokenizer or "whitespace", threads=threads)
    if reader == _DUMP_READER:
        return read(path, tokenizer or "whitespace")
    model = read(path, threads) if reader == _MIXTURE_READER else read(path)
    if tokenizer is not None and not same_tokens(model.vocab.tokenizer, tokenizer):
        raise EventSpaceError(f"{path}: its tokens are made by {model.vocab.tokenizer!r}, not by {tokenizer!r}")
    return model


def load_count_table(path: PathLike, vocab: Vocab) -> Any:
    """The n-gram counts in an `.lmc` file as a table of how often histories were seen, for ids of `vocab`.

    Raises FormatError, EventSpaceError.
    """
    return import_module("lmmix.ngram.context_counts").load_context_counts(path, vocab)


def _reader(path: Path) -> str:
    if path.is_dir():
        if not (path / FOLDER_CONFIG).is_file():
            if (path / HF_CONFIG).is_file():
                return _HF_READER
            raise FormatError(f"{path}: this folder is no model (it has no {FOLDER_CONFIG} and no {HF_CONFIG})")
        return _by_kind(path, _FOLDER_READERS, read_json(path / FOLDER_CONFIG))
    with open_read(path) as stream:
        head = stream.read(HEAD_BYTES)
    if head.startswith(MAGIC):
        return _by_kind(path, _ARTEFACT_READERS, read_header(path)[0])
    if head.startswith(KENLM_MAGIC):
        return _KENLM_READER
    # Before JSON, for the first sentence of a dump may begin with a brace.
    if _DUMP_EVENT.search(head):
        return _DUMP_READER
    if head.lstrip().startswith(b"{"):
        return _by_kind(path, _JSON_READERS, read_json(path))
    if not head:
        raise InputError(f"{path}: the file is empty, not a language model")
    if b"\0" in head:
        place = head.index(0)
        raise FormatError(f"{path}: not a language model (a binary file of another kind: byte {place} is NUL)")
    return _ARPA_READER


def described(description: Any, vocab: Vocab) -> LanguageModel:
    """The model over `vocab` of a kind that has no file: what its `description` said, a dictionary of JSON.

    Raises FormatError for an unknown kind, and for fields that are missing or cannot be.
    """
    kind = description.get("kind") if isinstance(description, dict) else None
    if not isinstance(kind, str) or kind not in _WITHOUT_FILE:
        kinds = ", ".join(_WITHOUT_FILE)
        raise FormatError(f"this describes a {kind!r}, which is no language model without a file ({kinds} would be)")
    module, name = _WITHOUT_FILE[kind].split(":")
    return getattr(import_module(module), name).from_description(description, vocab)


def _by_kind(path: Path, readers: dict[str, str], description: Any) -> str:
    kind = description.get("kind") if isinstance(description, dict) else None
    if not isinstance(kind, str) or kind not in readers:
        raise FormatError(f"{path}: holds a {kind!r}, which is no language model ({', '.join(readers)} would be)")
    return readers[kind]
