"""Translations, scores and looks that are asked for in an impossible way."""

from tests.bad_input.kinds import ENGLISH, KOREAN, Place, kind

G = "translation"


def asking(place: Place, *arguments: str) -> list[str]:
    """`mt translate` of the copied run."""
    place.run()
    return ["translate", "--model", "runs/run", *arguments]


@kind(G, "an input that is not there", "없는 입력 파일", "texts.ko: there is no such file")
def missing(place: Place) -> list[str]:
    return asking(place, "--input", "texts.ko")


@kind(G, "an input in cp949", "cp949 입력", "cp949", "iconv")
def cp949(place: Place) -> list[str]:
    place.lines("texts.ko", KOREAN[:30], "cp949")
    return asking(place, "--input", "texts.ko")


@kind(G, "sentences and a file", "문장과 파일을 함께", "--input")
def both(place: Place) -> list[str]:
    return asking(place, "--input", "train.ko", "사과")


@kind(G, "an output below a file", "파일 아래의 출력", "valid.ko")
def output(place: Place) -> list[str]:
    return asking(place, "--input", "train.ko", "--output", "valid.ko/out.en")


@kind(G, "an output that is a folder", "폴더인 출력", "runs")
def output_folder(place: Place) -> list[str]:
    return asking(place, "--input", "train.ko", "--output", "runs")


@kind(G, "a beam of none", "크기가 0인 빔", "--beam", "greater than or equal to 1")
def no_beam(place: Place) -> list[str]:
    return asking(place, "--beam", "0", "사과")


@kind(G, "more of the best than the beam holds", "빔보다 많은 n-best", "nbest", "beam_size")
def nbest(place: Place) -> list[str]:
    return asking(place, "--beam", "2", "--nbest", "5", "사과")


@kind(G, "a method that is not known", "모르는 방법", "greedi", "greedy")
def method(place: Place) -> list[str]:
    return asking(place, "--method", "greedi", "사과")


@kind(G, "a temperature of 0", "온도 0", "decoding.temperature", "0.0")
def temperature(place: Place) -> list[str]:
    return asking(place, "--method", "sampling", "--temperature", "0", "사과")


@kind(G, "a word that is required and forbidden", "요구하면서 금지한 낱말", "apples")
def conflict(place: Place) -> list[str]:
    return asking(place, "--require", "apples", "--forbid", "apples", "사과")


@kind(G, "a prefix the vocabulary cannot write", "어휘로 쓸 수 없는 앞부분", "prefix", "☃")
def prefix(place: Place) -> list[str]:
    return asking(place, "--prefix", "☃", "사과")


@kind(G, "an empty word to forbid", "빈 금지어", "--forbid", "' '")
def empty_phrase(place: Place) -> list[str]:
    return asking(place, "--forbid", " ", "사과")


@kind(G, "an engine that is not known", "모르는 엔진", "--engine", "tensorrt")
def engine(place: Place) -> list[str]:
    return asking(place, "--engine", "tensorrt", "사과")


@kind(G, "an engine without an export", "내보낸 모델이 없는 엔진", "mt export")
def no_export(place: Place) -> list[str]:
    return asking(place, "--engine", "ctranslate2", "사과")


@kind(G, "a device that is not there", "없는 장치", "--device", "cuda:9")
def device(place: Place) -> list[str]:
    return asking(place, "--device", "cuda:9", "사과")


@kind(G, "translations and sources of unequal number", "수가 다른 번역과 원문", "train.ko has 120 lines")
def score(place: Place) -> list[str]:
    place.run()
    place.lines("short.en", ENGLISH[:7])
    return ["score", "train.ko", "short.en", "--model", "runs/run"]


@kind(G, "references of unequal number", "수가 다른 참조 번역", "short.en")
def references(place: Place) -> list[str]:
    place.run()
    place.lines("short.en", ENGLISH[:7])
    return ["eval", "--model", "runs/run", "--source", "train.ko", "--reference", "short.en"]


@kind(G, "a source without references", "참조 번역 없는 원문", "--reference")
def no_references(place: Place) -> list[str]:
    place.run()
    return ["eval", "--model", "runs/run", "--source", "train.ko"]


@kind(G, "a split that is not there", "없는 분할", "dev", "valid")
def split(place: Place) -> list[str]:
    place.run()
    return ["eval", "--model", "runs/run", "--split", "dev"]


@kind(G, "an option that does not exist", "없는 선택지", "--beams", "--beam")
def option(place: Place) -> list[str]:
    return asking(place, "--beams", "5", "사과")


@kind(G, "a command that does not exist", "없는 명령", "translat", "translate")
def command(place: Place) -> list[str]:
    return ["translat", "사과"]


@kind(G, "a kind of document that is not known", "모르는 종류의 문서", "text.docx")
def docx(place: Place) -> list[str]:
    place.write("text.docx", b"PK\3\4")
    return asking(place, "--input", "text.docx")


@kind(G, "YAML as text", "텍스트로 준 YAML", "text.yaml", "YAML", "--format text")
def yaml_document(place: Place) -> list[str]:
    place.write("text.yaml", "제목: 사과\n")
    return asking(place, "--input", "text.yaml")


@kind(G, "JSON in a text file", "텍스트 파일에 든 JSON", "text.txt", "looks like JSON", "--format jsonl")
def json_as_text(place: Place) -> list[str]:
    place.write("text.txt", '{"ko": "사과"}\n')
    return asking(place, "--input", "text.txt")


@kind(G, "WebVTT in a SubRip file", "SubRip 파일에 든 WebVTT", "film.srt", "--format vtt")
def webvtt_as_subrip(place: Place) -> list[str]:
    place.write("film.srt", "WEBVTT\n\n00:01.000 --> 00:02.000\n사과\n")
    return asking(place, "--input", "film.srt")


@kind(G, "a damaged timing", "깨진 자막 시간", "film.srt", "line 6", "is not a timing")
def damaged_timing(place: Place) -> list[str]:
    place.write("film.srt", "1\n00:00:01,000 --> 00:00:02,000\n사과\n\n2\n00:00:03,000 -> 00:00:04,000\n나무\n")
    return asking(place, "--input", "film.srt")


@kind(G, "a column that the document has not", "문서에 없는 열", "rows.csv", "korean")
def column(place: Place) -> list[str]:
    place.lines("rows.csv", ["id,ko", "1,사과"])
    return asking(place, "--input", "rows.csv", "--output", "rows.en.csv", "--column", "korean")


@kind(G, "a document with a broken line of JSON", "JSON 줄이 깨진 문서", "rows.jsonl", "line 2")
def broken_rows(place: Place) -> list[str]:
    place.lines("rows.jsonl", ['{"ko": "사과"}', '{"ko": "배"'])
    return asking(place, "--input", "rows.jsonl", "--output", "rows.en.jsonl", "--column", "ko")


@kind(G, "an output that is the input", "입력과 같은 출력", "train.ko")
def same_file(place: Place) -> list[str]:
    return asking(place, "--input", "train.ko", "--output", "train.ko")
