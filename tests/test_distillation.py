"""Learning from a teacher: the loss and its gradient, what is asked of teachers, and what comes of it."""

from __future__ import annotations

import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

torch = pytest.importorskip("torch")
pytest.importorskip("safetensors")

import naive_distillation as naive  # noqa: E402

from lmmix.adaptive.cache import CacheModel  # noqa: E402
from lmmix.corpus import corpus_from_lines  # noqa: E402
from lmmix.errors import EventSpaceError, SettingError  # noqa: E402
from lmmix.lm import load  # noqa: E402
from lmmix.mix.linear import LinearMixture  # noqa: E402
from lmmix.neural.networks.sampling import Sampler, inclusion_probabilities  # noqa: E402
from lmmix.neural.networks.soft_loss import soft_loss  # noqa: E402
from lmmix.neural.networks.softmax import Columns, TiedSoftmax  # noqa: E402
from lmmix.neural.training.teacher import ask_teacher  # noqa: E402
from lmmix.neural.training.train import train_neural  # noqa: E402
from lmmix.ngram.estimate import train_ngram  # noqa: E402
from lmmix.sampling import sample  # noqa: E402
from lmmix.vocab import BOS, Vocab  # noqa: E402

LINES = ["a b c d e", "f g h", "i j k l a b", "c d", "e f g h i j", "k l", "a c e g i k", "b d f h"] * 4
TEXT = corpus_from_lines(LINES)
VALID = corpus_from_lines(LINES[:4], TEXT.vocab)
SMALL = {"epochs": 3, "embedding": 8, "hidden": 8, "batch_tokens": 40, "samples": 6, "patience": 4, "threads": 1}
EXACT = {"samples": 0, "precision": "float32", "threads": 1}


# The loss


def random_case(seed: int, n: int, size: int, k: int):
    """(features, columns, p): a step with random numbers, `<s>` among the columns."""
    rng = torch.Generator().manual_seed(seed)
    features, weights = torch.randn(n, 4, generator=rng), torch.randn(size, 4, generator=rng)
    bias = torch.randn(size, generator=rng)
    bias[BOS] = -math.inf
    p = torch.softmax(2 * torch.randn(n, size, generator=rng) + bias, 1)
    best, words = p.topk(k, 1)
    events = torch.multinomial(p, 1, generator=rng)
    return features, Columns(torch.cat([events, words], 1), weights, bias, torch.zeros(size)), best


@given(
    seed=st.integers(0, 99), n=st.integers(1, 5), size=st.integers(4, 9), k=st.integers(1, 9),
    temperature=st.sampled_from([0.5, 1.0, 2.0, 5.0]), weight=st.sampled_from([0.0, 0.3, 1.0]),
)  # fmt: skip
def test_loss_is_that_of_the_papers(seed, n, size, k, temperature, weight):
    features, columns, p = random_case(seed, n, size, min(k, size))
    found = soft_loss(features, columns, p, temperature, weight, torch.float32).item()
    logits = (features @ columns.weights.t() + columns.bias).double().tolist()
    wanted = 0.0
    for row in range(n):
        event, *words = columns.targets[row].tolist()
        teacher = dict(zip(words, p[row].double().tolist()))
        if min(k, size) >= size - 1:
            teacher = {i: q / sum(teacher.values()) for i, q in teacher.items()}
        wanted += naive.loss(logits[row], event, teacher, temperature, weight)
    assert found == pytest.approx(wanted, rel=1e-4, abs=2e-5)


