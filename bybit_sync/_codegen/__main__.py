"""``python -m bybit_sync._codegen [--check]``."""

from __future__ import annotations

import argparse
import sys
from collections.abc import Sequence
from pathlib import Path

from .face import FACE, face_faults, methods, write_face
from .load import SPEC, load
from .output import API, differences, render, write
from .spec import SpecError


def main(argv: Sequence[str] | None = None) -> int:
    """0 if all is well; 1 if the spec is at fault or, with ``--check``, ``api/`` is out of date."""
    parser = argparse.ArgumentParser("python -m bybit_sync._codegen", description=__doc__)
    parser.add_argument("--check", action="store_true", help="change nothing; fail if api/ differs")
    parser.add_argument("--spec", type=Path, default=SPEC, help="folder of the endpoint tables")
    parser.add_argument("--api", type=Path, default=API, help="folder of the generated package")
    args = parser.parse_args(argv)
    try:
        groups = load(args.spec)
        files, face = render(groups), methods(groups)
    except SpecError as error:
        return _say([*error.faults, f"{len(error.faults)} faults in {args.spec}"], 1)
    beside = args.api.parent.joinpath(*FACE.parts[-2:])
    if not args.check:
        return _say([*write(files, args.api), *write_face(face, beside)], 0)
    if not args.api.is_dir():
        return _say([f"{args.api} is missing"], 1)
    found = [f"{name} {fault}" for name, fault in differences(files, args.api).items()]
    found += face_faults(face, beside)
    if found:
        return _say([*found, "run python -m bybit_sync._codegen"], 1)
    return 0


def _say(lines: Sequence[str], code: int) -> int:
    sys.stderr.writelines(f"{line}\n" for line in lines)
    return code


if __name__ == "__main__":
    sys.exit(main())
