"""Country codes that people type where a language code belongs: kr for Korean (ko), jp for Japanese (ja)."""

from collections.abc import Sequence

from mt.data.languages import NAMES
from mt.errors import ConfigError

_COUNTRIES = {"jp": "ja", "cn": "zh", "gr": "el", "ua": "uk", "cz": "cs", "dk": "da", "us": "en", "gb": "en", "vn": "vi", "ir": "fa",
              "il": "he", "rs": "sr"}  # fmt: skip
"""Codes of countries that are no codes of languages."""
_ALSO_LANGUAGES = {"kr": "ko", "se": "sv", "ee": "et", "si": "sl", "tw": "zh"}
"""Codes of countries that are also codes of other languages (kr is Kanuri): the text decides."""


def refuse_countries(codes: Sequence[str | None], found: Sequence[str | None] = (None, None)) -> None:
    """Raise ConfigError for a --source or --target that is the code of a country.

    codes: of --source and --target, None where it was not given. found: the languages that the text of the two sides seems to be in. A code
    that is also a language's is refused only where the text is in the country's language.
    """
    for option, code, language in zip(("--source", "--target"), codes, found, strict=True):
        meant = _COUNTRIES.get(code or "") or _ALSO_LANGUAGES.get(code or "")
        if meant is not None and (code in _COUNTRIES or language == meant):
            raise ConfigError(f"{option} {code}: {code} is not a language code mt knows for {NAMES[meant]}; did you mean {option} {meant}?")
