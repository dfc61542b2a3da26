"""C and C++ programs of bench/c, compiled when one of their files is newer."""

from __future__ import annotations

import shlex
import subprocess
from collections.abc import Sequence
from pathlib import Path

from stack.paths import BUILD, ROOT

CORE = tuple(sorted((ROOT / "csrc" / "core").rglob("*.c")))
"""The C core as a whole, which needs jansson."""


def program(name: str, *, extra: Sequence[Path] = (), libraries: Sequence[str] = ()) -> Path:
    """The program made from bench/c/<name>.c or .cpp, the `extra` files and the pkg-config `libraries`.
    RuntimeError with the compiler's words when it cannot be made.
    """
    folder = ROOT / "bench" / "c"
    plus = (folder / f"{name}.cpp").exists()
    sources = [folder / f"{name}.{'cpp' if plus else 'c'}", *extra]
    target = BUILD / "bench" / "bin" / name
    headers = [header for folder in {path.parent for path in sources} for header in folder.glob("*.h")]
    newest = max(path.stat().st_mtime for path in [*sources, *headers])
    if target.exists() and target.stat().st_mtime > newest:
        return target
    target.parent.mkdir(parents=True, exist_ok=True)
    flags = subprocess.run(
        ["pkg-config", "--cflags", "--libs", *libraries], capture_output=True, text=True, check=True
    ).stdout
    language = ["c++", "-std=c++17"] if plus else ["cc", "-std=c11"]
    command = [*language, "-O3", "-D_GNU_SOURCE", f"-I{ROOT / 'csrc'}", *map(str, sources)]
    done = subprocess.run(
        [*command, "-o", str(target), *shlex.split(flags), "-lm"], capture_output=True, text=True, check=False
    )
    if done.returncode != 0:
        raise RuntimeError(f"{sources[0].relative_to(ROOT)} does not compile:\n{done.stderr}")
    return target
