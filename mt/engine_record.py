"""What is known of a run's fast engine: how translations by numpy compared with torch's, on exactly these weights.

`engines.json` beside the weights, and, where the run's folder cannot be written, a file in the cache; what either says counts. A record
holds for one weights file (by its sha256), one version of both engines (by their source text, numpy's and torch's versions and the kind of
processor), and the decoding settings that are listed. Where any of these is another, nothing is known. Comparing is mt/instant/check.py;
nothing heavy is imported here.
"""

import json
import os
import platform
from collections.abc import Iterator, Mapping, Sequence
from contextlib import suppress
from dataclasses import asdict, dataclass
from functools import cache
from hashlib import sha256
from importlib.metadata import version
from pathlib import Path
from typing import Any

from mt.config import DecodingConfig
from mt.files import write_atomically

RECORD = "engines.json"
"""The file's name."""
LEAST_CERTAIN = 8
"""Translations that numpy must have been certain of, or its being equal to torch says nothing."""
LEAST_SENTENCES = 16
"""Sentences that must have been compared; half of the first 16 are drawn from the whole vocabulary."""
MOST_TRIES = 8
"""Comparisons that time cut off, one going on where the other ended, after which torch translates for good."""
LARGEST_DIFFERENCE = 1.25e-4
"""Between the two log-probabilities of a translation: a quarter of the margin that the search in numpy keeps (mt/instant/search.py)."""
_MOST_SETTINGS = 32
"""Decoding settings whose comparison is kept, the last ones."""
_MOST_BYTES = 1 << 20
_SOURCES = ("instant/*.py", "model/*.py", "decoding/*.py", "stored_model.py")
"""Both engines, as files of this package."""


@dataclass(frozen=True)
class EngineCheck:
    """How numpy's translations of some sentences compared with torch's."""

    settings: Mapping[str, Any]
    """The decoding settings, as `settings_that_matter` gives them."""
    sentences: int
    """How many both were given."""
    certain: int
    """Of how many numpy gave a translation; the others it leaves to torch."""
    different: int
    """How many of these torch translates otherwise."""
    other_probabilities: int
    """Sentences in whose torch translation numpy finds other probabilities of the vocabulary, beyond rounding."""
    largest_difference: float
    """Between the two log-probabilities of a translation that is equal, in nats."""
    origin: str
    """Where the sentences come from: "valid", "test", "given", or "drawn" (token ids at random)."""

    left: int = 0
    """Sentences that were to be compared too, and for which there was no time."""
    tries: int = 1
    """In how many goes this was found."""

    @property
    def differs(self) -> bool:
        """Whether numpy is not to be used with these weights at all."""
        return bool(self.different or self.other_probabilities) or not self.largest_difference <= LARGEST_DIFFERENCE

    @property
    def passed(self) -> bool:
        """Whether numpy may translate with these settings."""
        enough = self.sentences >= LEAST_SENTENCES or not self.left
        return not self.differs and self.certain >= LEAST_CERTAIN and enough

    @property
    def unfinished(self) -> bool:
        """Whether the next use of the run goes on with it."""
        return not self.differs and not self.passed and self.left > 0 and self.tries < MOST_TRIES

    @property
    def described(self) -> str:
        """Its settings, for a person."""
        method = "greedy" if self.settings.get("method") == "greedy" else f"beam {self.settings.get('beam_size')}"
        names = ("length_penalty", "max_length_ratio", "max_length_extra")
        return ", ".join([method, *(f"{name} {self.settings.get(name):g}" for name in names)])

    @property
    def verdict(self) -> str:
        """In words."""
        found = f"{self.sentences} sentence{'s' * (self.sentences != 1)} compared, numpy was certain of {self.certain}"
        if self.different:
            return f"{found}, and {self.different} of these translations differ: torch translates"
        if self.other_probabilities:
            return f"{found}, and its probabilities differ in {self.other_probabilities}: torch translates"
        if self.differs:
            return f"{found}, but log-probabilities differ by up to {self.largest_difference:.1e}: torch translates"
        if self.unfinished:
            return f"{found}, all equal, and {self.left} more are left"
        return f"{found}, all equal" if self.passed else f"{found}: too few to rely on, torch translates"


