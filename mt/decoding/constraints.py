"""What one sentence's translation must begin with, must not contain, and must contain. How a search obeys: rules.py."""

from dataclasses import dataclass

from mt.data.special_ids import BOS, EOS, PAD
from mt.decoding.partial_characters import MATCHED
from mt.decoding.phrases import Phrase, phrase_body
from mt.errors import DecodingError


@dataclass(frozen=True)
class Constraints:
    """The constraints of one sentence. Phrases belong to the vocabulary that they were compiled for."""

    prefix: tuple[int, ...] = ()
    """Token ids that every hypothesis begins with, without EOS. They keep the model's own log-probabilities."""
    forbidden: tuple[Phrase, ...] = ()
    """What no hypothesis may contain."""
    required: tuple[Phrase, ...] = ()
    """What every finished hypothesis contains. For beam search."""

    @property
    def room(self) -> int:
        """How many tokens the prefix and the required phrases take at most: the length limit is raised by them."""
        return len(self.prefix) + sum(phrase.needs for phrase in self.required)

    def check(self, method: str, vocabulary: int) -> None:
        """Raise DecodingError for what no hypothesis can satisfy. method: of the search. vocabulary: the number of target tokens."""
        if self.required and method != "beam":
            raise DecodingError(
                f"required words ('{self.required[0].text}') need beam search, which keeps hypotheses that are on the way to them; "
                f"the method is {method}: use --method beam (decoding.method)"
            )
        for token in self.prefix:
            if token in (PAD, BOS, EOS) or not 0 <= token < vocabulary:
                raise DecodingError(f"a prefix cannot contain the token id {token}; its ids are those of text, and EOS is left out")
        for phrase in self.required:
            if not phrase.can_be_spelled:
                raise DecodingError(f"the required '{phrase.text}' cannot be written with this vocabulary: it has no piece for a character")
        for phrase in self.forbidden:
            self._refuse_conflict(phrase)

    def _refuse_conflict(self, forbidden: Phrase) -> None:
        """DecodingError when a forbidden phrase is in what must be written."""
        if forbidden.after([*self.prefix, EOS]) == MATCHED:
            raise DecodingError(f"the prefix contains '{forbidden.text}', which is forbidden; drop one of the two")
        for phrase in self.required:
            body, star = phrase_body(phrase.text)
            if forbidden.occurs_in(body, ended=not star):
                raise DecodingError(f"the required '{phrase.text}' contains '{forbidden.text}', which is forbidden; drop one of the two")


NONE = Constraints()
"""Nothing is asked for."""
