"""Runs, checkpoints and models that are damaged, foreign, or made to do harm."""

import json
import os
import pickle
import struct
from pathlib import Path

from tests.bad_input.kinds import Place, kind

G = "model"


def weights(place: Place) -> Path:
    """The weights file of a copied run."""
    return place.run() / "model.safetensors"


def translating(*more: str) -> list[str]:
    """Translate with the copied run."""
    return ["translate", "--model", "runs/run", *more, "사과"]


@kind(G, "no run at all", "실행이 하나도 없음", "mt train")
def no_run(place: Place) -> list[str]:
    return ["translate", "사과"]


@kind(G, "a name that no run has", "그런 이름의 실행이 없음", "runn")
def unknown(place: Place) -> list[str]:
    place.run()
    return ["translate", "--model", "runs/runn", "사과"]


@kind(G, "an empty folder", "빈 폴더", "runs/empty")
def empty(place: Place) -> list[str]:
    (place.folder / "runs/empty").mkdir(parents=True)
    return ["translate", "--model", "runs/empty", "사과"]


@kind(G, "weights cut short", "잘린 가중치", "safetensors")
def cut(place: Place) -> list[str]:
    path = weights(place)
    path.write_bytes(path.read_bytes()[:-100])
    return translating()


@kind(G, "an empty weights file", "빈 가중치 파일", "safetensors")
def no_weights(place: Place) -> list[str]:
    weights(place).write_bytes(b"")
    return translating()


@kind(G, "a header that claims a terabyte", "1테라바이트라고 하는 머리말", "safetensors")
def huge(place: Place) -> list[str]:
    path = weights(place)
    path.write_bytes(struct.pack("<Q", 1 << 40) + path.read_bytes()[8:])
    return translating()


@kind(G, "a tensor of another shape", "모양이 다른 텐서", "safetensors")
def shape(place: Place) -> list[str]:
    path = weights(place)
    data = path.read_bytes()
    [length] = struct.unpack("<Q", data[:8])
    header = json.loads(data[8 : 8 + length])
    name = max((key for key in header if key != "__metadata__"), key=lambda key: len(header[key]["shape"]))
    header[name]["shape"] = header[name]["shape"][::-1]
    new = json.dumps(header).encode()
    path.write_bytes(struct.pack("<Q", len(new)) + new + data[8 + length :])
    return translating()


@kind(G, "a pickle with code in it", "코드가 든 pickle", "model.pt is a file", "can run code")
def pickled(place: Place) -> list[str]:
    place.write("model.pt", pickle.dumps({"weights": os.getcwd}))
    return ["translate", "--model", "model.pt", "사과"]


@kind(G, "weights that are a link out of the folder", "폴더 밖을 가리키는 가중치 링크", "link")
def link(place: Place) -> list[str]:
    path = weights(place)
    path.rename(place.folder / "outside.safetensors")
    path.symlink_to(place.folder / "outside.safetensors")
    return translating()


@kind(G, "no tokenizer", "토크나이저 없음", "tokenizer.model")
def no_tokenizer(place: Place) -> list[str]:
    (place.run() / "tokenizer.model").unlink()
    return translating()


@kind(G, "a tokenizer that is none", "토크나이저가 아닌 파일", "tokenizer.model")
def false_tokenizer(place: Place) -> list[str]:
    (place.run() / "tokenizer.model").write_bytes(b"no sentencepiece model")
    return translating()


@kind(G, "a configuration that was edited into nonsense", "엉터리로 고친 설정", "config.yaml", "d_model")
def config(place: Place) -> list[str]:
    path = place.run() / "config.yaml"
    path.write_text(path.read_text(encoding="utf-8").replace("d_model: 16", "d_model: sixteen"), encoding="utf-8")
    return translating()


@kind(G, "a width that the weights have not", "가중치와 다른 너비", "model.safetensors", "shape (16,), not (32,)")
def width(place: Place) -> list[str]:
    path = place.run() / "config.yaml"
    path.write_text(path.read_text(encoding="utf-8").replace("d_model: 16", "d_model: 32"), encoding="utf-8")
    return translating()


@kind(G, "a width beyond all memory", "메모리를 넘는 너비", "config.yaml", "must be at most 1000000, not 160000000")
def enormous(place: Place) -> list[str]:
    path = place.run() / "config.yaml"
    path.write_text(path.read_text(encoding="utf-8").replace("d_model: 16", "d_model: 160000000"), encoding="utf-8")
    return translating()


@kind(G, "no configuration", "설정 없음", "config.yaml")
def no_config(place: Place) -> list[str]:
    (place.run() / "config.yaml").unlink()
    return translating()


@kind(G, "an ensemble of one run and nothing", "없는 실행과의 앙상블", "runs/other")
def ensemble(place: Place) -> list[str]:
    place.run()
    return ["translate", "--model", "runs/run", "--model", "runs/other", "사과"]


@kind(G, "an export to a program that is not known", "모르는 프로그램으로 내보내기", "tensorrt", "ctranslate2")
def export(place: Place) -> list[str]:
    place.run()
    return ["export", "runs/run", "--to", "tensorrt"]


@kind(G, "two runs to compare, one of them missing", "비교할 실행 하나가 없음", "runs/other")
def diff(place: Place) -> list[str]:
    place.run()
    return ["diff", "runs/run", "runs/other"]


@kind(G, "going on with another corpus", "다른 말뭉치로 이어 하기", "train.ko", "--restart")
def changed_corpus(place: Place) -> list[str]:
    place.run("bad")
    path = place.folder / "train.ko"
    path.write_text(path.read_text(encoding="utf-8").replace("사과", "참외"), encoding="utf-8")
    return place.training("--set", "training.max_steps=4")


@kind(G, "going on with another shape", "다른 모양으로 이어 하기", "d_ff", "--restart")
def changed_shape(place: Place) -> list[str]:
    place.run("bad")
    return place.training("--set", "model.d_ff=32", "--set", "training.max_steps=4")


@kind(G, "every checkpoint damaged", "모두 손상된 체크포인트", "checkpoint")
def damaged(place: Place) -> list[str]:
    for path in place.run("bad").glob("checkpoints/**/*.safetensors"):
        data = bytearray(path.read_bytes())
        data[-5] ^= 255
        path.write_bytes(bytes(data))
    return place.training("--set", "training.max_steps=4")
