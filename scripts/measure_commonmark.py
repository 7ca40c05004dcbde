"""How much of a Markdown page's structure survives translation, on the examples of the CommonMark specification.

    npm install commonmark-spec commonmark          # in a folder of your own; nothing of it belongs into this repository
    python scripts/measure_commonmark.py node_modules/commonmark-spec/spec.txt --js node_modules/commonmark

Latin words of each example become Korean ones wherever that leaves its structure as it is. Each example is then "translated" by functions
that change every word, drop, add or reorder words, answer nothing, or answer text that looks like Markdown, and is parsed again. Its
structure is its tree without the words: blocks in order; in each block the markup in any order, since a translation may move it; and code,
addresses, titles and HTML letter by letter. It is read by markdown-it-py with its own rules only, and by commonmark.js where --js names it.
"""

import argparse
import json
import random
import re
import subprocess
from collections import Counter
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

from markdown_it import MarkdownIt
from markdown_it.token import Token

from mt.documents.document import Document
from mt.documents.fit import FittingTranslator, Translated
from mt.documents.parts import Source
from mt.documents.settle import KEPT, settled
from mt.translation import Translation

KOREAN = ("책", "물", "집", "나무", "바람", "사람", "하늘", "바다", "노래", "친구", "아침", "저녁", "학교", "편지", "구름", "소년", "시장")
MARKUP = ["# x", "1. y", "- z", "> q", "`a", "*b", "[c]: d", "[e](f)", "<div>", "***", "~~~", "| a | b |", "a\\", "&amp;", "_u_", "![i](j)",
          "---", "===", "    code", "a  \nb"]  # fmt: skip
MARKS = ["*", "**", "_", "`", "[", "]", "<b>", "#", "1.", "-", ">", "|", "&copy;", "\\", "![", "]("]
TRANSLATORS: dict[str, Callable[[str], str]] = {
    "every word changed": lambda line: " ".join(f"x{word}y" for word in line.split()),
    "words left out": lambda line: " ".join(line.split()[::2]) + " q",
    "words added": lambda line: "one " + " and ".join(line.split()) + " two",
    "words reversed": lambda line: " ".join(line.split()[::-1]) + "!",
    "nothing": lambda line: "",
    "looks like Markdown": lambda line: random.Random(line).choice(MARKUP),
    "marks before each word": lambda line: " ".join(random.Random(word + line).choice(MARKS) + word for word in line.split()),
}
TREES = """
const {Parser} = require(process.argv[1]);
const read = (page) => {
  const levels = [[]], walker = new Parser().parse(page).walker();
  for (let event; (event = walker.next()); ) {
    const node = event.node;
    if (["text", "softbreak"].includes(node.type)) continue;
    if (event.entering) {
      const own = [node.type, node.isContainer ? null : node.literal, node.destination, node.title, node.info, node.level, node.listType,
                   node.listTight, node.listStart, node.listDelimiter];
      if (node.isContainer) levels.push([JSON.stringify(own)]); else levels[levels.length - 1].push(JSON.stringify(own));
    } else {
      const [first, ...inner] = levels.pop();
      if (["paragraph", "heading", "emph", "strong", "link", "image"].includes(node.type)) inner.sort();
      levels[levels.length - 1].push(first + "(" + inner.join() + ")");
    }
  }
  return levels[0].join();
};
const pages = JSON.parse(require("fs").readFileSync(0));
console.log(JSON.stringify(pages.map(read)));
"""
PLAIN = MarkdownIt("commonmark", {"maxNesting": 100})


def examples(path: Path) -> list[tuple[str, str]]:
    """Section and Markdown of each example, of spec.txt or of JSON (a list of objects with section and markdown)."""
    text = path.read_text(encoding="utf-8")
    if path.suffix == ".json":
        return [(one["section"], one["markdown"].replace("→", "\t")) for one in json.loads(text)]
    found, section = [], ""
    pattern = r"^`{32} example\n(.*?)^\.\n.*?^`{32}$|^#{1,6} ([^\n]*)$"
    for match in re.finditer(pattern, text.split("<!-- END TESTS -->")[0], re.DOTALL | re.MULTILINE):
        if match[2] is not None:
            section = match[2].strip()
        else:
            found.append((section, match[1].replace("→", "\t")))
    return found


def tree(page: str) -> list[Any]:
    """The structure of a page as markdown-it-py reads it."""
    found: list[Any] = []
    for token in PLAIN.parse(page):
        attributes = sorted(map(repr, token.attrs.items()))
        found.append(_markup(token.children or []) if token.type == "inline"
                     else (token.type, token.markup, token.info, token.hidden, token.content, attributes))  # fmt: skip
    return found


