"""``make fuzz SECONDS=60``: feed each target with what Atheris comes upon, for so many seconds.

What made a target fail is written down and printed. The inputs that reached something new are
kept from run to run, out of the repository; the seeds are here.
"""

from __future__ import annotations

import argparse
import subprocess
import sys
from pathlib import Path
from typing import Final

from tests.fuzz.seeds import SEEDS
from tests.fuzz.targets import TARGETS

WORK: Final = Path(__file__).parent / ".work"
LIMITS: Final = ("-max_len=4096", "-timeout=5", "-rss_limit_mb=1024")
QUIETLY: Final = ("-print_final_stats=1", "-verbosity=0")


def main() -> int:
    """Run the targets one after the other, each in a process of its own."""
    parser = argparse.ArgumentParser(prog="python -m tests.fuzz")
    parser.add_argument("target", nargs="*", help=f"only these of {', '.join(TARGETS)}")
    parser.add_argument("--seconds", type=int, default=60)
    arguments = parser.parse_args()
    failed = [name for name in arguments.target or TARGETS if not _holds(name, arguments.seconds)]
    for name in failed:
        sys.stderr.write(f"{name} failed: what it was fed is in {WORK / name}\n")
    return int(bool(failed))


def _holds(name: str, seconds: int) -> bool:
    corpus = WORK / name
    corpus.mkdir(parents=True, exist_ok=True)
    for number, seed in enumerate(SEEDS[name]):
        (corpus / f"seed-{number}").write_bytes(seed)
    options = [f"-max_total_time={seconds}", f"-artifact_prefix={corpus}/", *LIMITS, *QUIETLY]
    command = [sys.executable, "-m", "tests.fuzz.child", name, str(corpus), *options]
    return subprocess.run(command, check=False).returncode == 0


if __name__ == "__main__":
    sys.exit(main())
