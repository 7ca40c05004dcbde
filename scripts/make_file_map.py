"""Write the README's file map anew: one line per file of mt/, taken from the first paragraph of its docstring.

    python scripts/make_file_map.py            writes README.md
    python scripts/make_file_map.py --check    exits with 1 when it is not current
"""

import ast
import sys
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
BEGIN, END = "<!-- file map: scripts/make_file_map.py -->", "<!-- end of the file map -->"


def file_map() -> str:
    """The map as a Markdown table."""
    lines = ["| file | what it is |", "|---|---|"]
    for path in sorted((ROOT / "mt").rglob("*.py")):
        if path.name == "__init__.py" and path.parent.name != "mt":
            continue
        docstring = ast.get_docstring(ast.parse(path.read_text(encoding="utf-8"))) or ""
        first = docstring.split("\n\n")[0].replace("\n", " ").replace("|", "\\|")
        lines.append(f"| `{path.relative_to(ROOT).as_posix()}` | {first} |")
    return "\n".join(lines)


def main() -> None:
    """Replace what stands between the two marks in README.md, or check it."""
    readme = ROOT / "README.md"
    text = readme.read_text(encoding="utf-8")
    before, rest = text.split(BEGIN)
    after = rest.split(END)[1]
    current = f"{before}{BEGIN}\n{file_map()}\n{END}{after}"
    if "--check" in sys.argv[1:]:
        sys.exit(0 if current == text else "README.md: the file map is not current; run scripts/make_file_map.py")
    readme.write_text(current, encoding="utf-8")


if __name__ == "__main__":
    main()
