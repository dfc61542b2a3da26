"""The wheel of `make wheel`, installed where nothing else of Headrace is: `python -m tests.wheel`.

An environment of its own below build/wheel gets the packages of requirements/pythons.txt and the wheel. Its C libraries
must be the wheel's own, not this machine's; then the quick tests run on it, with a load into a real PostgreSQL.
"""

from __future__ import annotations

import re
import subprocess
import sys
from pathlib import Path

from stack.paths import BUILD, ROOT
from tests.pythons.__main__ import environment, test
from tests.pythons.interpreters import Version, run

OWN = ("libpq", "librdkafka", "libjansson", "libzstd")
LOADED = "import headrace._headrace; print(headrace.__file__); print(open('/proc/self/maps').read())"


def foreign(maps: str, home: Path) -> list[str]:
    """Complaints about libraries that were not loaded from the wheel, whose folder is `home`."""
    paths = {line.split(maxsplit=5)[5] for line in maps.splitlines() if ".so" in line}
    complaints = []
    for name in OWN:
        loaded = [path for path in paths if Path(path).name.startswith(name)]
        if not loaded or any(not Path(path).is_relative_to(home) for path in loaded):
            complaints.append(f"{name} was loaded from {loaded or 'nowhere'}, not from {home}")
    return complaints


def main() -> int:
    """Install and test; the exit code."""
    wheels = list((ROOT / "dist").glob("headrace-*.whl"))
    if len(wheels) != 1:
        print(f"wheel: dist/ has {len(wheels)} wheels of Headrace; `make wheel` makes one", file=sys.stderr)
        return 1
    folder = BUILD / "wheel"
    python = environment(Version(sys.version_info[1]), sys.executable, folder)
    run(
        ROOT / ".venv/bin/uv",
        "pip",
        "install",
        "-q",
        "--python",
        python,
        "--no-deps",
        "--reinstall",
        wheels[0],
    )
    done = subprocess.run(
        [python, "-I", "-c", LOADED], cwd=folder, capture_output=True, text=True, check=False
    )
    home, _, maps = done.stdout.partition("\n")
    packages = Path(home).parent.parent
    complaints = foreign(maps, packages / "headrace.libs") if done.returncode == 0 else [done.stderr.strip()]
    if not complaints and not packages.is_relative_to(folder):
        complaints.append(f"headrace was imported from {home}, not from the wheel")
    for complaint in complaints:
        print(f"wheel: {complaint}", file=sys.stderr)
    if complaints:
        return 1
    good, bad, said = test(Version(sys.version_info[1]), python, None, folder)
    print(f"wheel: {re.sub('^=+ | =+$', '', said)}\n{good} passed, {bad} failed")
    return 1 if bad or not good else 0


if __name__ == "__main__":
    sys.exit(main())
