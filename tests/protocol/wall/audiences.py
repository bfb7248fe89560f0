"""Roles of the isolation tests, and the groups of roles that get the same answers.

An audience says for each signed-in role what it gets for an object of its own team, of
another team, and for one that does not exist; ``ok`` stands for success.
"""

from dataclasses import dataclass, fields

# Nobody is signed in: 401 wherever a credential counts. The API takes tokens only, so that
# no cookie opens it, whosever it is.
UNAUTHENTICATED = (
    "anonymous",
    "admin session",
    "member session",
    "staff session",  # a superuser of Django, but no administrator of the product
    "disabled session",
    "disabled",
    "expired",
    "revoked",
    "junk",
)
# No business here: a member of nothing, a token confined to another application, and a
# product administrator's token confined to an application (such a token does not govern).
STRANGERS = ("outsider", "elsewhere", "confined admin")
MEMBERS = ("app admin", "operator", "auditor", "machine")
AUTHENTICATED = ("admin", *MEMBERS, *STRANGERS, "scopeless")
ROLES = (*UNAUTHENTICATED, *AUTHENTICATED)

ALL = "ok ok 404"
OWN = "ok 404 404"
SEES_ALL = "403 403 404"
SEES = "403 404 404"
NOTHING = "404 404 404"
DENIED = "403 403 403"


@dataclass(frozen=True, slots=True, kw_only=True)
class Audience:
    """What each role gets: own object, another team's, nonexistent.

    ``-`` means that there is no such object: what belongs to nobody is no other team's. A
    single answer is for URLs that name no object.
    """

    admin: str
    app_admin: str
    operator: str
    auditor: str
    machine: str
    scopeless: str
    strangers: str = NOTHING

    def of(self, role: str) -> list[str]:
        """Return the answers for one role."""
        name = "strangers" if role in STRANGERS else role.replace(" ", "_")
        answers: str = getattr(self, name)
        return answers.split()


def everybody(answers: str, **others: str) -> Audience:
    """Return an audience in which all get the same, but for ``others``."""
    return Audience(**{item.name: answers for item in fields(Audience)} | others)


# --- a team's objects ----------------------------------------------------------------------

# Members read their own; a product administrator sees all teams'.
TEAM_READS = Audience(
    admin=ALL, app_admin=OWN, operator=OWN, auditor=OWN, machine=OWN, scopeless=DENIED
)
# Revoking, renewing, reading keys: not the auditor, and not who merely governs.
TEAM_OPERATES = Audience(
    admin=SEES_ALL, app_admin=OWN, operator=OWN, auditor=SEES, machine=OWN, scopeless=SEES
)
TEAM_APPROVES = Audience(
    admin=SEES_ALL, app_admin=OWN, operator=SEES, auditor=SEES, machine=SEES, scopeless=SEES
)
# Withdrawing a request: whoever made it (the operator) or may approve it.
TEAM_WITHDRAWS = Audience(
    admin=SEES_ALL, app_admin=OWN, operator=OWN, auditor=SEES, machine=SEES, scopeless=SEES
)
# Members and settings of an application: its administrators, and those who govern.
TEAM_MANAGES = Audience(
    admin=ALL, app_admin=OWN, operator=SEES, auditor=SEES, machine=SEES, scopeless=SEES
)
# What certificates are obtained with: administrators of the application only.
TEAM_ADMITS = Audience(
    admin=SEES_ALL, app_admin=OWN, operator=SEES, auditor=SEES, machine=SEES, scopeless=SEES
)
# Product administrators only; the team sees what it may not change.
TEAM_GOVERNED = Audience(
    admin=ALL, app_admin=SEES, operator=SEES, auditor=SEES, machine=SEES, scopeless=SEES
)
# The same for policies and profiles, which a team sees only with the scope "read".
IN_SIGHT_GOVERNED = Audience(
    admin=ALL, app_admin=SEES, operator=SEES, auditor=SEES, machine=SEES, scopeless=DENIED
)
# What no team uses yet.
UNSEEN_GOVERNED = everybody(NOTHING, admin=ALL, scopeless=DENIED)

# --- an account's own objects: here the machine is the owner ---------------------------------

OWNER_READS = everybody(NOTHING, admin=ALL, machine=OWN, scopeless=DENIED)
OWNER_ENDS = everybody(NOTHING, admin=ALL, machine=OWN)
OWNER_SEES = everybody(NOTHING, admin=ALL, machine=SEES)

# --- objects that belong to nobody -----------------------------------------------------------

PUBLIC_READS = everybody("ok - 404", scopeless="403 - 403")
PUBLIC_GOVERNED = everybody("403 - 404", admin="ok - 404")
HIDDEN_READS = everybody("404 - 404", admin="ok - 404", scopeless="403 - 403")
HIDDEN_GOVERNED = everybody("404 - 404", admin="ok - 404")

# --- no object in the URL --------------------------------------------------------------------

READERS = everybody("ok", scopeless="403")
GOVERNING_READERS = everybody("403", admin="ok")
GOVERNORS = everybody("403", admin="ok")
# The body names the machine of the callers' own team: it sees itself, but makes no tokens.
MACHINE_OWNERS = everybody("404", admin="ok", machine="403")
# The body names a pair of the callers' own team.
REQUESTERS = Audience(
    admin="403",
    app_admin="ok",
    operator="ok",
    auditor="403",
    machine="ok",
    scopeless="403",
    strangers="404",
)
EVALUATORS = REQUESTERS
