"""Python client and command line of Sealwright, the open certificate lifecycle manager."""

from sealwright.client import Client
from sealwright.errors import ApiError, ConnectionFailed, SealwrightClientError

__all__ = ["ApiError", "Client", "ConnectionFailed", "SealwrightClientError", "__version__"]
__version__ = "0.1.0"