def _markup(tokens: Sequence[Token]) -> list[str]:
    levels: list[list[str]] = [[]]
    for token in tokens:
        if token.type in ("text", "softbreak"):
            continue
        content = token.content if token.type in ("code_inline", "html_inline") else ""
        own = f"{token.type} {token.markup} {content!r} {sorted(map(repr, token.attrs.items()))} {_markup(token.children or [])}"
        if token.nesting > 0:
            levels.append([own])
        elif token.nesting < 0:
            first, *inner = levels.pop()
            levels[-1].append(f"{first}({sorted(inner)})")
        else:
            levels[-1].append(own)
    return sorted(levels[0])


def trees_in_js(pages: list[str], package: Path) -> list[str]:
    """The structures of pages as commonmark.js reads them."""
    command = ["node", "-e", TREES, str(package.resolve())]
    return json.loads(subprocess.run(command, input=json.dumps(pages), capture_output=True, text=True, check=True).stdout)


def in_korean(page: str) -> str:
    """A page with Korean words in place of Latin ones, wherever its structure stays as it is: all of a word at once, else one by one."""
    wanted = tree(page)
    for word in sorted(set(re.findall(r"[A-Za-z]+", page)), key=lambda word: (-len(word), word)):
        pattern = re.compile(rf"(?<![A-Za-z]){word}(?![A-Za-z])")
        own = KOREAN[sum(map(ord, word)) % len(KOREAN)]
        if tree(trial := pattern.sub(own, page)) == wanted:
            page = trial
            continue
        for match in reversed(list(pattern.finditer(page))):
            trial = page[: match.start()] + own + page[match.end() :]
            page = trial if tree(trial) == wanted else page
    return page


def translated(page: str, function: Callable[[str], str]) -> tuple[str, Counter[str]]:
    """A page with every sentence translated by a function, and how many of its units were translated, kept and flagged."""
    def search(lines: Sequence[str], progress: Callable[[int], None]) -> list[Translation]:
        return [Translation(function(line), 0.0, 0.0, True) for line in lines]

    parts = list(Document(Source(Path("example.md"), page.encode("utf-8")), "markdown", "ko").parts())
    fits = FittingTranslator(search, lambda lines: [len(line.split()) + 1 for line in lines], 100, "en", "ko")
    results = iter(fits.parts([part for part in parts if part.text], lambda count: None))
    written, counts = "", Counter[str]()
    for part, result in settled((part, next(results) if part.text else Translated("")) for part in parts):
        written += part.written(result.text) if part.text else part.kept
        if part.text:
            counts.update(["units", *["kept"] * (result.markup == KEPT), *["flagged"] * bool(result.markup)])
    return written, counts


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("examples", type=Path, help="spec.txt of the npm package commonmark-spec, or a JSON list with section and markdown")
    parser.add_argument("--js", type=Path, help="the folder of the npm package commonmark: its parser is asked too")
    options = parser.parse_args()
    pages = [(section, in_korean(page)) for section, page in examples(options.examples)]
    korean = sum(re.search("[가-힣]", page) is not None for _, page in pages)
    print(f"{len(pages)} examples, {korean} of them with Korean words\n")
    sources = trees_in_js([page for _, page in pages], options.js) if options.js else []
    sections: dict[str, Counter[str]] = {}
    for name, function in TRANSLATORS.items():
        results = [translated(page, function) for _, page in pages]
        written = trees_in_js([text for text, _ in results], options.js) if options.js else []
        total = Counter[str]()
        for number, ((section, page), (text, counts)) in enumerate(zip(pages, results, strict=True)):
            same = tree(text) == tree(page)
            same_js = not options.js or written[number] == sources[number]
            own = Counter(examples=1, same=same and same_js, other_text=text != page, **counts)
            total += own
            sections.setdefault(section, Counter()).update(own)
            if not (same and same_js):
                readers = " and ".join(["markdown-it-py"] * (not same) + ["commonmark.js"] * (not same_js))
                print(f"  changed for {readers}: example {number + 1} ({section})\n    {page!r}\n    {text!r}")
        print(f"{name}: structure kept in {total['same']} of {total['examples']} ({total['same'] / total['examples']:.2%}), "
              f"other text in {total['other_text']}; of {total['units']} units "
              f"{total['kept']} kept their source, {total['flagged']} were flagged")  # fmt: skip
    print("\nsection: structure kept, of all examples with all translators")
    for section, own in sections.items():
        print(f"{section}: {own['same']} of {own['examples']} ({own['same'] / own['examples']:.2%})")


if __name__ == "__main__":
    main()
