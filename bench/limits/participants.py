"""Lower bounds as participants: child processes that do the work themselves."""

import json
from pathlib import Path

from bench.database import Database
from bench.participant import Participant, Pipe

_ABOUT = {
    "crypto": "parse, proof of possession, build, sign; nothing stored",
    "insert": "the same + one INSERT and one commit",
    "batch": "the same, 100 INSERTs and one commit",
}


def limit(mode: str, database: Database, folder: Path, ops: int) -> Participant:
    """Return the lower bound of this mode; ``crypto`` needs no database."""
    name = f"limit-{mode}"
    keeps = mode != "crypto"
    url = database.create(f"limit_{mode}", folder) if keeps else ""
    pipe = Pipe("bench.limits.issue", mode, json.dumps({"url": url}))
    authorities = [bytes.fromhex(text) for text in pipe.read()["authorities"]]
    return Participant(
        name=name,
        pipe=pipe,
        ops=ops,
        authorities=authorities,
        db_pids=database.pids if keeps else (),
        tables={"issued": 1} if keeps else {},
        database_url=url,
        about=_ABOUT[mode],
    )
