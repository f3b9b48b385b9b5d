"""Stands in for `aws` and `docker`: writes down how it was called, and answers as the test says.

FAKE_CALLS: file to write to; FAKE_ANSWERS: JSON, from the first words of a call to what it prints, or {"fail": status}.
"""

import json
import os
import sys
from pathlib import Path

call = [Path(sys.argv[0]).name, *sys.argv[1:]]
if "--password-stdin" in call:
    sys.stdin.read()
with open(os.environ["FAKE_CALLS"], "a") as log:
    log.write(json.dumps(call) + "\n")
spoken = " ".join(call)
for words, answer in json.loads(os.environ["FAKE_ANSWERS"]).items():
    if all(word in spoken for word in words.split()):
        if isinstance(answer, dict):
            sys.exit(answer["fail"])
        sys.stdout.write(f"{answer}\n")
        break
