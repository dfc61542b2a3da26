"""`make wheel`: build dist/headrace-*.whl, which carries the C libraries it needs.

The wheel is for this version of Python and for every Linux whose C library is as new as this machine's or
newer; its name says so (manylinux). auditwheel copies libpq, librdkafka and the others, with what they need
themselves, into headrace.libs/ of the wheel under names of their own: nothing of the machine's is needed
or disturbed.
"""

from __future__ import annotations

import shutil
import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
WORK = ROOT / "build/wheel"
DIST = ROOT / "dist"


def run(*command: str | Path) -> None:
    """Run it; its words are shown only when it fails, which ends the program."""
    done = subprocess.run(
        command, cwd=ROOT, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, check=False
    )
    if done.returncode != 0:
        sys.exit(f"{done.stdout[-5000:]}\nwheel: {command[2]} failed; its words are above")


def main() -> None:
    """Build, repair, say where it is."""
    tools = Path(sys.executable).parent
    shutil.rmtree(WORK, ignore_errors=True)
    DIST.mkdir(exist_ok=True)
    for old in DIST.glob("headrace-*.whl"):
        old.unlink()
    print("wheel: building, up to a minute", file=sys.stderr)
    run(sys.executable, "-m", "build", "--wheel", "--no-isolation", "--outdir", WORK / "plain")
    (plain,) = (WORK / "plain").glob("*.whl")
    print("wheel: copying its libraries into it", file=sys.stderr)
    # auditwheel calls patchelf by its name
    run(
        "/usr/bin/env",
        f"PATH={tools}:/usr/bin:/bin",
        tools / "auditwheel",
        "repair",
        "--strip",
        "--wheel-dir",
        DIST,
        plain,
    )
    (made,) = DIST.glob("headrace-*.whl")
    print(f"wheel: {made.relative_to(ROOT)}, {made.stat().st_size / 1e6:.1f} MB", file=sys.stderr)


if __name__ == "__main__":
    main()
