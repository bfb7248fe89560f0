from bench.peers.base import PeerUnavailableError

PEERS = {}
