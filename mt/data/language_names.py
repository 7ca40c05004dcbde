"""What languages are called in the headers of tables: two- and three-letter codes, English, native and Korean names."""

import unicodedata
from functools import cache

_NAMES = """
ar ara arb: Arabic, العربية, 아랍어
az aze: Azerbaijani, Azərbaycan, 아제르바이잔어
be bel: Belarusian, беларуская, 벨라루스어
bg bul: Bulgarian, български, 불가리아어
bn ben: Bengali, Bangla, বাংলা, 벵골어
ca cat: Catalan, català, 카탈루냐어
cs ces cze: Czech, čeština, 체코어
cy cym wel: Welsh, Cymraeg, 웨일스어
da dan: Danish, dansk, 덴마크어
de deu ger: German, Deutsch, 독일어
el ell gre: Greek, Ελληνικά, 그리스어
en eng: English, 영어, 영문
es spa: Spanish, español, 스페인어
et est ekk: Estonian, eesti, 에스토니아어
eu eus baq: Basque, euskara, 바스크어
fa fas per pes: Persian, Farsi, فارسی, 페르시아어
fi fin: Finnish, suomi, 핀란드어
fr fra fre: French, français, 프랑스어
ga gle: Irish, Gaeilge, 아일랜드어
gl glg: Galician, galego, 갈리시아어
he heb: Hebrew, עברית, 히브리어
hi hin: Hindi, हिन्दी, 힌디어
hr hrv: Croatian, hrvatski, 크로아티아어
hu hun: Hungarian, magyar, 헝가리어
id ind: Indonesian, Bahasa Indonesia, 인도네시아어
is isl ice: Icelandic, íslenska, 아이슬란드어
it ita: Italian, italiano, 이탈리아어
ja jpn: Japanese, 日本語, 일본어
ka kat geo: Georgian, ქართული, 조지아어
kk kaz: Kazakh, қазақ тілі, 카자흐어
km khm: Khmer, ខ្មែរ, 크메르어
ko kor: Korean, 한국어, 한글, 국문, 국어
ky kir: Kyrgyz, кыргызча, 키르기스어
lo lao: Lao, ລາວ, 라오어
lt lit: Lithuanian, lietuvių, 리투아니아어
lv lav lvs: Latvian, latviešu, 라트비아어
mk mkd mac: Macedonian, македонски, 마케도니아어
mn mon khk: Mongolian, монгол, 몽골어
ms msa may zsm: Malay, Bahasa Melayu, 말레이어
mt mlt: Maltese, Malti, 몰타어
my mya bur: Burmese, မြန်မာ, 미얀마어
nb nob: Norwegian Bokmål, Bokmål
ne nep npi: Nepali, नेपाली, 네팔어
nl nld dut: Dutch, Nederlands, 네덜란드어
nn nno: Norwegian Nynorsk, Nynorsk
no nor: Norwegian, norsk, 노르웨이어
pl pol: Polish, polski, 폴란드어
pt por: Portuguese, português, 포르투갈어
ro ron rum: Romanian, română, 루마니아어
ru rus: Russian, русский, 러시아어
sk slk slo: Slovak, slovenčina, 슬로바키아어
sl slv: Slovenian, Slovene, slovenščina, 슬로베니아어
sq sqi alb als: Albanian, shqip, 알바니아어
sr srp: Serbian, српски, 세르비아어
sv swe: Swedish, svenska, 스웨덴어
sw swa swh: Swahili, Kiswahili, 스와힐리어
ta tam: Tamil, தமிழ், 타밀어
te tel: Telugu, తెలుగు, 텔루구어
tg tgk: Tajik, тоҷикӣ, 타지크어
th tha: Thai, ไทย, 태국어
tl tgl fil: Tagalog, Filipino, 타갈로그어
tr tur: Turkish, Türkçe, 터키어, 튀르키예어
uk ukr: Ukrainian, українська, 우크라이나어
ur urd: Urdu, اردو, 우르두어
uz uzb uzn: Uzbek, oʻzbek, 우즈베크어
vi vie: Vietnamese, tiếng Việt, 베트남어
yue: Cantonese, 粵語, 광둥어
zh zho chi cmn: Chinese, Mandarin, 中文, 汉语, 漢語, 중국어
"""
"""A line for each language: its codes, the two-letter one first, and its names."""


def folded(name: str) -> str:
    """A name as names are compared: NFKC, lower case, no spaces at its ends, '-' for '_'."""
    return unicodedata.normalize("NFKC", name).casefold().strip().replace("_", "-")


@cache
def codes_by_name() -> dict[str, str]:
    """From every folded code and name to the language's first code."""
    found: dict[str, str] = {}
    for line in _NAMES.strip().split("\n"):
        codes, names = line.split(":")
        first, *others = codes.split()
        for name in (first, *others, *names.split(",")):
            found[folded(name)] = first
    return found


def language_named(name: str) -> str | None:
    """The code of the language that a column name means, in any case and with or without a region; None: of no language.

    'EN', 'eng', 'English', 'en_US' and '영어' are all 'en'.
    """
    plain = folded(name)
    if plain in codes_by_name():
        return codes_by_name()[plain]
    base, _, region = plain.partition("-")
    return codes_by_name().get(base) if 2 <= len(base) <= 3 and 2 <= len(region) <= 4 and region.isalnum() else None