@pytest.mark.parametrize("temperature", [1.0, 2.0])
@pytest.mark.parametrize("k", [3, 7, 11])
def test_gradients_are_those_of_autograd(k, temperature):
    features, columns, p = random_case(1, 6, 12, k)
    columns.bias[BOS] = -1.0  # autograd has no slopes at infinity

    def plain(features, weights, bias):
        logits = features @ weights.t() + bias
        hard = torch.nn.functional.cross_entropy(logits, columns.targets[:, 0], reduction="sum")
        q = torch.softmax(logits / temperature, 1)
        chosen = q.gather(1, columns.targets[:, 1:])
        p_rest, q_rest = 1 - p.sum(1), 1 - chosen.sum(1)
        kl = (p * (p / chosen).log()).sum() + (p_rest * (p_rest / q_rest).log()).sum()
        return 0.4 * hard + 0.6 * temperature**2 * kl

    ours = [tensor.clone().requires_grad_() for tensor in (features, columns.weights, columns.bias)]
    theirs = [tensor.double().requires_grad_() for tensor in (features, columns.weights, columns.bias)]
    p = p.double()
    if k == 11:  # <s> alone is left
        p[:, -1] *= 0.9
    found = soft_loss(
        ours[0], Columns(columns.targets, *ours[1:], columns.offsets), p.float(), temperature, 0.6, torch.float32
    )
    wanted = plain(*theirs)
    assert found.item() == pytest.approx(wanted.item(), rel=1e-5)
    (2 * found).backward()
    (2 * wanted).backward()
    for one, other in zip(ours, theirs):
        torch.testing.assert_close(one.grad, other.grad.float(), rtol=1e-4, atol=1e-5)


@pytest.mark.parametrize("temperature", [1.0, 3.0])
def test_nothing_is_infinite(temperature):
    """A student that is sure of other words, a teacher that is sure, no column for the rest, a sample without it."""
    features = 200 * torch.eye(4)
    columns = Columns(
        torch.tensor([[0, 1, 2], [0, 0, 2], [1, 2, 1], [3, 3, 0]]), torch.eye(4), torch.zeros(4),
        torch.tensor([0.0, -math.inf, -math.inf, 0.0]),
    )  # fmt: skip
    p = torch.tensor([[1.0, 0.0], [0.5, 0.5], [0.25, 0.25], [1.0, 0.0]])
    tensors = [tensor.requires_grad_() for tensor in (features, columns.weights, columns.bias)]
    found = soft_loss(*(tensors[0], columns, p), temperature, 0.5, torch.float32)
    found.backward()
    assert math.isfinite(found.item()) and all(torch.isfinite(tensor.grad).all() for tensor in tensors)


def test_a_sample_estimates_the_whole_sum():
    rng, generator = np.random.default_rng(0), torch.Generator().manual_seed(0)
    n_words, events, words = 40, np.array([5, 30, 5]), np.array([[7, 5], [30, 2], [9, 8]])
    features, weights = torch.randn(3, 4, generator=generator), 0.5 * torch.randn(n_words, 4, generator=generator)
    softmax = TiedSoftmax(n_words)
    asked = np.concatenate([events[:, None], words], 1)
    p = torch.tensor([[0.5, 0.2], [0.4, 0.4], [0.6, 0.1]])
    whole = soft_loss(features, softmax.columns(asked, weights, rng), p, 2.0, 0.5, torch.float32).item()
    softmax.sampler = Sampler(inclusion_probabilities(np.arange(n_words)[::-1] + 1, 25))
    found = [
        soft_loss(features, softmax.columns(asked, weights, rng), p, 2.0, 0.5, torch.float32).item() for _ in range(300)
    ]
    # Each ln Σ is a little below that of the whole sum on average (Jensen).
    assert np.mean(found) == pytest.approx(whole, rel=0.03)


# Asking the teacher


def teachers():
    ngram = train_ngram(TEXT, 3)
    network = train_neural(TEXT, VALID, **{**SMALL, "epochs": 2})
    document = train_neural(TEXT, VALID, context="document", max_length=6, **{**SMALL, "epochs": 2})
    cache = LinearMixture([ngram, CacheModel(TEXT.vocab)], [0.8, 0.2])
    mixed = LinearMixture([network, ngram], [0.5, 0.5])
    return {"ngram": ngram, "network": network, "document": document, "cache": cache, "mixture": mixed}


@pytest.fixture(scope="module")
def teacher_models():
    return teachers()