def settings_that_matter(options: DecodingConfig) -> dict[str, Any]:
    """The decoding settings that numpy's search reads."""
    return {
        "method": options.method, "beam_size": 1 if options.method == "greedy" else options.beam_size,
        "length_penalty": options.length_penalty, "max_length_ratio": options.max_length_ratio,
        "max_length_extra": options.max_length_extra,
    }  # fmt: skip


@cache
def engine_version() -> str:
    """What both engines' results depend on besides weights and settings: their source text, numpy, torch, the kind of processor."""
    digest = sha256(f"{version('numpy')} {version('torch')} {platform.machine()}".encode())
    package = Path(__file__).parent
    for path in sorted(path for pattern in _SOURCES for path in package.glob(pattern)):
        digest.update(f"{path.relative_to(package)}\0".encode() + path.read_bytes())
    return digest.hexdigest()


def read_checks(weights: Path, weights_hash: str) -> list[EngineCheck]:
    """The comparisons that hold for this weights file; none where there are none, or they are of other weights or another engine.

    Of two with the same settings, the one that differs counts, else the one of more sentences. weights_hash: the sha256 of the file, in
    hexadecimal.
    """
    found: list[EngineCheck] = []
    for check in (check for place in _places(weights, weights_hash) for check in _read(place, weights_hash)):
        same = next((number for number, one in enumerate(found) if one.settings == check.settings), None)
        if same is None:
            found.append(check)
        elif (check.differs, check.sentences) > (found[same].differs, found[same].sentences):
            found[same] = check
    return found


def add_check(weights: Path, weights_hash: str, check: EngineCheck) -> Path | None:
    """Add a comparison to those that hold, or replace the one with its settings.

    Where it was written, and can be read again; None where there is no such place.
    Two processes that compare at the same time write the same; of two with other settings the later one may lose the earlier one's, which
    is then made again when it is needed.
    """
    others = [one for one in read_checks(weights, weights_hash) if one.settings != check.settings]
    checks = [*sorted(others, key=lambda one: one.differs), check][-_MOST_SETTINGS:]
    content = {"weights_sha256": weights_hash, "engine": engine_version(), "checks": [asdict(one) for one in checks]}
    for place in _places(weights, weights_hash):
        with suppress(OSError):
            if place.name != RECORD:
                place.parent.mkdir(parents=True, exist_ok=True)
            write_atomically(place, json.dumps(content, indent=2) + "\n")
            if any(one.settings == check.settings for one in _read(place, weights_hash)):
                return place
    return None


def can_keep(weights: Path, weights_hash: str) -> bool:
    """Whether there is a place for a comparison, or it would be made again and again."""
    for place in _places(weights, weights_hash):
        folder = next(parent for parent in place.parents if parent.exists())
        if os.access(folder, os.W_OK) and not place.is_dir():
            return True
    return False


def allows(checks: Sequence[EngineCheck], options: DecodingConfig) -> bool | None:
    """Whether numpy may translate with these settings; None where it has not been compared with them, or not with enough sentences."""
    if any(one.differs for one in checks):
        return False
    settings = settings_that_matter(options)
    return next((None if one.unfinished else one.passed for one in checks if one.settings == settings), None)


def _places(weights: Path, weights_hash: str) -> Iterator[Path]:
    """Where the record may be: beside the weights, or in the cache."""
    yield weights.resolve().parent / RECORD
    from mt.data.store import cache_root

    yield cache_root() / "engines" / f"{weights_hash}.json"


def _read(place: Path, weights_hash: str) -> list[EngineCheck]:
    """The comparisons in a file; none where it is not there, damaged, or of something else."""
    try:
        if place.stat().st_size > _MOST_BYTES:
            return []
        content = json.loads(place.read_bytes())
        if (content["weights_sha256"], content["engine"]) != (weights_hash, engine_version()):
            return []
        return [_checked(EngineCheck(**fields)) for fields in content["checks"]]
    except (OSError, ValueError, LookupError, TypeError, AttributeError, RecursionError):
        return []


def _checked(check: EngineCheck) -> EngineCheck:
    """The same; ValueError when a field holds something else than it should."""
    counts = (check.sentences, check.certain, check.different, check.other_probabilities, check.left, check.tries)
    right = all(type(count) is int for count in counts) and isinstance(check.origin, str)
    right = right and check.settings.keys() == settings_that_matter(DecodingConfig()).keys()
    right = right and all(type(value) in (int, float) for name, value in check.settings.items() if name != "method")
    if not right or type(check.largest_difference) not in (int, float):
        raise ValueError
    return check
