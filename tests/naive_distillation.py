"""The loss of distillation as the papers write it, word by word."""

from __future__ import annotations

import math


def softmax(logits: list[float]) -> list[float]:
    top = max(logits)
    total = sum(math.exp(x - top) for x in logits)
    return [math.exp(x - top) / total for x in logits]


def heated(p: list[float], temperature: float) -> list[float]:
    """A distribution at a temperature."""
    return softmax([math.log(x) / temperature if x else -math.inf for x in p])


def likeliest(p: list[float], k: int) -> dict[int, float]:
    """The k likeliest words and their probabilities."""
    ranked = sorted(range(len(p)), key=lambda i: -p[i])
    return {i: p[i] for i in ranked[:k]}


def divergence(teacher: dict[int, float], student: list[float]) -> float:
    """KL between what the teacher says and the student, all words that the teacher does not name taken together."""
    total = 0.0
    for i, p in teacher.items():
        if p:
            total += p * math.log(p / student[i])
    p_rest = 1.0 - sum(teacher.values())
    q_rest = sum(q for i, q in enumerate(student) if i not in teacher)
    return total + (p_rest * math.log(p_rest / q_rest) if p_rest > 1e-12 else 0.0)


def loss(logits: list[float], event: int, teacher: dict[int, float], temperature: float, weight: float) -> float:
    """(1 − a) · (−ln q(w)) + a · T² · KL(p ‖ q_T); `teacher` is at temperature T."""
    hard = -math.log(softmax(logits)[event])
    soft = divergence(teacher, softmax([x / temperature for x in logits]))
    return (1 - weight) * hard + weight * temperature**2 * soft
