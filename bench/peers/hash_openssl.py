"""OpenSSL's MD5() called once a key from C, and our kernels beside it: bench/c/hash_openssl.c."""

from __future__ import annotations

from bench.build import program
from stack.paths import ROOT


def command(way: str, keys: int, passes: int) -> list[str]:
    """What to run: "openssl", "scalar" or "single"; it prints seconds and records as JSON."""
    folder = ROOT / "csrc/core/hash"
    sources = [path for name in ("digest", "md5", "sha256") for path in sorted(folder.glob(f"{name}*.c"))]
    return [str(program("hash_openssl", extra=sources, libraries=["libcrypto"])), way, str(keys), str(passes)]
