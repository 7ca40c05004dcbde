"""Names of encodings, as configurations and options give them."""

import codecs


def encoding_problem(name: str) -> str:
    """What is wrong with the name of an encoding of text files; "" for nothing."""
    try:
        found = codecs.lookup(name)
    except (LookupError, ValueError):
        found = None
    special = ("idna", "punycode", "undefined", "unicode_escape", "raw_unicode_escape", "mbcs", "oem")
    if found is None or not getattr(found, "_is_text_encoding", True) or found.name in special:
        return f"'{name}' is no encoding of texts; usual ones are utf-8, cp949, euc-kr, utf-16, shift_jis, gb18030 and cp1252"
    return ""
