"""A run's shortlist as a file: safetensors beside the weights, with the tokenizer's hash; learnt from the run's training pairs."""

from pathlib import Path

from mt.config import Config
from mt.data.corpus import read_corpora
from mt.data.tokenizer import Tokenizer
from mt.decoding.shortlist import Shortlist
from mt.errors import RunError
from mt.files import write_atomically
from mt.runs import shown
from mt.stored_model import read_tensors, serialise


def shortlist_file(weights: Path) -> Path:
    """Where the shortlist of a run lies, given its weights or those of one of its checkpoints."""
    weights = weights.resolve()
    in_checkpoint = (weights.parent / "state.json").is_file()
    return (weights.parents[2] if in_checkpoint else weights.parent) / "shortlist.safetensors"


def learn_shortlist(config: Config, tokenizer: Tokenizer, pieces: int) -> Shortlist:
    """From the pairs that the run trained on. pieces: for each source piece. DataError when they cannot be read any more."""
    corpora = read_corpora(config.data.train, "train", config.source, config.target)
    sources = tokenizer.encode_source([line for corpus in corpora for line in corpus.sources])
    targets = tokenizer.encode_target([line for corpus in corpora for line in corpus.targets])
    return Shortlist.learn(sources, targets, (len(tokenizer.source), len(tokenizer.target)), pieces, config.tokenizer.shared)


def write_shortlist(path: Path, shortlist: Shortlist, tokenizer: Tokenizer) -> None:
    """The file, whole or not at all."""
    write_atomically(path, serialise(shortlist.tensors(), tokenizer.fingerprint()))


def read_shortlist(path: Path, tokenizer: Tokenizer) -> Shortlist:
    """The file's shortlist. RunError when there is none, it is damaged, or its ids are not of this vocabulary."""
    if not path.is_file():
        raise RunError(f"{shown(path)}: decoding.shortlist is on, and there is none; make it with `mt shortlist {shown(path.parent)}`")
    if not path.resolve().is_relative_to(path.parent.resolve()):
        raise RunError(f"{shown(path)}: this is a link that leads out of the run's folder, and is not followed; put the file itself there")
    tensors = read_tensors(path, tokenizer.fingerprint())
    shapes = {name: tuple(tensor.shape) for name, tensor in tensors.items()}
    fits = shapes.keys() == {"pieces", "frequent", "shared"} and len(shapes["pieces"]) == 2
    if not fits or shapes["pieces"][0] != len(tokenizer.source) or not shapes["frequent"] or shapes["shared"]:
        raise RunError(f"{shown(path)}: this is not a shortlist of the run's vocabulary; make it anew with `mt shortlist`")
    shortlist = Shortlist.of(tensors)
    if max(int(shortlist.piece_VN.max()), int(shortlist.frequent_C.max())) >= len(tokenizer.target):
        raise RunError(f"{shown(path)}: it has pieces that the run's vocabulary does not; make it anew with `mt shortlist`")
    return shortlist
