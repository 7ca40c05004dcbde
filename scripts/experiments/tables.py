"""Write the tables of docs/experiments.md and docs/experiments.ko.md anew from the numbers in docs/figures.

    python scripts/experiments/tables.py            writes both pages
    python scripts/experiments/tables.py --check    exits with 1 when one is not current

A table stands between `<!-- table: NAME -->` and `<!-- end of the table -->`; NAME is a key of an experiment's TABLES.
"""

import importlib
import re
import sys
from pathlib import Path

from report import Rows, read_results

DOCS = Path(__file__).resolve().parents[2] / "docs"
PAGES = {"en": DOCS / "experiments.md", "ko": DOCS / "experiments.ko.md"}
EXPERIMENTS = ("distance", "scaling", "positions", "heads", "masks", "feedforward", "teacher_forcing")
MARKED = re.compile(r"(<!-- table: ([a-z_-]+) -->\n).*?(<!-- end of the table -->)", flags=re.DOTALL)

KOREAN = {
    r"experiment": "실험",
    r"updates of a training": "학습 한 번의 갱신 횟수",
    r"seeds": "시드 수",
    r"minutes of one core": "코어 하나로 걸린 시간(분)",
    r"architecture": "구조",
    r"copy, (\d+) words: % right": r"베끼기 \1단어, 정답률(%)",
    r"demo: BLEU, short": "demo BLEU, 짧은 문장",
    r"demo: BLEU, long": "demo BLEU, 긴 문장",
    r"demo: held-out loss": "demo 시험 손실",
    r"demo: BLEU": "demo BLEU",
    r"context vector": "문맥 벡터",
    r"last word: % read": "마지막 단어, 읽힌 비율(%)",
    r"(\d+) before: % read": r"그 \1단어 앞(%)",
    r"untrained": "학습 전",
    r"trained to copy": "베끼기를 학습한 뒤",
    r"d_k": "d_k",
    r"variance without": "분산, 나누지 않음",
    r"variance with": "분산, 나눔",
    r"largest weight without": "가장 큰 가중치, 나누지 않음",
    r"largest weight with": "가장 큰 가중치, 나눔",
    r"slope without": "소프트맥스 미분 크기, 나누지 않음",
    r"slope with": "소프트맥스 미분 크기, 나눔",
    r"heads × d_k": "헤드 수 × d_k",
    r"divided by √d_k": "√d_k로 나눔",
    r"variance at the start": "처음의 점수 분산",
    r"largest weight at the start": "처음의 가장 큰 가중치",
    r"share of the gradient in Q and K at the start": "처음에 Q, K가 받는 기울기의 몫",
    r"held-out loss": "시험 손실",
    r"BLEU": "BLEU",
    r"yes": "예",
    r"no": "아니요",
    r"positions": "위치",
    r"none": "없음",
    r"sinusoidal": "사인파",
    r"learned": "학습",
    r"rotary": "회전(RoPE)",
    r"parameters": "매개변수",
    r"seconds of one training": "학습 한 번의 시간(초)",
    r"decoder": "디코더",
    r"causal mask": "마스크 있음",
    r"sees the future": "미래를 봄",
    r"held-out loss, as trained": "시험 손실, 학습한 조건 그대로",
    r"held-out loss, future hidden": "시험 손실, 미래를 가림",
    r"weight on the next word's place, layer 1": "1층이 다음 자리에 두는 가중치",
    r"source": "원문",
    r"reference": "정답",
    r"equal": "같게 둔 것",
    r"width": "너비",
    r"d_ff / d_model": "d_ff / d_model",
    r"d_model → d_ff → d_model": "d_model → d_ff → d_model",
    r"input in training": "학습할 때의 입력",
    r"teacher forcing": "교사 강요",
    r"half": "절반",
    r"rising": "점점 늘림",
    r"own output": "자기 출력",
    r"held-out loss, gold input": "시험 손실, 정답 입력",
    r"held-out loss, spoiled input": "시험 손실, 틀린 단어가 섞인 입력",
    r"milliseconds of one update": "갱신 한 번의 시간(ms)",
}
"""What the tables' words are in Korean: a pattern for the whole cell, and what replaces it. Names of architectures stay."""


def korean(cell: str) -> str:
    """A cell in Korean, where it has a translation."""
    for pattern, replacement in KOREAN.items():
        if re.fullmatch(pattern, cell):
            return re.sub(pattern, replacement, cell)
    return cell


def markdown(rows: Rows, language: str) -> str:
    """A table as Markdown; columns after the first are aligned to the right where they hold numbers."""
    aligned = ["---"] + ["--:" if all(row[column][:1].isdigit() for row in rows[1:]) else "---" for column in range(1, len(rows[0]))]
    lines = [[korean(cell) if language == "ko" else cell for cell in row] for row in rows]
    return "".join("| " + " | ".join(cells) + " |\n" for cells in [lines[0], aligned, *lines[1:]])


def overview(found: list[dict]) -> Rows:
    """What all experiments took."""
    rows = [["experiment", "updates of a training", "seeds", "minutes of one core"]]
    return rows + [[each["experiment"], str(each["steps"]), str(len(each["seeds"])), f"{each['minutes']:.1f}"] for each in found]


def current(page: str, language: str, figures: Path = DOCS / "figures") -> str:
    """The page with its tables as the numbers say them."""
    found = [read_results(experiment, figures) for experiment in EXPERIMENTS]
    tables = {"overview": overview(found)}
    for experiment, results in zip(EXPERIMENTS, found, strict=True):
        tables |= {name: table(results) for name, table in importlib.import_module(experiment).TABLES.items()}
    return MARKED.sub(lambda found: found[1] + markdown(tables[found[2]], language) + found[3], page)


def main() -> None:
    """Write both pages, or check them."""
    for language, path in PAGES.items():
        page = path.read_text(encoding="utf-8")
        if "--check" not in sys.argv[1:]:
            path.write_text(current(page, language), encoding="utf-8")
        elif current(page, language) != page:
            sys.exit(f"{path}: its tables are not those of docs/figures; run scripts/experiments/tables.py")


if __name__ == "__main__":
    main()
