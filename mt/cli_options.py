"""Options that several commands have in common."""

from typing import Annotated

import typer

ConfigOption = Annotated[
    str, typer.Option("--config", "-c", help="A YAML file, or a name in configs/ or among the shipped ones (demo, base, …).")
]
SetOption = Annotated[
    list[str] | None, typer.Option("--set", help="Override a setting: section.key=value. Repeatable.", metavar="KEY=VALUE")
]
ModelOption = Annotated[
    str | None, typer.Option("--model", "-m", help="A run, its name, or a checkpoint. Default: $MT_MODEL or the latest finished run.")
]
ModelsOption = Annotated[
    list[str] | None,
    typer.Option(
        "--model", "-m", help="A run, its name, a checkpoint, an export; several: an ensemble. Default: $MT_MODEL, or the latest run."
    ),
]
DeviceOption = Annotated[str, typer.Option("--device", help="auto, cpu, cuda, cuda:N or mps.")]
BeamOption = Annotated[
    int | None, typer.Option("--beam", help="Beam size; 1 is greedy search. Default: the run's decoding.beam_size.", min=1)
]
PenaltyOption = Annotated[
    float | None, typer.Option("--length-penalty", help="GNMT's alpha; 0 turns it off. Default: the run's decoding.length_penalty.")
]
MbrOption = Annotated[
    int | None, typer.Option("--mbr", help="Of N candidates the one most like the others. Default: decoding.mbr.", metavar="N", min=0)
]
PrecisionOption = Annotated[
    str | None, typer.Option("--precision", help="fp32, bf16 or int8: what is calculated in. Default: the run's decoding.precision.")
]
