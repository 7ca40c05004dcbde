"""Pairs that training would take, or refuse at the first mistake, and that a check tells whole; and checks asked for wrongly."""

from tests.bad_input.kinds import ENGLISH, KOREAN, Place, kind

G = "check"


def looking(place: Place, korean: list[str] | tuple[str, ...], english: list[str] | tuple[str, ...], encoding: str = "utf-8") -> list[str]:
    """`mt check` of these sides."""
    place.lines("look.ko", korean, encoding)
    place.lines("look.en", english)
    return ["check", "look.ko", "look.en"]


@kind(G, "a line lost in the middle of one file", "한 파일 가운데에서 사라진 줄", "error    unequal", "look.ko has 120 lines", exit_code=1)
def lost_line(place: Place) -> list[str]:
    return looking(place, KOREAN[:120], ENGLISH[:60] + ENGLISH[61:120])


@kind(G, "sides shifted against each other", "서로 밀린 두 쪽", "error    shifted", "source line", exit_code=1)
def shifted(place: Place) -> list[str]:
    lengths = [3 + (number * 37) % 23 for number in range(120)]
    korean = [f"{number + 7}번 {'나무 ' * length}".strip() for number, length in enumerate(lengths)]
    english = [f"{number + 7} {'tree ' * length}".strip() for number, length in enumerate(lengths)]
    return looking(place, korean[:-1], english[:50] + english[51:])


@kind(G, "exchanged sides", "뒤바뀐 두 쪽", "error    swapped", "120 (100.00%)", exit_code=1)
def swapped(place: Place) -> list[str]:
    return looking(place, ENGLISH[:120], KOREAN[:120])


@kind(G, "cp949", "cp949", "error    encoding", "looks like cp949", exit_code=1)
def cp949(place: Place) -> list[str]:
    return looking(place, KOREAN[:120], ENGLISH[:120], "cp949")


@kind(G, "empty sides", "빈 쪽", "error    empty", "line 4", exit_code=1)
def empty(place: Place) -> list[str]:
    return looking(place, [*KOREAN[:3], "", *KOREAN[4:50]], ENGLISH[:50])


@kind(G, "a NUL", "NUL 문자", "error    nul", "line 2", exit_code=1)
def nul(place: Place) -> list[str]:
    return looking(place, [KOREAN[0], KOREAN[1] + "\0", *KOREAN[2:50]], ENGLISH[:50])


@kind(G, "test pairs that stand in training", "학습에 있는 평가용 짝", "error    leak", "5 (20.00%)", exit_code=1)
def leak(place: Place) -> list[str]:
    place.lines("test.ko", [*KOREAN[120:140], *KOREAN[:5]])
    place.lines("test.en", [*ENGLISH[120:140], *ENGLISH[:5]])
    return [*looking(place, KOREAN[:120], ENGLISH[:120]), "--test", "test.ko", "--test", "test.en"]


@kind(G, "a target that is the source", "원문과 같은 번역", "warning  copy", "1 (2.00%)", exit_code=0)
def copy(place: Place) -> list[str]:
    return looking(place, KOREAN[:50], [*ENGLISH[:49], KOREAN[49]])


@kind(G, "decomposed Korean", "풀어 쓴 한글 (NFD)", "note     nfd", exit_code=0)
def nfd(place: Place) -> list[str]:
    import unicodedata

    return looking(place, [unicodedata.normalize("NFD", line) for line in KOREAN[:50]], ENGLISH[:50])


@kind(G, "HTML and mojibake", "HTML과 깨진 글", "warning  mojibake", "warning  html", exit_code=0)
def html(place: Place) -> list[str]:
    return looking(place, KOREAN[:50], ["Minsu went to the cafÃ©.", "<b>Jiyeong</b> bought a pear.", *ENGLISH[2:50]])


@kind(G, "a file that is not there", "없는 파일", "error    unreadable", "nothing.ko", exit_code=1)
def missing(place: Place) -> list[str]:
    return ["check", "nothing.ko", "train.en"]


@kind(G, "nothing to look at", "살펴볼 것이 없음", "--config")
def nothing(place: Place) -> list[str]:
    return ["check"]


@kind(G, "a kind to keep that does not exist", "없는 종류의 --keep", "--keep", "duplicates", "duplicate")
def keep(place: Place) -> list[str]:
    return ["check", "train.ko", "train.en", "--fix", "out", "--keep", "duplicates"]


@kind(G, "a folder for the copy that is not empty", "비어 있지 않은 사본 폴더", "--fix", "out", "empty")
def full(place: Place) -> list[str]:
    place.write("out/mine.txt", "mine")
    return ["check", "train.ko", "train.en", "--fix", "out"]
