"""C programs of bench/c, compiled when one of their files is newer."""

from __future__ import annotations

import shlex
import subprocess
from collections.abc import Sequence
from pathlib import Path

from stack.paths import BUILD, ROOT


def program(name: str, *, extra: Sequence[Path] = (), libraries: Sequence[str] = ()) -> Path:
    """The program made from bench/c/<name>.c, the `extra` C files and the pkg-config `libraries`.
    RuntimeError with the compiler's words when it cannot be made.
    """
    sources = [ROOT / "bench" / "c" / f"{name}.c", *extra]
    target = BUILD / "bench" / "bin" / name
    headers = [header for folder in {path.parent for path in sources} for header in folder.glob("*.h")]
    newest = max(path.stat().st_mtime for path in [*sources, *headers])
    if target.exists() and target.stat().st_mtime > newest:
        return target
    target.parent.mkdir(parents=True, exist_ok=True)
    flags = subprocess.run(
        ["pkg-config", "--cflags", "--libs", *libraries], capture_output=True, text=True, check=True
    ).stdout
    command = ["cc", "-O3", "-std=c11", "-D_GNU_SOURCE", f"-I{ROOT / 'csrc'}", *map(str, sources)]
    done = subprocess.run(
        [*command, "-o", str(target), *shlex.split(flags), "-lm"], capture_output=True, text=True, check=False
    )
    if done.returncode != 0:
        raise RuntimeError(f"bench/c/{name}.c does not compile:\n{done.stderr}")
    return target