@pytest.mark.parametrize("kind", ["ngram", "network", "document", "cache", "mixture"])
@pytest.mark.parametrize(("k", "temperature"), [(3, 1.0), (1000, 2.0)])
def test_targets_are_the_likeliest_words_of_every_history(teacher_models, kind, k, temperature):
    teacher = teacher_models[kind]
    found = ask_teacher(teacher, TEXT, k, temperature)
    assert found.words.dtype == np.uint16 and found.p.dtype == np.float16
    state = teacher.start(1)
    for place, word in enumerate(TEXT.ids):
        wanted = naive.likeliest(naive.heated(teacher.distribution(state)[0].tolist(), temperature), k)
        mine = dict(zip(found.words[place].tolist(), found.p[place].tolist()))
        assert len(mine) == min(k, len(TEXT.vocab) - 1) and BOS not in mine
        np.testing.assert_allclose(sorted(mine.values()), sorted(wanted.values())[-len(mine) :], rtol=2e-3, atol=1e-6)
        for i in mine.keys() & wanted.keys():
            assert mine[i] == pytest.approx(wanted[i], rel=2e-3, abs=1e-6)
        _, state = teacher.advance(state, np.array([word]))


def test_a_teacher_may_number_words_differently(teacher_models):
    words = TEXT.vocab.words[3:][::-1]
    other = train_ngram(corpus_from_lines(LINES, Vocab.from_words(words)), 3)
    mine, others = (ask_teacher(teacher, TEXT, 100, 1.0) for teacher in (teacher_models["ngram"], other))
    rows = np.arange(len(TEXT.ids))[:, None]
    tables = [np.zeros((len(TEXT.ids), len(TEXT.vocab))) for _ in range(2)]
    for table, targets in zip(tables, (mine, others)):
        table[rows, targets.words] = targets.p
    np.testing.assert_allclose(*tables, atol=1e-3)


@pytest.mark.parametrize("temperature", [1e-3, 1e-30])
def test_a_cold_teacher_expects_the_likeliest_words_alone(teacher_models, temperature):
    found = ask_teacher(teacher_models["ngram"], TEXT, 1000, temperature)
    assert np.isfinite(found.p).all()
    np.testing.assert_allclose(found.p.astype(float).sum(1), 1.0, atol=2e-3)


# Training


def test_the_student_comes_to_the_entropy_of_the_truth():
    truth = train_ngram(corpus_from_lines(["a b", "a c", "b a", "c c b", "b"] * 3), 2, "abs:0.3")
    text = corpus_from_lines(sample(truth, 300, seed=3, unk=True), truth.vocab)
    fresh = corpus_from_lines(sample(truth, 1000, seed=4, unk=True), truth.vocab)
    student = train_neural(
        text, text, teacher=truth, soft_weight=1.0, epochs=40, patience=40, batch_tokens=200, dropout=0.0, **EXACT
    )
    ours, entropy = -student.score(fresh).mean(), -truth.score(fresh).mean()
    assert ours == pytest.approx(entropy, abs=0.004)
    alone = train_neural(text, text, epochs=40, patience=40, batch_tokens=200, dropout=0.0, **EXACT)
    assert -alone.score(fresh).mean() > ours + 0.002


def test_a_mixture_teaches_what_a_small_text_does_not_say():
    words = [f"w{i}" for i in range(20)]
    rng = np.random.default_rng(1)
    truth = train_ngram(corpus_from_lines([" ".join(rng.choice(words, 6)) for _ in range(30)]), 2, "abs:0.3")
    large, small, valid, fresh = (
        corpus_from_lines(sample(truth, n, seed=n, unk=True), truth.vocab) for n in (800, 60, 100, 500)
    )
    settings = {"embedding": 16, "hidden": 16, "epochs": 6, "patience": 6, "batch_tokens": 200, "threads": 1}
    teacher = LinearMixture([train_ngram(large, 3), train_neural(large, valid, **settings)], [0.5, 0.5])
    alone = train_neural(small, valid, **settings)
    taught = train_neural(small, valid, teacher=teacher, soft_weight=0.8, **settings)
    teacher_loss, ours, others = (-model.score(fresh).mean() for model in (teacher, taught, alone))
    assert teacher_loss < ours < others - 0.05


