"""What Maven fetches for the services: only files whose sha256 stands in a committed list are ever used."""

from __future__ import annotations

import fcntl
import hashlib
import logging
import shutil
import subprocess
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

log = logging.getLogger(__name__)

_GOAL = "org.apache.maven.plugins:maven-dependency-plugin:3.8.1:copy-dependencies"


@dataclass(frozen=True)
class Artifacts:
    """The dependencies of a pom as files in `folder`/lib.

    `what` and `cost` are for messages: whose files, and how much there is to fetch. `sums` is the committed
    list of their names and sha256 sums. `room` is the module whose verb `lock` writes that list anew.
    """

    what: str
    cost: str
    pom: Path
    sums: Path
    folder: Path
    room: str

    @property
    def lib(self) -> Path:
        """Where the files lie."""
        return self.folder / "lib"

    def ready(self, prepare: Callable[[Path], None] | None = None) -> Path:
        """The folder with the files, fetched unless they are there, exactly those of the list.

        `prepare` is called with a folder of newly fetched files, before they are put in their place. Several
        processes may call this at once; one of them fetches. Files that are there and right are never
        touched: Java programs may be running from them. RuntimeError, and nothing is used, when Maven fails
        or a file is not as the list says.
        """
        self.folder.mkdir(parents=True, exist_ok=True)
        stamp = self.folder / "checked"
        expected = self.sums.read_text()
        with open(self.folder / "lock", "w") as lock:
            fcntl.flock(lock, fcntl.LOCK_EX)
            if self.lib.is_dir() and stamp.exists() and stamp.read_text() == expected:
                return self.lib
            if not self.lib.is_dir() or _listed(self.lib) != expected:
                log.info("Fetching %s with Maven (%s).", self.what, self.cost)
                stamp.unlink(missing_ok=True)
                draft = self._fetch()
                self._check(_listed(draft), expected)
                if prepare is not None:
                    prepare(draft)
                shutil.rmtree(self.lib, ignore_errors=True)
                draft.rename(self.lib)
            stamp.write_text(expected)
        return self.lib

    def lock(self) -> str:
        """Fetch the files and write the list of their sums anew; says what it did. What is in use stays as it
        is: `ready` will fetch if the list has changed.
        """
        self.folder.mkdir(parents=True, exist_ok=True)
        with open(self.folder / "lock", "w") as lock:
            fcntl.flock(lock, fcntl.LOCK_EX)
            draft = self._fetch()
            listed = _listed(draft)
            self.sums.write_text(listed)
            shutil.rmtree(draft)
        return f"lock: {len(listed.splitlines())} files in {self.sums.name} of {self.room}"

    def _fetch(self) -> Path:
        """Copy the dependencies of the pom into a new folder beside that of the files in use."""
        maven = shutil.which("mvn")
        if maven is None:
            raise RuntimeError(
                f"{self.what} are fetched by Maven and there is no `mvn` here: install it "
                "(Debian: apt-get install maven)"
            )
        draft = self.folder / "lib.new"
        shutil.rmtree(draft, ignore_errors=True)
        command = [maven, "-q", "-B", "-f", str(self.pom), _GOAL]
        command += [f"-DoutputDirectory={draft}", "-DincludeScope=runtime"]
        done = subprocess.run(command, capture_output=True, text=True, stdin=subprocess.DEVNULL, check=False)
        if done.returncode != 0:
            raise RuntimeError(
                f"Maven could not fetch {self.what}:\n{(done.stdout + done.stderr).strip()[-2000:]}"
            )
        return draft

    def _check(self, found: str, expected: str) -> None:
        """Raise unless exactly the expected files are there."""
        if found == expected:
            return
        differing = set(found.splitlines()) ^ set(expected.splitlines())
        wrong = sorted({line.split("  ")[1] for line in differing})
        raise RuntimeError(
            f"{self.what} are not those of {self.sums.name}, so they are not used: {', '.join(wrong)}. "
            "If you changed pom.xml on purpose, run `make lock`."
        )


def _listed(folder: Path) -> str:
    """The files of a folder in the form of sha256sum."""
    return "".join(
        f"{hashlib.sha256(file.read_bytes()).hexdigest()}  {file.name}\n" for file in sorted(folder.iterdir())
    )
