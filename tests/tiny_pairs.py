"""Pairs for tests of the commands that take files: all different, in several languages, and a model that trains on them in a second."""

from pathlib import Path

SMALL = ["model.d_model=16", "model.num_heads=2", "model.d_ff=16", "model.encoder_layers=1", "model.decoder_layers=1",
         "training.max_steps=2", "training.validate_sentences=2", "decoding.max_length_ratio=0.1", "decoding.max_length_extra=2",
         "decoding.method=greedy"]  # fmt: skip
"""What makes every training small."""

SENTENCES = {
    "ko": "저는 어제 {}번 가게에서 책을 {}권 샀습니다.",
    "en": "I bought {1} books at shop number {0} yesterday.",
    "de": "Ich habe gestern im Laden Nummer {0} nicht {1} Bücher gekauft, und das ist gut.",
    "fr": "Je n'ai pas acheté les {1} livres dans le magasin numéro {0} et c'est une erreur.",
    "ja": "私は昨日{}番の店で本を{}冊買いました。",
    "ru": "Я не купил вчера в магазине номер {0} и на рынке {1} книг, но это так.",
}
"""A sentence with two numbers in each language."""


def sentences(language: str, count: int = 320) -> list[str]:
    """So many different sentences of a language; those at one place are translations of each other in all languages."""
    return [SENTENCES[language].format(10 + number % 40, 2 + number // 40) for number in range(count)]


def write_text(path: str, language: str, count: int = 320) -> Path:
    """A text file of one side."""
    file = Path(path)
    file.parent.mkdir(parents=True, exist_ok=True)
    file.write_text("".join(f"{line}\n" for line in sentences(language, count)), encoding="utf-8")
    return file


def write_table(path: str, *columns: str, header: str = "", count: int = 320) -> Path:
    """A table with these columns: languages, or 'number' for a running number. header: cells with a tab between."""
    cells = [[str(number) for number in range(count)] if column == "number" else sentences(column, count) for column in columns]
    rows = [*([header.split("\t")] if header else []), *zip(*cells, strict=True)]
    separator = "," if path.endswith(".csv") else "\t"
    quoted = '"{}"' if separator == "," else "{}"
    file = Path(path)
    file.parent.mkdir(parents=True, exist_ok=True)
    file.write_text("".join(separator.join(quoted.format(cell) for cell in row) + "\n" for row in rows), encoding="utf-8")
    return file


def small_settings() -> list[str]:
    """SMALL as options of a command line."""
    return [part for setting in SMALL for part in ("--set", setting)]
