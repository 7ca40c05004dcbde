"""The kinds of things that a check finds in corpora: how bad each is, what it does to training, and what deals with it."""

from dataclasses import dataclass
from typing import Literal

Severity = Literal["error", "warning", "note"]


@dataclass(frozen=True)
class Kind:
    """One kind."""

    severity: Severity
    """error: training would refuse it, or its figures would be worthless; warning: it costs quality; note: good to know."""
    title: str
    effect: str
    """What it does to training."""
    remedy: str
    """What deals with it."""
    fix: Literal["drop", "change", ""] = ""
    """What `--fix` does to such a pair."""


_DROP = "mt check --fix OUT leaves these pairs out"
_CHANGE = "mt check --fix OUT mends them"

KINDS: dict[str, Kind] = {
    "unreadable": Kind("error", "a file that cannot be read", "training stops", "see the message"),
    "encoding": Kind("error", "not UTF-8", "training refuses the file",
                     "add the --encoding named above (train, init and check take it), or mt check --fix OUT, which writes UTF-8"),
    "bytes": Kind("error", "bytes that are no text", "training refuses the file", _DROP, "drop"),
    "nul": Kind("error", "NUL or half a character", "training refuses the file", _DROP, "drop"),
    "unequal": Kind("error", "unequal numbers of lines", "training refuses the files: from some line on nothing belongs together",
                    "find the line: 'shifted', where it stands below, names it; else compare the ends of both files. "
                    "mt check --fix OUT leaves out the surplus"),
    "shifted": Kind("error", "lines that fit a neighbour better than their partner",
                    "the model learns sentences that are not translations of each other",
                    "repair the line before the first one; mt check --fix OUT leaves the run out", "drop"),
    "unrelated": Kind("error", "sides that are no translations of each other, as far as lengths tell",
                      "nothing can be learnt", "compare some lines by eye: one file may have been sorted or shuffled"),
    "swapped": Kind("error", "source and target exchanged", "the model learns the other direction",
                    "exchange source and target (or source_column and target_column); mt check --fix OUT exchanges them"),
    "malformed": Kind("error", "rows that are not in the table's format", "training refuses the file", _DROP),
    "empty": Kind("error", "an empty side", "training refuses the file; a model that learns it ends translations at once", _DROP, "drop"),
    "leak": Kind("error", "pairs to measure on that also stand in training, exactly",
                 "the score measures memory, and is too high", "mt check --fix OUT leaves them out of training"),
    "leak-alike": Kind("warning", "the same, but for case, spaces, punctuation or width",
                       "the score is too high", "mt check --fix OUT leaves them out of training"),
    "leak-source": Kind("note", "sources to measure on that stand in training with another target",
                        "the score may be a little too high", "leave them out if sentences like these are rare in use"),
    "script": Kind("warning", "a side in another script than its language's", "the model learns to write the wrong language", _DROP,
                   "drop"),
    "untranslated": Kind("warning", "a target with letters of the source's script", "the model learns to leave words untranslated",
                         "mt check --fix OUT leaves them out; --keep untranslated where names belong there", "drop"),
    "copy": Kind("warning", "source equal to target", "the model learns to copy instead of to translate", _DROP, "drop"),
    "long": Kind("warning", "a side too long for data.max_length", "training leaves these pairs out and reports it",
                 "split them at sentence ends, or raise data.max_length", "drop"),
    "ratio": Kind("warning", "one side far longer than the other", "often half a translation, or two",
                  "data.max_ratio leaves out the most lopsided; mt check --fix OUT leaves out these", "drop"),
    "repetition": Kind("warning", "a character or a word again and again", "the model learns to repeat itself", _DROP, "drop"),
    "control": Kind("warning", "control characters", "rare pieces in the vocabulary, and translations with them", _CHANGE, "change"),
    "invisible": Kind("warning", "invisible characters (zero width, direction, byte order marks)",
                      "equal words become different ones", _CHANGE, "change"),
    "replaced": Kind("warning", "U+FFFD, where a character was lost", "the model learns to write it", _DROP, "drop"),
    "mojibake": Kind("warning", "text read in the wrong encoding ('Ã©', 'ì•ˆ')", "noise on one side",
                     "mt check --fix OUT mends what can be mended and leaves out the rest", "change"),
    "html": Kind("warning", "HTML (tags, &amp;)", "the model learns to write markup", _CHANGE, "change"),
    "duplicate": Kind("note", "pairs that stood in training before", "they count twice",
                      "mt check --fix OUT keeps the first; --keep duplicate keeps all", "drop"),
    "ambiguous": Kind("note", "a source with four or more different targets", "the model averages between them", "keep the best of them"),
    "nfd": Kind("note", "decomposed characters (NFD, as from macOS)", "none: training composes them; other programs may not", _CHANGE,
                "change"),
    "width": Kind("note", "full-width or half-width forms", "equal words become different ones", "normalise them if they are not meant"),
    "return": Kind("error", "carriage returns inside a line (perhaps old Mac line ends)", "training refuses the file",
                   "save the file with Unix or Windows line ends; mt check --fix OUT puts spaces in their place", "change"),
    "numbers": Kind("note", "different numbers on the two sides", "the model learns to change numbers",
                    "look at some: often they are written another way, sometimes the pair is wrong"),
    "letterless": Kind("note", "a side without letters", "little to learn", "leave them out if they are many"),
    "spaces": Kind("note", "spaces at an end, several in a row, or tabs", "none with the usual tokenizer", _CHANGE, "change"),
}  # fmt: skip
"""In the order in which they are told."""

KEEPABLE = tuple(kind for kind, what in KINDS.items() if what.fix) + ("leak", "swapped")
"""The kinds that --fix deals with unless they are to be kept; keeping "leak" keeps what is alike as well."""
