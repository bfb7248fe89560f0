"""Error for a peer that cannot take part."""


class PeerUnavailableError(Exception):
    """This peer cannot run here; the text says why. It is reported, never counted as slow."""
