"""Build of headrace._headrace, the C extension; everything else about the package is in pyproject.toml.

Once, so that `headrace` and the Airflow provider are found:   pip install --no-build-isolation --no-deps -e .
After every change of C (two seconds when little changed):     python setup.py build_ext --inplace

Each C file becomes one object under build/extension-<platform>-<python>/. It is compiled again only when the
file, a header it includes or its flags changed (the compiler writes the list of headers); HEADRACE_JOBS files
at a time, 2 unless told. Other switches, all from the environment: CC, CFLAGS (appended: the last word),
LDFLAGS, HEADRACE_WERROR=1 (warnings are errors).

A file named *_avx2.c, *_avx512.c or *_neon.c gets the flags of its instruction set (INSTRUCTION_SETS below)
and only exists on machines of that family; who may call it is decided at run time. Nothing else is compiled
for a special machine.
"""

from __future__ import annotations

import hashlib
import os
import platform
import shlex
import shutil
import subprocess
import sys
import sysconfig
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

from setuptools import Extension, setup
from setuptools.command.build_ext import build_ext
from setuptools.errors import CompileError, LinkError, SetupError

ROOT = Path(__file__).resolve().parent
SOURCE_ROOMS = ("csrc/core", "csrc/io", "csrc/module")  # each with its folders

# pkg-config name: (lowest version, Debian package)
LIBRARIES = {
    "libpq": ("13", "libpq-dev"),
    "rdkafka": ("2.0", "librdkafka-dev"),
    "jansson": ("2.13", "libjansson-dev"),
    "libzstd": ("1.4", "libzstd-dev"),
    "libxxhash": ("0.8", "libxxhash-dev"),
    "zlib": ("1.2.11", "zlib1g-dev"),
    "libcurl": ("7.74", "libcurl4-openssl-dev"),
}

# ending of the file's name: (machines, flags)
X86 = ("x86_64", "amd64")
ARM = ("aarch64", "arm64")
INSTRUCTION_SETS: dict[str, tuple[tuple[str, ...], list[str]]] = {
    "_sse42.c": (X86, ["-msse4.2", "-mpclmul"]),
    "_avx2.c": (X86, ["-mavx2", "-mbmi", "-mbmi2", "-mpclmul"]),
    "_avx512.c": (X86, ["-mavx512f", "-mavx512bw", "-mavx512dq", "-mavx512vl", "-mbmi", "-mbmi2"]),
    "_neon.c": (ARM, []),
}

WARNINGS = [
    "-Wall",
    "-Wextra",
    "-Wshadow",
    "-Wpointer-arith",
    "-Wstrict-prototypes",
    "-Wconversion",
    "-Wno-sign-conversion",
]


def read_version() -> str:
    """The one version there is: python/headrace/_version.py."""
    namespace: dict[str, str] = {}
    exec((ROOT / "python/headrace/_version.py").read_text(encoding="utf-8"), namespace)
    return namespace["__version__"]


def sources() -> list[str]:
    """Every C file of this machine's family, relative to the root (as setuptools wants it), sorted."""
    found = []
    for room in SOURCE_ROOMS:
        for path in sorted((ROOT / room).rglob("*.c")):
            machines = next((m for end, (m, _) in INSTRUCTION_SETS.items() if path.name.endswith(end)), None)
            if machines is None or platform.machine().lower() in machines:
                found.append(str(path.relative_to(ROOT)))
    return found


def pkg_config(*arguments: str) -> list[str]:
    """The words that pkg-config prints."""
    done = subprocess.run(["pkg-config", *arguments], capture_output=True, text=True, check=True)
    return shlex.split(done.stdout)


def library_flags() -> tuple[list[str], list[str]]:
    """Compile and link flags of the libraries. SetupError, with what to install, when one is missing or too
    old.
    """
    if shutil.which("pkg-config") is None:
        raise SetupError("pkg-config is missing. On Debian and Ubuntu: apt-get install pkg-config")
    missing = []
    for name, (version, package) in LIBRARIES.items():
        found = subprocess.run(
            ["pkg-config", f"--atleast-version={version}", name], capture_output=True, check=False
        )
        if found.returncode != 0:
            missing.append((name, version, package))
    if missing:
        wanted = ", ".join(f"{name} {version} or newer" for name, version, _ in missing)
        packages = " ".join(package for _, _, package in missing)
        raise SetupError(f"missing C libraries: {wanted}. On Debian and Ubuntu: apt-get install {packages}")
    searched = f"-I/usr/include/{sysconfig.get_config_var('MULTIARCH')}"  # by every compiler anyway
    cflags = [flag for flag in pkg_config("--cflags", *LIBRARIES) if flag != searched]
    return cflags, pkg_config("--libs", *LIBRARIES)


