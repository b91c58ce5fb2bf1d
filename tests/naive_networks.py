"""Forward passes of networks, one place at a time and in float64, straight from the papers.

Each takes the weights by name, as numpy arrays, and the words of one text; it gives the features (L, embedding) that
the softmax reads behind each of them (of a masked network: at each of them).
"""

from __future__ import annotations

import math

import numpy as np


def weights_of(network):
    """The weights of a network by name."""
    return {name: tensor.detach().double().numpy() for name, tensor in network.state_dict().items()}


def event_probabilities(weights, features):
    """(V,) the probability of each event, from the features of one place; that of `<s>`, word 1, is 0."""
    logits = {
        word: float(vector @ features + bias)
        for word, (vector, bias) in enumerate(zip(weights["embedding.weight"], weights["output.bias"]))
        if word != 1
    }
    total = sum(math.exp(logit) for logit in logits.values())
    return np.array([math.exp(logits[word]) / total if word in logits else 0.0 for word in range(len(logits) + 1)])


def feed_forward(weights, settings, words):
    """Bengio et al. (2003), equation 1: b + Wx + U tanh(d + Hx), x the vectors of the last order − 1 words."""
    found = []
    for place in range(len(words)):
        x = []
        for back in range(settings.order - 2, -1, -1):
            known = place - back >= 0
            x += list(weights["embedding.weight"][words[place - back]] if known else np.zeros(settings.embedding))
        values = np.array(x)
        for layer in range(settings.layers):
            values = np.tanh(weights[f"layers.{layer}.weight"] @ values + weights[f"layers.{layer}.bias"])
        found.append(weights["projection.weight"] @ values + weights["direct.weight"] @ np.array(x))
    return np.array(found)


def layer_norm(weights, name, x):
    """Ba, Kiros & Hinton (2016)."""
    x = x - x.mean()
    return x / math.sqrt((x * x).mean() + 1e-5) * weights[name + ".weight"] + weights[name + ".bias"]


def sigmoid(x):
    """1 / (1 + e^−x)."""
    return 1.0 / (1.0 + np.exp(-x))


def convolution(weights, settings, words):
    """Dauphin et al. (2017), equation 1: (X * W + b) ⊙ σ(X * V + c), residual, zeros in front of the text."""
    size, kernel = settings.hidden, settings.kernel
    line = [weights["inlet.weight"] @ weights["embedding.weight"][word] for word in words]
    for layer in range(settings.layers):
        name = f"layers.{layer}"
        normed = [layer_norm(weights, f"{name}.norm", x) for x in line]
        both, bias = weights[f"{name}.linear.weight"], weights[f"{name}.linear.bias"]
        after = []
        for place in range(len(words)):
            total = bias.copy()
            for tap in range(kernel):
                at = place - kernel + 1 + tap
                if at >= 0:
                    total += both[:, tap * size : (tap + 1) * size] @ normed[at]
            after.append(line[place] + total[:size] * sigmoid(total[size:]))
        line = after
    return np.array([weights["projection.weight"] @ layer_norm(weights, "norm", x) for x in line])


def gelu(x):
    """x Φ(x): Hendrycks & Gimpel (2016)."""
    return np.array([value * 0.5 * (1.0 + math.erf(value / math.sqrt(2.0))) for value in x])


def turned(x, place):
    """Su et al. (2021), equation 34: pair i of neighbouring units turned by place · 10000^(−2i/d)."""
    out = x.copy()
    for i in range(0, len(x), 2):
        angle = place * 10000.0 ** (-i / len(x))
        out[i] = x[i] * math.cos(angle) - x[i + 1] * math.sin(angle)
        out[i + 1] = x[i] * math.sin(angle) + x[i + 1] * math.cos(angle)
    return out


def encoder(weights, settings, words):
    """Pre-norm blocks of attention to all places (Vaswani et al. 2017) and a hidden layer; None is the masked word."""
    units = settings.embedding // settings.heads
    line = [weights["mask"] if word is None else weights["embedding.weight"][word] for word in words]
    for number in range(settings.layers):
        name = f"blocks.{number}"
        asked = [weights[f"{name}.ask.weight"] @ layer_norm(weights, f"{name}.attention_norm", x) for x in line]
        query, key, value = (
            [x[part * settings.embedding : (part + 1) * settings.embedding] for x in asked] for part in range(3)
        )
        after = []
        for place in range(len(words)):
            heads = []
            for head in range(settings.heads):
                mine = slice(head * units, (head + 1) * units)
                likeness = [
                    turned(query[place][mine], place) @ turned(key[other][mine], other) / math.sqrt(units)
                    for other in range(len(words))
                ]
                share = np.exp(likeness) / np.exp(likeness).sum()
                heads.append(sum(part * value[other][mine] for other, part in enumerate(share)))
            x = line[place] + weights[f"{name}.answer.weight"] @ np.concatenate(heads)
            hidden = weights[f"{name}.enter.weight"] @ layer_norm(weights, f"{name}.hidden_norm", x)
            x = x + weights[f"{name}.leave.weight"] @ gelu(hidden + weights[f"{name}.enter.bias"])
            after.append(x)
        line = after
    return np.array([layer_norm(weights, "norm", x) for x in line])


def pseudo_logp(weights, settings, sentence, bos, eos, span):
    """Salazar et al. (2020), equation 2: ln p of each word of a sentence, given all others, and 0 for `</s>`.

    A sentence of more than `span` places with `<s>` and `</s>` is read through a window, as central as it can be.
    """
    whole = [bos, *sentence, eos]
    logp = []
    for place in range(1, len(whole) - 1):
        begin = max(0, min(place - span // 2, len(whole) - span))
        seen = [None if at == place else word for at, word in enumerate(whole)][begin : begin + span]
        features = encoder(weights, settings, seen)[place - begin]
        logp.append(math.log(event_probabilities(weights, features)[whole[place]]))
    return [*logp, 0.0]
