"""The book-keeping of one sentence's beam search: what was taken at every step, what lives, what has ended, and when it is done.

The rule is told in beam.py, which finds the best extensions. Nothing heavy is imported here.
"""

import math
from collections.abc import Sequence

from mt.config import DecodingConfig
from mt.data.special_ids import EOS
from mt.decoding.hypothesis import Hypothesis, length_penalty, make_hypothesis, no_token, rank


class Beam:
    """One sentence's search: every token that was ever taken into its beam, once, and the best hypotheses that have ended."""

    def __init__(self, limit: int, options: DecodingConfig, prunes: bool = True, has_rules: bool = False):
        """prunes: do not extend what can no longer win. It changes nothing but the time, and what there is to tell of the search.

        has_rules: they may leave a hypothesis no next token.
        """
        assert 1 <= options.nbest <= options.beam_size
        self.limit = limit
        self.prunes = prunes
        self.has_rules = has_rules
        self.alpha = options.length_penalty
        self.num_best = options.nbest
        self.tokens: list[list[int]] = []
        """For each step the W tokens taken, …"""
        self.log_probs: list[list[float]] = []
        """… their log-probabilities after their prefixes, …"""
        self.parents: list[list[int]] = []
        """… and the place in the beam, a step before, of the hypothesis each one extends."""
        self.kept: list[tuple[float, int, int]] = []
        """Score, step and place of the best finished hypotheses, best first; of equal ones that which finished first."""
        self.live: list[tuple[float, int]] = [(0.0, 0)]
        """Log-probability and place of the hypotheses that live, best first; at the beginning the empty one."""
        self.done = False

    def extend(self, tokens: list[int], totals: list[float], log_probs: list[float], parents: list[int]) -> None:
        """Note one step: the W best extensions, best first, with their log-probabilities (totals); -inf where there is none."""
        self.tokens.append(tokens)
        self.log_probs.append(log_probs)
        self.parents.append(parents)
        length = len(self.tokens)
        self.live = []
        if not totals[0] > -math.inf and not (self.has_rules and self.kept):
            raise no_token(length, self.has_rules)
        for place, (token, total) in enumerate(zip(tokens, totals, strict=True)):
            if total == -math.inf:
                break
            if token == EOS:
                self.kept.append((total / length_penalty(length, self.alpha), length - 1, place))
            else:
                self.live.append((total, place))
        self.kept.sort(key=lambda kept: -kept[0])
        del self.kept[self.num_best :]
        hopes = self.live if len(self.kept) < self.num_best else self._hopes(length)
        self.done = not hopes or length >= self.limit
        if self.prunes:
            self.live = hopes

    def _hopes(self, length: int) -> list[tuple[float, int]]:
        """Those of the live hypotheses that can still enter the full n-best list.

        A log-probability only falls, so the best score a live hypothesis can reach is the one it would have now at the
        length with the largest penalty: the limit for alpha >= 0, the next length for alpha < 0. The others need not be extended:
        whatever they would push out of the beam is less probable still, and as hopeless.
        """
        largest = self.limit if self.alpha >= 0 else length + 1
        return [(total, place) for total, place in self.live if total / length_penalty(largest, self.alpha) > self.kept[-1][0]]

    def best(self, lacking: Sequence[bool] = ()) -> list[tuple[Hypothesis, int, int]]:
        """The n-best list, each with the step and the place of its last token.

        Hypotheses that have not ended stand in it only where finished ones are missing. lacking: for each place whether a hypothesis that
        stands there and has not ended lacks something that is required; such ones come last.
        """
        ends = [(step, place) for _, step, place in self.kept]
        if len(ends) < self.num_best:
            ends += [(len(self.tokens) - 1, place) for _, place in self.live]
        worst = {place for place, lacks in enumerate(lacking) if lacks}
        found = [(self._read(*end), *end) for end in ends]
        return sorted(found, key=lambda one: (not one[0].finished and one[2] in worst, rank(one[0])))[: self.num_best]

    def _read(self, step: int, place: int) -> Hypothesis:
        """The hypothesis whose last token stands there."""
        tokens, log_probs = [], []
        for at in range(step, -1, -1):
            tokens.append(self.tokens[at][place])
            log_probs.append(self.log_probs[at][place])
            place = self.parents[at][place]
        return make_hypothesis(tokens[::-1], log_probs[::-1], self.alpha)
