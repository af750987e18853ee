"""Decrypting SOPS files: sopsync in one process against the sops program, side by side in one run.

python bench/sops.py
"""

from __future__ import annotations

import os
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path

from measure import Row, sops_program

# One process that decrypts every file given, from the start of the interpreter to the last byte of JSON.
_ALL = """
import sys
from sopsync.sops import Keyring, decrypt
keys = Keyring.from_environment()
for path in sys.argv[1:]:
    with open(path, "rb") as file:
        decrypt(file.read(), format="yaml", keyring=keys).to_json()
"""


def rows(rounds: int = 5) -> list[Row]:
    """Both comparisons. Times are the best of `rounds`, taken in turns, so that a noisy machine is noisy to both."""
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        env = _keys(folder)
        many = [_file(folder, env, f"small{i}", 10) for i in range(200)]
        large = _file(folder, env, "large", 1000)

        def one_process() -> None:
            subprocess.run([sys.executable, "-c", _ALL, *many], env=env, check=True)

        def spawn_each(files: list[str]) -> None:
            for path in files:
                command = [sops_program(), "-d", "--output-type", "json", path]
                subprocess.run(command, env=env, check=True, stdout=subprocess.DEVNULL)

        ours, theirs = _best(rounds, one_process, lambda: spawn_each(many))
        in_process, spawned = _best(rounds * 4, _reader(env, large), lambda: spawn_each([large]))
    return [
        Row("200 SOPS files of 10 values, one process with its start", ours, theirs, "sops -d each", "at least 25"),
        Row("one SOPS file of 1,000 values, in a running process", in_process, spawned, "sops -d", "at least 3.3"),
    ]


def _best(rounds: int, *tasks: Callable[[], None]) -> list[float]:
    best = [float("inf")] * len(tasks)
    for _ in range(rounds):
        for i, task in enumerate(tasks):
            start = time.perf_counter()
            task()
            best[i] = min(best[i], time.perf_counter() - start)
    return best


def _reader(env: dict[str, str], path: str) -> Callable[[], None]:
    from sopsync.sops import Keyring, decrypt

    def read() -> None:
        keys = Keyring.from_environment(env)  # a new one each time: the data key is unwrapped anew, as by sops
        decrypt(Path(path).read_bytes(), format="yaml", keyring=keys).to_json()

    return read


def _keys(folder: Path) -> dict[str, str]:
    import pyrage

    identity = pyrage.x25519.Identity.generate()
    (folder / "keys.txt").write_text(f"{identity}\n", "ascii")
    (folder / "recipient").write_text(str(identity.to_public()), "ascii")
    return {"PATH": os.environ["PATH"], "HOME": str(folder), "SOPS_AGE_KEY_FILE": f"{folder}/keys.txt"}


def _file(folder: Path, env: dict[str, str], name: str, values: int) -> str:
    path = folder / f"{name}.yaml"
    path.write_text("".join(f"key_{i}: canary-{name}-{i}-abcdefghijklmnop\n" for i in range(values)), "ascii")
    recipient = (folder / "recipient").read_text("ascii")
    subprocess.run([sops_program(), "--encrypt", "--in-place", "--age", recipient, str(path)], env=env, check=True)
    return str(path)


def main() -> None:
    for row in rows():
        times = f"{row.ours * 1000:8.1f} ms  {row.peer_name} {row.peer * 1000:8.1f} ms"
        print(f"{times}  {row.ratio:5.1f} times faster ({row.goal})  {row.what}")


if __name__ == "__main__":
    main()
