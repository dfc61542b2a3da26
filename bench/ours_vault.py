"""Headrace's side of the vault case, a program.

{"mapping": text, "dsn", "brokers", "workers"} -> {"seconds", "records", "cpu"}
"""

from __future__ import annotations

import json
import sys
import time

from headrace.vault import parse_mapping, vault_load


def main() -> None:
    """Load the topic once."""
    asked = json.load(sys.stdin)
    mapping = parse_mapping(asked["mapping"])
    start, cpu = time.perf_counter(), time.process_time()
    receipt = vault_load(mapping, dsn=asked["dsn"], brokers=asked["brokers"], workers=asked["workers"])
    seconds, cpu = time.perf_counter() - start, time.process_time() - cpu
    if receipt.rejected:
        raise RuntimeError(f"not everything was loaded: {receipt}")
    print(json.dumps({"seconds": seconds, "records": receipt.loaded, "cpu": cpu}))


if __name__ == "__main__":
    main()