class BuildExtension(build_ext):
    """build_ext that compiles in parallel and only what changed."""

    def finalize_options(self) -> None:
        """Keep the objects in one place."""
        super().finalize_options()
        # One place for the objects, whoever calls us: pip hands over a new temporary folder each time.
        # The flags tell free-threaded Python ("t") from the other of the same version.
        python = f"{sys.implementation.cache_tag}{sys.abiflags}"
        self.build_temp = str(ROOT / "build" / f"extension-{sysconfig.get_platform()}-{python}")

    def build_extension(self, ext: Extension) -> None:
        """Compile what changed, then link."""
        cflags, libs = library_flags()
        own = shlex.split(os.environ.get("CFLAGS", ""))
        flags = [
            *["-std=c11", "-D_GNU_SOURCE", "-O3", "-g", "-fvisibility=hidden", "-pthread"],
            *WARNINGS,
            *(["-Werror"] if os.environ.get("HEADRACE_WERROR") == "1" else []),
            f'-DHR_VERSION="{read_version()}"',
            f"-I{ROOT / 'csrc'}",
            *cflags,
        ]
        objects = self.compile_changed(ext.sources, flags, own)
        target = Path(self.get_ext_fullpath(ext.name))
        self.link_when_older(objects, target, [*libs, "-lm", "-pthread"])

    def compile_changed(self, files: list[str], flags: list[str], own: list[str]) -> list[str]:
        """Compile what is older than its source, its headers or its flags. Returns all object files."""
        jobs = max(1, int(os.environ.get("HEADRACE_JOBS", "2")))
        work = []
        objects = []
        for file in files:
            isa = next((f for end, (_, f) in INSTRUCTION_SETS.items() if file.endswith(end)), [])
            all_flags = [*flags, *isa, *own]
            target = Path(self.build_temp) / Path(file).with_suffix(".o")
            objects.append(str(target))
            if self.force or out_of_date(target, ROOT / file, self.fingerprint(all_flags)):
                work.append((file, target, all_flags))
        with ThreadPoolExecutor(jobs) as pool:
            for done in [pool.submit(self.compile_one, *item) for item in work]:
                done.result()
        return objects

    def fingerprint(self, flags: list[str]) -> str:
        """What an object depends on besides files: the compiler's command line."""
        line = [*self.compiler.compiler_so, *flags, *self.compiler.include_dirs]  # type: ignore[attr-defined]
        return hashlib.sha256("\0".join(line).encode()).hexdigest()

    def compile_one(self, file: str, target: Path, flags: list[str]) -> None:
        """Compile one file; beside the object stay its list of headers (.d) and its fingerprint (.flags)."""
        target.parent.mkdir(parents=True, exist_ok=True)
        stamp = target.with_suffix(".flags")
        stamp.unlink(missing_ok=True)
        includes = [f"-I{d}" for d in self.compiler.include_dirs]
        depends = ["-MMD", "-MF", str(target.with_suffix(".d"))]
        compiler: list[str] = self.compiler.compiler_so  # type: ignore[attr-defined]
        command = [*compiler, *includes, *flags, *depends, "-c", str(ROOT / file), "-o", str(target)]
        print("compiling", file, flush=True)
        done = subprocess.run(command, capture_output=True, text=True, check=False)
        sys.stderr.write(done.stderr)
        if done.returncode != 0:
            raise CompileError(
                f"{file} does not compile; the compiler's words are above. The command was: "
                f"{shlex.join(command)}"
            )
        stamp.write_text(self.fingerprint(flags), encoding="utf-8")

    def link_when_older(self, objects: list[str], target: Path, libraries: list[str]) -> None:
        """Link when an object is newer than the module, or the list of objects or libraries changed."""
        stamp = Path(self.build_temp) / "link.flags"
        fingerprint = "\n".join([*objects, *libraries, str(target)])
        newest = max(os.stat(o).st_mtime_ns for o in objects)
        known = stamp.read_text(encoding="utf-8") if stamp.exists() else ""
        if not self.force and known == fingerprint and target.exists() and target.stat().st_mtime_ns > newest:
            return
        print("linking", target.name, flush=True)
        target.parent.mkdir(parents=True, exist_ok=True)
        # A running process may have the old module mapped: never write into that file, replace it.
        fresh = target.with_name(target.name + ".new")
        self.compiler.link_shared_object(objects, str(fresh), extra_postargs=libraries)
        check_loads(fresh)
        os.replace(fresh, target)
        stamp.write_text(fingerprint, encoding="utf-8")


def check_loads(module: Path) -> None:
    """LinkError when a symbol is missing; the linker lets that pass, as Python's own are missing as well."""
    program = "import ctypes, os, sys; ctypes.PyDLL(sys.argv[1], os.RTLD_NOW)"
    done = subprocess.run(
        [sys.executable, "-c", program, module], capture_output=True, text=True, check=False
    )
    if done.returncode != 0:
        module.unlink()
        raise LinkError(done.stderr.strip().rpartition("\n")[2])


def out_of_date(target: Path, source: Path, fingerprint: str) -> bool:
    """Whether an object must be compiled: missing, other flags, or older than its source or any header."""
    stamp = target.with_suffix(".flags")
    listing = target.with_suffix(".d")
    if not (target.exists() and stamp.exists() and listing.exists()):
        return True
    if stamp.read_text(encoding="utf-8") != fingerprint:
        return True
    built = target.stat().st_mtime_ns
    words = listing.read_text(encoding="utf-8").replace("\\\n", " ").split()[1:]
    for name in [str(source), *words]:
        try:
            if os.stat(name).st_mtime_ns > built:
                return True
        except FileNotFoundError:
            return True
    return False


def main() -> None:
    """Called by pip, build and by hand."""
    os.chdir(ROOT)
    extension: Any = Extension("headrace._headrace", sources=sources(), depends=[])
    setup(ext_modules=[extension], cmdclass={"build_ext": BuildExtension})


main()
