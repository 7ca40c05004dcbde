"""Configurations and options that cannot be meant."""

from tests.bad_input.kinds import Place, kind

G = "configuration"


def training_with(place: Place, old: str, new: str) -> list[str]:
    """Train by a configuration in which some words are others."""
    place.config(change=lambda text: text.replace(old, new))
    return place.training()


@kind(G, "a file that is not there", "없는 파일", "nothing.yaml")
def missing(place: Place) -> list[str]:
    return ["train", "--config", "nothing.yaml"]


@kind(G, "a folder instead of a file", "파일 대신 폴더", "folder.yaml", "folder")
def folder(place: Place) -> list[str]:
    (place.folder / "folder.yaml").mkdir()
    return ["train", "--config", "folder.yaml"]


@kind(G, "an empty file", "빈 파일", "bad.yaml", "data: missing")
def empty(place: Place) -> list[str]:
    place.write("bad.yaml", "")
    return place.training()


@kind(G, "a list instead of settings", "설정 대신 목록", "bad.yaml")
def a_list(place: Place) -> list[str]:
    place.write("bad.yaml", "- a\n- b\n")
    return place.training()


@kind(G, "a tab as indentation", "탭 들여쓰기", "bad.yaml", "line 5", "tab")
def tab(place: Place) -> list[str]:
    return training_with(place, "  train:\n", "\ttrain:\n")


@kind(G, "broken YAML", "깨진 YAML", "bad.yaml", "line")
def broken(place: Place) -> list[str]:
    return training_with(place, "name: bad", "name: [bad")


@kind(G, "a key given twice", "두 번 적힌 키", "max_steps", "line")
def twice(place: Place) -> list[str]:
    return training_with(place, "  max_steps: 2\n", "  max_steps: 2\n  max_steps: 3\n")


@kind(G, "a tag that would run code", "코드를 실행하려는 태그", "bad.yaml", "line 1")
def tag(place: Place) -> list[str]:
    return training_with(place, "name: bad", "name: !!python/object/apply:os.system ['touch ran']")


@kind(G, "cp949 instead of UTF-8", "UTF-8이 아닌 cp949", "bad.yaml", "UTF-8")
def cp949(place: Place) -> list[str]:
    place.config()
    place.write("bad.yaml", "# 설정 파일\n".encode("cp949") + (place.folder / "bad.yaml").read_bytes())
    return place.training()


@kind(G, "a key that does not exist", "없는 키", "max_step", "max_steps")
def unknown_key(place: Place) -> list[str]:
    return training_with(place, "max_steps: 2", "max_step: 2")


@kind(G, "a section that does not exist", "없는 구역", "trainning", "training")
def unknown_section(place: Place) -> list[str]:
    return training_with(place, "training:\n", "trainning:\n")


@kind(G, "a word where a number belongs", "숫자 자리에 낱말", "model.d_model", "wide")
def word(place: Place) -> list[str]:
    return training_with(place, "d_model: 16", "d_model: wide")


@kind(G, "a value that is none of those possible", "가능하지 않은 값", "norm_position", "middle", "pre")
def choice(place: Place) -> list[str]:
    return place.training("--set", "model.norm_position=middle")


@kind(G, "a negative number", "음수", "training.max_steps", "-5")
def negative(place: Place) -> list[str]:
    return training_with(place, "max_steps: 2", "max_steps: -5")


@kind(G, "a dropout above 1", "1보다 큰 dropout", "model.dropout", "1.5")
def dropout(place: Place) -> list[str]:
    return place.training("--set", "model.dropout=1.5")


@kind(G, "heads that do not divide the width", "너비를 나누지 못하는 헤드 수", "num_heads", "16", "3")
def heads(place: Place) -> list[str]:
    return training_with(place, "num_heads: 2", "num_heads: 3")


@kind(G, "an environment variable that is not set", "설정되지 않은 환경 변수", "MT_NOWHERE")
def variable(place: Place) -> list[str]:
    place.config(source="${MT_NOWHERE}/train.ko")
    return place.training()


@kind(G, "a --set without a value", "값이 없는 --set", "--set", "training.max_steps")
def set_without(place: Place) -> list[str]:
    return place.training("--set", "training.max_steps")


@kind(G, "a --set of an unknown key", "모르는 키의 --set", "training.lr", "learning_rate")
def set_unknown(place: Place) -> list[str]:
    return place.training("--set", "training.lr=0.1")


@kind(G, "a name with a path in it", "경로가 든 이름", "name", "../outside")
def name(place: Place) -> list[str]:
    return place.training("--set", "name=../outside")


@kind(G, "a GPU that is not there", "없는 GPU", "training.device", "cuda:7")
def device(place: Place) -> list[str]:
    return place.training("--set", "training.device=cuda:7")


@kind(G, "explain a key that does not exist", "없는 키의 설명", "training.warmup", "warmup_steps")
def explain(place: Place) -> list[str]:
    return ["config", "explain", "training.warmup"]


@kind(G, "a runs folder that is a file", "파일인 runs 폴더", "runs")
def runs_file(place: Place) -> list[str]:
    place.write("runs", "")
    return place.training()
