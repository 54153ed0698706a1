#!/usr/bin/env python3
"""The official openai client against a running server, streamed and not, every parameter that the server offers.

    openai_client.py URL [--key KEY] [--scripted]      URL ends in /v1, on a loopback address

Every answer is validated twice: by the client itself in strict mode, and from the raw bytes against the client's types
without coercion; keys beyond OpenAI's must be among those that this server documents. --scripted: the engine is the
scripted one, which does not sample and says what it is told: checks that need the other kind are skipped, with a count.
Prints "N passed, N failed, N skipped"; exit code 0 when nothing failed.
"""
import sys
import traceback

import openai_answers  # noqa: F401
import openai_parts  # noqa: F401
import openai_requests  # noqa: F401
import openai_sampling  # noqa: F401
from openai_harness import options, tests

passed = failed = skipped = 0
for f, possible in tests:
    if not possible:
        skipped += 1
        continue
    try:
        f()
        passed += 1
    except Exception:
        failed += 1
        print("FAILED", f.__name__, file=sys.stderr)
        traceback.print_exc(limit=-3)
print(f"{passed} passed, {failed} failed, {skipped} skipped")
sys.exit(1 if failed else 0)
