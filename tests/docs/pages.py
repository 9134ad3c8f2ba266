"""The pages of the documentation, and the blocks of code in them."""

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from markdown_it import MarkdownIt
from markdown_it.token import Token

ROOT = Path(__file__).parents[2]
DOCS = ROOT / "docs"
GENERATED = ("_build", "api", "config_keys.md")
LANGUAGES = ("bash", "python")  # that are run
TEXT = "text"  # what a program prints, or a formula
_MARKDOWN = MarkdownIt("commonmark").enable("table")


@dataclass(frozen=True)
class Block:
    """A fenced block: where it begins, its language, its lines."""

    page: str
    line: int
    language: str
    code: str

    def __str__(self) -> str:
        return f"{self.page}:{self.line}"


def pages() -> list[str]:
    """README and every page that someone wrote, by path from the root."""
    written = (
        page for page in DOCS.rglob("*.md") if page.relative_to(DOCS).parts[0] not in GENERATED
    )
    return ["README.md", *sorted(str(page.relative_to(ROOT)) for page in written)]


def blocks(page: str, text: str | None = None) -> list[Block]:
    """Every block of a page that shows code, indented ones too: their language is ''."""
    text = (ROOT / page).read_text() if text is None else text
    return [
        Block(page, (token.map or [0])[0] + 1, token.info.strip(), token.content)
        for token in _MARKDOWN.parse(text)
        if token.type in ("fence", "code_block")
    ]


def links(page: str) -> list[str]:
    """What a page's links and pictures point to."""
    inline = _inline(_MARKDOWN.parse((ROOT / page).read_text()))
    found = (token.attrGet("href") or token.attrGet("src") for token in inline)
    return [str(target) for target in found if target]


def _inline(tokens: list[Token]) -> Iterator[Token]:
    for token in tokens:
        yield token
        yield from _inline(token.children or [])
