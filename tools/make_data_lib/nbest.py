"""Speaks sentences with flite, decodes them with pocketsphinx, scores the n-best.

pocketsphinx gives one total per n-best entry.  To tell the acoustic from the
language model part, the lattice of the utterance is read, and each distinct
text is scored on its own:

* `am`: sum of the acoustic scores along the best lattice path that says the
  text, as a natural logarithm.  Silence and noise between words are allowed at
  the recogniser's own penalties.
* `lm`: natural logarithm of the probability that the recogniser's trigram model
  gives to the text, with the sentence end and without weight or word penalty.
"""

from __future__ import annotations

import re
import subprocess
from collections.abc import Iterator
from pathlib import Path

VARIANT = re.compile(r"\(\d+\)$")
START, END = "<s>", "</s>"


def is_filler(word: str) -> bool:
    """Says whether a recogniser word is a silence, a noise or a sentence mark."""
    return word.startswith(("<", "[", "+"))


def plain_text(hypothesis: str) -> str:
    """Removes fillers and pronunciation marks such as the (2) of `the(2)`."""
    words = (VARIANT.sub("", word) for word in hypothesis.split())
    return " ".join(word for word in words if not is_filler(word))


class Lattice:
    """A word lattice as pocketsphinx writes it to a file."""

    def __init__(self, path: Path, to_ln: float) -> None:
        """Reads the file; `to_ln` turns one unit of its scores into a natural log."""
        self.words: dict[int, str] = {}
        self.exits: dict[int, list[tuple[int, float]]] = {}
        self.start = self.end = -1
        section = ""
        for line in path.read_text(encoding="utf-8").splitlines():
            fields = line.split()
            if fields[0] in ("Nodes", "Initial", "Final", "Edges", "End", "BestSegAscr"):
                section = fields[0]
                if section == "Initial":
                    self.start = int(fields[1])
                elif section == "Final":
                    self.end = int(fields[1])
            elif section == "Nodes" and len(fields) >= 5:
                self.words[int(fields[0])] = VARIANT.sub("", fields[1])
            elif section == "Edges" and len(fields) == 3:
                source, target, score = (int(field) for field in fields)
                self.exits.setdefault(source, []).append((target, score * to_ln))

    def acoustic_score(self, text: str) -> float | None:
        """Returns the best acoustic score of the text, or None if no path says it.

        The score belongs to the links, each of which holds the score of the
        word that it leaves.  Nodes are visited word by word: `scores` maps each
        node that may hold the last word said so far to its best path score.
        """
        scores = self.pass_fillers({self.start: 0.0})
        for word in text.split():
            scores = self.pass_fillers(self.step(scores, word))
        return scores.get(self.end)

    def step(self, scores: dict[int, float], word: str) -> dict[int, float]:
        """Extends all paths by one word."""
        reached: dict[int, float] = {}
        for node, score in scores.items():
            for target, link in self.exits.get(node, ()):
                if self.words[target] == word and target != self.end:
                    reached[target] = max(score + link, reached.get(target, -1e300))
        return reached

    def pass_fillers(self, scores: dict[int, float]) -> dict[int, float]:
        """Adds the nodes that are reached over fillers only, and the end node."""
        scores = dict(scores)
        todo = list(scores)
        while todo:
            node = todo.pop()
            for target, link in self.exits.get(node, ()):
                if target != self.end and not is_filler(self.words[target]):
                    continue
                score = scores[node] + link
                if score > scores.get(target, -1e300):
                    scores[target] = score
                    todo.append(target)
        return scores


class Recogniser:
    """pocketsphinx with its default English models."""

    def __init__(self, work: Path) -> None:
        """Loads the models; scratch files go to the folder `work`."""
        import pocketsphinx

        model = Path(pocketsphinx.get_model_path("en-us/cmudict-en-us.dict"))
        self.dictionary = {
            VARIANT.sub("", line.split()[0]) for line in model.read_text(encoding="utf-8").splitlines() if line.strip()
        }
        self.decoder = pocketsphinx.Decoder(loglevel="FATAL")
        self.lm = self.decoder.get_lm()
        self.to_ln = self.decoder.logmath.log_to_ln
        # The natural logarithm of one step of the decoder's own logarithm.
        self.unit = self.to_ln(1 << 20) / (1 << 20)
        self.zero = self.decoder.logmath.get_zero()
        self.lattice_file = work / "utterance.lat"

    def knows(self, word: str) -> bool:
        """Says whether the recogniser can output the word at all."""
        return word in self.dictionary and self.lm.prob([word]) > self.zero

    def lm_score(self, text: str) -> float:
        """Returns the trigram log probability of the text, sentence end included."""
        words = [START, *text.split(), END]
        # The binding wants the predicted word first and its history backwards.
        return sum(self.to_ln(self.lm.prob(words[max(0, i - 2) : i + 1][::-1])) for i in range(1, len(words)))

    def decode(self, audio: bytes) -> None:
        """Decodes one utterance of 16 kHz mono 16 bit samples from a fresh state."""
        # The running cepstral mean of the utterances before must not matter:
        # otherwise the result would depend on where an interrupted run resumed.
        self.decoder.reinit_feat()
        self.decoder.start_utt()
        self.decoder.process_raw(audio, full_utt=True)
        self.decoder.end_utt()

    def texts(self, entries: int) -> Iterator[str]:
        """Yields the recogniser's best text and then those of its n-best list."""
        best = self.decoder.hyp()
        if best is None:
            return
        yield plain_text(best.hypstr)
        for count, entry in enumerate(self.decoder.nbest()):
            if entry is None or count >= entries:
                break
            yield plain_text(entry.hypstr)

    def hypotheses(self, audio: bytes, limit: int, entries: int) -> list[dict]:
        """Decodes an utterance and returns its distinct scored texts, best first."""
        self.decode(audio)
        found: dict[str, dict] = {}
        lattice = None
        for text in self.texts(entries):
            if len(found) >= limit:
                break
            if not text or text in found:
                continue
            if lattice is None:
                self.decoder.get_lattice().write(str(self.lattice_file))
                lattice = Lattice(self.lattice_file, self.unit)
            am = lattice.acoustic_score(text)
            if am is not None:
                scores = {"am": round(am, 1), "lm": round(self.lm_score(text), 2)}
                found[text] = {"text": text, "scores": scores}
        return list(found.values())


def speak(text: str, voice: str, work: Path) -> bytes:
    """Returns 16 kHz mono 16 bit samples of the text spoken by a flite voice."""
    wave, raw = work / "utterance.wav", work / "utterance.raw"
    subprocess.run(["flite", "-voice", voice, "-t", text, "-o", str(wave)], check=True)
    # -D switches the random dither off, so that the same bytes come out each time.
    subprocess.run(
        [
            "sox",
            "-D",
            str(wave),
            "-t",
            "raw",
            "-r",
            "16000",
            "-c",
            "1",
            "-b",
            "16",
            "-e",
            "signed-integer",
            "-L",
            str(raw),
        ],
        check=True,
    )
    return raw.read_bytes()
