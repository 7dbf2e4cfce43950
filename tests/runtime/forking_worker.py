"""A server that forks after it has begun to work: run by test_verifier_threads.

Arguments: two issuers. Reads a token of the first, verifies it, lets a fetch at the second hang, forks twice, and
then reads one token of each: the children verify both, the parent the first.
"""

import os
import sys
import threading
from contextlib import suppress

from proofkey.testing.clock import TurnedClock
from proofkey.testing.issuer import AUDIENCE
from proofkey.verifier import Unavailable, Verifier

sound_url, slow_url = sys.argv[1:]
clock = TurnedClock()
sound = Verifier(issuer=sound_url, audience=AUDIENCE, clock=clock, remember_tokens=10)
slow = Verifier(issuer=slow_url, audience=AUDIENCE, clock=clock)
old = sys.stdin.readline().strip()
sound.verify_sync(old)


def hang() -> None:
    with suppress(Unavailable):  # this process's own fetch never ends in time
        slow.verify_sync(old)


busy = threading.Thread(target=hang, daemon=True)
busy.start()
print("used", flush=True)
new, late = (sys.stdin.readline().strip() for _ in range(2))

children = []
for _ in range(2):
    child = os.fork()
    if child == 0:
        clock.turn(6)
        try:
            for verifier, token in ((sound, old), (sound, new), (slow, late)):
                assert verifier.verify_sync(token).sub == "u1"
        except BaseException as error:
            print(f"child: {error!r}", flush=True)
            os._exit(1)
        os._exit(0)
    children.append(child)
codes = [os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) for child in children]
clock.turn(6)
assert sound.verify_sync(new).sub == "u1"
os._exit(max(codes))
