"""What `mt config` does once its options are parsed: read, call, print."""

from collections.abc import Sequence

from mt.config_explain import Resolved, changed_yaml, explain_section, explain_setting, find_setting
from mt.config_file import dump_config
from mt.errors import ConfigError, RunError
from mt.output import put_lines, terminal_width


def explain_key(key: str, reference: str | None, overrides: Sequence[str]) -> None:
    """Print what a setting is and where its value comes from; a table for a section, or of all sections where key is empty."""
    meant = find_setting(key)
    resolved = Resolved.read(reference, overrides)
    explain = explain_section if isinstance(meant, str) else explain_setting
    print(explain(meant, resolved, terminal_width()))


def show_config(reference: str | None, model: str | None, overrides: Sequence[str], changed: bool) -> None:
    """Print a resolved configuration as YAML: a file's, or a run's; all of it, or what differs from the defaults."""
    if reference is not None and model is not None:
        raise ConfigError("give --config or --model, not both")
    if reference is None and model is None:
        raise ConfigError("give --config C (a file, or a name such as demo) or --model RUN")
    if model is not None:
        from mt.runs import find_run, shown

        run = find_run(model)
        if not run.exists():
            raise RunError(f"{shown(run.path)}: this is not a run directory of mt (there is no config.yaml)")
        reference = shown(run.config_path)
    resolved = Resolved.read(reference, overrides)
    put_lines([(changed_yaml(resolved) if changed else dump_config(resolved.config)).rstrip("\n")], None)
