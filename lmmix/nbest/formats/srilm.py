"""Lists of SRILM: a folder with a file for each utterance, or one such file.

The id is the name of the file without ``.gz`` and ``.score``. Lines are (manual page nbest-format of SRILM)

* ``(score) word word …`` below the header ``NBestList1.0``: `score` in bytelogs, log to base 1.0001 divided by 1024;
* ``(score) word ( st: s et: e g: lm a: acoustic ) …`` below ``NBestList2.0``: `acoustic` and `lm` are sums over words,
  phones and states inside of words are passed over as SRILM does;
* ``acoustic lm nwords word word …`` without a header: log10 numbers; the third is the score `words`.

These logarithms become natural ones. A hypothesis may begin with ``<s>`` and end with ``</s>``; both are no part of
its text. Further scores are folders with a file of numbers for each utterance, which are taken as they are.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

from lmmix.errors import InputError
from lmmix.fileio import SMALL_CHUNK_BYTES, PathLike, read_text_lines
from lmmix.nbest.formats.folder import FolderFiles, file_of, written_folder
from lmmix.nbest.formats.head import head_of
from lmmix.nbest.formats.interface import ReadOptions, Write
from lmmix.nbest.formats.numbers import as_text
from lmmix.nbest.formats.output import raw_of
from lmmix.nbest.formats.srilm_folder import (
    CHOSEN,
    INDEX,
    LISTS,
    SCORES,
    check_id,
    list_files,
    score_folders,
    utterance_id,
)
from lmmix.nbest.formats.srilm_lines import (
    ACOUSTIC,
    HEADERS,
    LM,
    WORDS,
    is_hypothesis,
    parser_of,
    third_form,
    without_marks,
)
from lmmix.nbest.utterance import TOTAL, Raw, Rescored, Utterance
from lmmix.nbest.write_best import best_line
from lmmix.vocab import words_of

_LINE_SCORES = {HEADERS[0]: ("score",), HEADERS[1]: ("score", ACOUSTIC, LM), "": (ACOUSTIC, LM, WORDS)}
"""The scores that lines hold, by the header above them."""


def recognises(path: Path, head: str) -> bool:
    """Whether the first line, or that of the first file of the folder, is a header or a hypothesis with scores.

    A folder that lmmix wrote has an index.
    """
    if (path / INDEX).is_file():
        return True
    if path.is_dir():
        files = list_files(path)
        head = head_of(files[0]) if files else ""
    return head.strip() in HEADERS or is_hypothesis(head)


def read(path: PathLike, options: ReadOptions) -> Iterator[Utterance]:
    """The lists, one by one, those of a folder by the names of files. Raises InputError, FormatError."""
    folders = score_folders(Path(path), options.scores)
    totals = Path(path) / SCORES / TOTAL
    for file in list_files(Path(path)):
        utterance = _utterance(file)
        for folder in folders:
            values = folder.of(utterance.id, len(utterance.texts), utterance.where)
            if folder.folder == totals:
                utterance.hyp_fields = [{TOTAL: value} for value in values]
            elif folder.name in utterance.scores:
                raise InputError(f"{folder.folder}: the lists have a score {folder.name!r} already; rename the folder")
            else:
                utterance.scores[folder.name] = values
        yield utterance
    for folder in folders:
        folder.finish()


def _utterance(file: Path) -> Utterance:
    lines = [(place, line) for place, line in read_text_lines(file, SMALL_CHUNK_BYTES) if line.strip()]
    header = lines[0][1].strip() if lines and lines[0][1].strip() in HEADERS else ""
    lines = lines[1:] if header else lines
    where = f"{file}:{lines[0][0] if lines else 1}"
    parse = parser_of(header)
    parsed = [parse(line, f"{file}:{place}") for place, line in lines]
    scores = {name: [given[name] for _, given in parsed] for name in _LINE_SCORES[header]}
    texts = [without_marks(words) for words, _ in parsed]
    raw = Raw("srilm", header, [line for _, line in lines])
    return Utterance(utterance_id(file.name), texts, scores, (), {}, [], where, raw)


@contextmanager
def writer(path: PathLike) -> Iterator[Write]:
    """Writes a folder: lists as they were read, and their further scores beside them.

    ``nbest/ID.gz`` are the lists; those that came in another format get the third form, in which 0 stands for a
    score that they lack. ``scores/NAME/ID.gz`` holds each of the other scores, the total among them: folders for
    SRILM's tools, or for --scores, ``lm%3Amix`` for the score ``lm:mix`` (see `folder.file_of`). ``nbest-files`` names
    the lists in order, ``best`` has the chosen texts, lines 'id word word …'. Read as a whole, the folder gives the
    lists with all scores; the total is none of them. Raises InputError for an id that cannot be the name of a file.
    """
    with written_folder(path, "srilm") as files:
        files.add(INDEX, "")
        yield lambda rescored: _write(files, rescored)


def _write(files: FolderFiles, rescored: Rescored) -> None:
    name = rescored.utterance.id
    check_id(name)
    lines, scores = _lines_and_scores(rescored)
    files.add(INDEX, f"{LISTS}/{name}.gz\n")
    files.add(f"{LISTS}/{name}.gz", _text(lines))
    numbers = {file_of(score, (TOTAL,)): values for score, values in scores.items()}
    if (totals := rescored.totals()) is not None:
        numbers[TOTAL] = totals
    for folder, values in numbers.items():
        files.add(f"{SCORES}/{folder}/{name}.gz", _text(map(as_text, values)))
    if rescored.text is not None:
        files.add(CHOSEN, best_line(rescored))


def _text(lines: Iterable[str]) -> str:
    return "".join(f"{line}\n" for line in lines)


def _lines_and_scores(rescored: Rescored) -> tuple[list[str], dict[str, Sequence[float]]]:
    """The lines of the list, and those scores that they do not hold."""
    utterance, scores = rescored.utterance, rescored.scores()
    raw = raw_of(utterance, "srilm")
    if raw is not None:
        lines = [raw.head, *raw.lines] if raw.head else raw.lines
        return lines, {name: values for name, values in scores.items() if name not in _LINE_SCORES[raw.head]}
    none = [0.0] * len(utterance.texts)
    acoustic, lm = (scores.pop(name, none) for name in (ACOUSTIC, LM))
    words = scores.pop(WORDS, [float(len(words_of(text))) for text in utterance.texts])
    return [third_form(text, *map(float, row)) for text, *row in zip(utterance.texts, acoustic, lm, words)], scores
