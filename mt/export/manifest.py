"""What an exported folder says of itself, in mt-export.json; and how one is found. Nothing heavy is imported here."""

import json
import os
from pathlib import Path

from mt.errors import ExportError, RunError
from mt.runs import RunDirectory, file_hash, find_model, runs_root, shown

MANIFEST = "mt-export.json"
"""Its presence makes a folder an export of mt."""
EXPORTS = "export"
"""The folder of a run's exports, in the run's own."""


def read_manifest(folder: Path) -> dict:
    """The manifest of an exported folder. ExportError when it is damaged."""
    path = folder / MANIFEST
    try:
        manifest = json.loads(path.read_text(encoding="utf-8"))
        missing = [key for key in ("to", "source", "target", "tokenizer", "decoding") if key not in manifest]
    except (OSError, ValueError) as error:
        raise ExportError(f"{shown(path)}: cannot be read ({error}); export the run again ('mt export RUN')") from error
    if missing:
        raise ExportError(f"{shown(path)}: '{missing[0]}' is missing; export the run again ('mt export RUN')")
    return manifest


def named_export(reference: str | None) -> Path | None:
    """The exported folder that the reference (else $MT_MODEL) names; None when it names something else, or nothing."""
    asked = reference or os.environ.get("MT_MODEL")
    if not asked:
        return None
    places = (Path(asked).expanduser(), runs_root() / asked)
    return next((place for place in places if (place / MANIFEST).is_file()), None)


def export_of_run(reference: str | None, program: str) -> Path:
    """The newest export of a run for a program: of the run that the reference, $MT_MODEL or the latest finished run is.

    RunError when the run has none, or only one of other weights or decoding settings than it has now.
    """
    directory = find_model(reference)
    if (directory / "state.json").is_file():
        raise RunError(f"{shown(directory)}: a checkpoint has no exports of its own; name the run, or the exported folder")
    run = RunDirectory(directory)
    command = f"mt export {shown(directory)} --to {program}"
    folders = [path.parent for path in (directory / EXPORTS).glob(f"*/{MANIFEST}")]
    folders = [folder for folder in folders if read_manifest(folder)["to"] == program]
    if not folders:
        raise RunError(f"{shown(directory)}: this run has not been exported to {program}; do so with '{command}'")
    folder = max(folders, key=lambda folder: (folder / MANIFEST).stat().st_mtime)
    if read_manifest(folder).get("weights") != file_hash(run.weights_to_use()):
        raise RunError(f"{shown(folder)}: the run has other weights by now; export it again with '{command}'")
    for key, (then, now) in changed_settings(folder, run, program).items():
        raise RunError(
            f"{shown(folder)}: it was exported with decoding.{key}: {then}, and the run has {now} by now; export it again with '{command}'"
        )
    return folder


def changed_settings(folder: Path, run: RunDirectory, program: str) -> dict[str, tuple[object, object]]:
    """The decoding settings that an export was made with and that are different in its run: from the field to both values."""
    from mt.config import DecodingConfig
    from mt.config_file import load_config
    from mt.export.decoding import carry

    then = read_manifest(folder)["decoding"]
    now = carry(load_config(run.config_path).decoding, program).settings
    before = {key: then.get(key, DecodingConfig.model_fields[key].default) for key in now}
    return {key: (before[key], now[key]) for key in now if before[key] != now[key]}
