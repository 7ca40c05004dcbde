"""Draw files for every format, spoil some, and read each on every road into the program: all must agree (tests/fuzz/roads.py).

    python scripts/fuzz_readers.py [--files 20000] [--seed 1] [--shown 5]

A road is a way into the program: training, checking, two text files to score, standard input, a document to translate, a look at the
columns. Each file is read in blocks of a size that is drawn, too. Exit code 1 when roads differ or one ends in a traceback.
"""

import argparse
import logging
import random
import sys
import tempfile
import time
import traceback
from collections import Counter
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parent.parent))

from tests.fuzz.roads import DisagreementError, compare, draw_files, small_blocks


def main() -> None:
    """Draw, compare, and print what differs."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--files", type=int, default=20_000)
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--shown", type=int, default=5, help="disagreements that are printed")
    arguments = parser.parse_args()
    logging.getLogger("mt").setLevel(logging.ERROR)
    kinds, bad, begun = Counter(), Counter(), time.monotonic()
    with tempfile.TemporaryDirectory() as name:
        for number in range(arguments.files):
            draw = random.Random(f"{arguments.seed}-{number}")
            kind, paths = draw_files(draw, Path(name))
            kinds[kind] += 1
            try:
                with small_blocks(draw):
                    compare(kind, paths)
            except Exception as error:
                what = "disagreements" if isinstance(error, DisagreementError) else "tracebacks"
                bad[what] += 1
                if bad.total() <= arguments.shown:
                    print(f"{arguments.seed}-{number}: {kind}: {[path.read_bytes()[:300] for path in paths]}")
                    print(error if what == "disagreements" else traceback.format_exc())
    drawn = ", ".join(f"{kind} {count:,}" for kind, count in sorted(kinds.items()))
    print(f"{arguments.files:,} files ({drawn}) in {time.monotonic() - begun:.0f} s, seed {arguments.seed}: "
          f"{bad['disagreements']} disagreements, {bad['tracebacks']} tracebacks")  # fmt: skip
    sys.exit(bool(bad))


if __name__ == "__main__":
    main()