def test_a_weight_of_nothing_is_training_alone():
    alone = train_neural(TEXT, VALID, **{**SMALL, **EXACT})
    idle = train_neural(TEXT, VALID, teacher=train_ngram(TEXT, 2), soft_weight=0.0, **{**SMALL, **EXACT})
    np.testing.assert_allclose(alone.score(VALID), idle.score(VALID), atol=2e-3)


@pytest.mark.parametrize("settings", [{"context": "document", "max_length": 6}, {"temperature": 2.0, "soft_words": 4}])
def test_resumed_run_equals_uninterrupted_one(tmp_path, teacher_models, settings):
    from lmmix.neural.training.trainer import Trainer

    run = {**SMALL, **settings, "teacher": teacher_models["mixture"], "checkpoint": tmp_path / "run.ckpt"}
    whole = train_neural(TEXT, VALID, **{**run, "checkpoint": None})
    original = Trainer._epoch

    def epoch(self, save):
        if len(self.epochs) == 2:
            raise KeyboardInterrupt
        return original(self, save)

    with pytest.MonkeyPatch.context() as patch, pytest.raises(KeyboardInterrupt):
        patch.setattr(Trainer, "_epoch", epoch)
        train_neural(TEXT, VALID, **run)
    resumed = train_neural(TEXT, VALID, **run)
    assert resumed.signature == whole.signature and resumed.training == whole.training
    assert resumed.training["teacher"] == teacher_models["mixture"].signature
    with pytest.raises(SettingError, match="teacher was 'mixture:linear"):
        train_neural(TEXT, VALID, **{**run, "teacher": teacher_models["ngram"]})
    with pytest.raises(SettingError, match="soft_weight was 0.5, now 0.25"):
        train_neural(TEXT, VALID, **{**run, "soft_weight": 0.25})


def test_mistakes():
    ngram = train_ngram(TEXT, 2)
    with pytest.raises(EventSpaceError, match="the training text and the teacher have different vocabularies"):
        train_neural(corpus_from_lines(["x y"]), VALID, teacher=ngram, **SMALL)
    with pytest.raises(SettingError, match="the teacher gives scores, not probabilities"):
        train_neural(TEXT, VALID, teacher=train_ngram(TEXT, 2, "stupid"), **SMALL)
    with pytest.raises(SettingError, match="temperature means something only with a teacher"):
        train_neural(TEXT, VALID, temperature=2.0, **SMALL)
    for name, value in {"temperature": 0, "soft_weight": 1.5, "soft_words": 0}.items():
        with pytest.raises(SettingError, match=f"{name} is {value}; it must be"):
            train_neural(TEXT, VALID, teacher=ngram, **{name: value}, **SMALL)


def test_command(run, folder):
    assert run("ngram", "train.txt", "-o", "m.arpa", "--order", "2")[0] == 0
    small = ["--set", "hidden=8", "--set", "embedding=8", "--threads", "1", "--epochs", "1"]
    asked = ["--teacher", "m.arpa", "--temperature", "2", "--soft-weight", "0.7", "--set", "soft_words=5"]
    status, _, err = run("neural", "train.txt", "-o", "student", "--valid", "dev.txt", *asked, *small)
    assert (status, err) == (0, "")
    student = load("student")
    assert student.vocab.words == load("m.arpa").vocab.words
    assert [student.training[name] for name in ("temperature", "soft_weight", "soft_words")] == [2, 0.7, 5]
    status, _, err = run("neural", "train.txt", "-o", "s", "--valid", "dev.txt", "--soft-weight", "0.7", *small)
    assert status == 1 and "only with a teacher" in err and err.count("\n") == 1
