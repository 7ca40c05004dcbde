"""Language codes: the two letters of ISO 639-1 for every code that names the same language.

Corpora name their languages by two letters (`ko`), by three (`kor`, and `ger` beside `deu`), with a region (`pt-br`) or a script.
Whatever depends on the language asks `short_code` first, so that `train.kor` is treated as `train.ko` is.
"""

_THREE_LETTERS = """
aar aa|abk ab|afr af|aka ak|amh am|ara arb ar|arg an|asm as|ava av|aym ay|aze azj az|bak ba|bam bm|bel be|ben bn|bis bi|bod tib bo|
bos bs|bre br|bul bg|cat ca|ces cze cs|cha ch|che ce|chv cv|cor kw|cos co|cym wel cy|dan da|deu ger de|div dv|dzo dz|ell gre el|eng en|
epo eo|est ekk et|eus baq eu|ewe ee|fao fo|fas per pes prs fa|fij fj|fin fi|fra fre fr|fry fy|ful ff|gla gd|gle ga|glg gl|glv gv|grn gn|
guj gu|hat ht|hau ha|heb he|hin hi|hrv hr|hun hu|hye arm hy|ibo ig|ido io|iku iu|ind id|isl ice is|ita it|jav jv|jpn ja|kal kl|kan kn|
kas ks|kat geo ka|kaz kk|khm km|kik ki|kin rw|kir ky|kom kv|kon kg|kor ko|kur kmr ku|lao lo|lat la|lav lvs lv|lim li|lin ln|lit lt|
ltz lb|lug lg|mal ml|mar mr|mkd mac mk|mlg plt mg|mlt mt|mon khk mn|mri mao mi|msa may zsm ms|mya bur my|nau na|nav nv|nbl nr|nde nd|
nep npi ne|nld dut nl|nno nn|nob nb|nor no|nya ny|oci oc|ori ory or|orm om|oss os|pan pa|pol pl|por pt|pus pbt ps|que qu|roh rm|
ron rum ro|run rn|rus ru|sag sg|san sa|sin si|slk slo sk|slv sl|sme se|smo sm|sna sn|snd sd|som so|sot st|spa es|sqi alb als sq|srd sc|
srp sr|ssw ss|sun su|swa swh sw|swe sv|tah ty|tam ta|tat tt|tel te|tgk tg|tgl fil tl|tha th|tir ti|ton to|tsn tn|tso ts|tuk tk|tur tr|
twi tw|uig ug|ukr uk|urd ur|uzb uzn uz|ven ve|vie vi|vol vo|wln wa|wol wo|xho xh|yid ydd yi|yor yo|zha za|zho chi cmn zh|zul zu
"""
SHORT_CODES = {three: codes[-1] for codes in map(str.split, _THREE_LETTERS.replace("\n", "").split("|")) for three in codes[:-1]}
"""Three letters (ISO 639-2 in both its forms, ISO 639-3, and the individual language that stands for a macrolanguage) to two."""


def short_code(language: str) -> str:
    """The language of a code without region and script, in two letters where it has some: `pt-br` is pt, `kor` is ko, `yue` is yue."""
    first = language.replace("_", "-").split("-")[0].lower()
    return SHORT_CODES.get(first, first)
