"""The main job on the data that comes with lmmix: train, mix, measure, rescore, on text never seen before."""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import asdict, dataclass, field
from importlib.resources import as_file, files
from pathlib import Path
from typing import Any, TypeVar

from lmmix.corpus import Corpus, read_corpus
from lmmix.errors import InputError
from lmmix.fileio import PathLike, explain_errors, write_json
from lmmix.lm import LanguageModel, load
from lmmix.mix_methods import MixSettings
from lmmix.mixing import MixtureFit, fit_mixture
from lmmix.nbest.formats.registry import nbest_writer, read_nbest
from lmmix.nbest.lists import NbestLists
from lmmix.nbest.report import RescoreReport
from lmmix.nbest.rescore import rescore
from lmmix.ngram.estimate import train_ngram
from lmmix.parallel import thread_count
from lmmix.score import ScoreReport, perplexity
from lmmix.vocab import Vocab

Result = TypeVar("Result")

TARGET = "handbook"
DOMAINS = (TARGET, "httpd", "jargon")
"""Domains to train on; the first is the one that is spoken."""

ORDER = 3
NEURAL_TEXTS = (TARGET, TARGET, TARGET, "httpd", "jargon")
"""What the LSTM reads in one epoch: the target domain is small, so it comes three times."""

NEURAL_SETTINGS: dict[str, Any] = {"size": "tiny", "epochs": 2, "samples": 800, "seed": 1}
"""Quick rather than good: the demo has a minute."""


@dataclass
class DemoReport:
    """What the demo found: perplexities on the test text, the mixture, word error rates, seconds of each step."""

    members: list[str] = field(default_factory=list)
    ppl: dict[str, ScoreReport] = field(default_factory=dict)
    seconds: dict[str, float] = field(default_factory=dict)
    fit: MixtureFit | None = None
    tune: RescoreReport | None = None
    test: RescoreReport | None = None

    def as_json(self) -> dict[str, Any]:
        """All numbers of the table."""
        assert self.fit and self.tune and self.test
        return {
            "ppl": {name: report.ppl for name, report in self.ppl.items()},
            "weights": dict(zip(self.members, self.fit.facts["weights"])),
            "gap": self.fit.facts["gap"],
            "wer_first": self.test.value("wer", "first"),
            "wer": self.test.value("wer"),
            "wer_oracle": self.test.value("wer", "oracle"),
            "wer_difference": asdict(self.test.scores["wer"].difference),
            "seconds": self.seconds,
        }


def run_demo(out: PathLike, threads: int | None = None) -> DemoReport:
    """Do the main job; models, weights and rescored lists are left in the folder `out`.

    One vocabulary; an n-gram model for each domain and an LSTM on all of them; weights by EM on held-out text of
    the target domain; perplexity on its test text; feature weights tuned on one part of the n-best lists and
    used on the other. Raises InputError if `out` cannot be made or the data is not there.
    """
    data = files("lmmix.demo_data")
    if not data.joinpath("text").is_dir():
        raise InputError("the data of the demo is not installed; install lmmix again")
    folder = Path(out)
    with explain_errors(folder, "write"):
        folder.mkdir(parents=True, exist_ok=True)
    with as_file(data) as root:
        return _Demo(root, folder, threads).run()


class _Demo:
    """The steps, each timed under its name."""

    def __init__(self, data: Path, out: Path, threads: int | None) -> None:
        self.data, self.out, self.threads = data, out, threads
        self.report = DemoReport()

    def timed(self, name: str, step: Callable[[], Result]) -> Result:
        started = time.perf_counter()
        result = step()
        self.report.seconds[name] = time.perf_counter() - started
        return result

    def run(self) -> DemoReport:
        report = self.report
        vocab = self.timed("vocabulary", self.make_vocab)
        paths = self.timed("n-grams", lambda: [self.train_ngrams(domain, vocab) for domain in DOMAINS])
        paths.append(self.timed("LSTM", lambda: self.train_lstm(vocab)))
        report.members = [path.stem for path in paths]
        models = [load(path) for path in paths]
        report.fit = self.timed("mixture", lambda: self.mix(models, paths, vocab))
        mixture = report.fit.mixture
        named: dict[str, LanguageModel] = dict(zip(report.members, models))
        report.ppl = self.timed("perplexity", lambda: self.measure({**named, "mixture": mixture}, vocab))
        self.timed("rescoring", lambda: self.rescore(mixture))
        write_json(self.out / "report.json", report.as_json())
        return report

    def text(self, domain: str, part: str, vocab: Vocab | None = None) -> Corpus:
        return read_corpus(self.data / "text" / domain / f"{part}.txt.gz", vocab)

    def make_vocab(self) -> Vocab:
        texts = [self.data / "text" / domain / "train.txt.gz" for domain in DOMAINS]
        vocab = read_corpus(texts).vocab
        vocab.write(self.out / "words.txt")
        return vocab

    def train_ngrams(self, domain: str, vocab: Vocab) -> Path:
        path = self.out / f"{domain}.lmx"
        train_ngram(self.text(domain, "train", vocab), ORDER, threads=self.threads).save(path)
        return path

    def train_lstm(self, vocab: Vocab) -> Path:
        from lmmix.neural.training.train import train_neural

        path = self.out / "lstm"
        texts = [self.data / "text" / domain / "train.txt.gz" for domain in NEURAL_TEXTS]
        corpus, valid = read_corpus(texts, vocab), self.text(TARGET, "valid", vocab)
        threads, log = thread_count(self.threads), self.out / "lstm.log"
        model = train_neural(corpus, valid, threads=threads, log=log, **NEURAL_SETTINGS)
        model.save(path)
        return path

    def mix(self, models: list[LanguageModel], paths: list[Path], vocab: Vocab) -> MixtureFit:
        fit = fit_mixture(models, self.text(TARGET, "valid", vocab), paths, settings=MixSettings(threads=self.threads))
        fit.mixture.save(self.out / "mix.json", {"ppl": fit.ppl, "gap": fit.facts["gap"]})
        return fit

    def measure(self, models: dict[str, LanguageModel], vocab: Vocab) -> dict[str, ScoreReport]:
        test = self.text(TARGET, "test", vocab)
        return {name: perplexity(model, test) for name, model in models.items()}

    def rescore(self, mixture: LanguageModel) -> None:
        tune, test = (
            NbestLists(list(read_nbest(self.data / "nbest" / f"{part}.jsonl.gz"))) for part in ("tune", "test")
        )
        self.report.tune = rescore(tune, {"mix": mixture}, tune="wer")[1]
        weights = self.report.tune.weights
        weights.save(self.out / "weights.json")
        rescored, self.report.test = rescore(test, {"mix": mixture}, weights=weights)
        with nbest_writer(self.out / "test.rescored.jsonl") as write:
            for one in rescored.utterances():
                write(one)
