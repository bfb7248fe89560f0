"""The plain-HTTP listener: CRLs, OCSP and CA certificates, nothing else.

Plain on purpose: a client that must fetch a CRL to trust a TLS server cannot need TLS for it
(RFC 5280 section 8 warns of the loop), and every answer is signed.
"""

from config.listen import COMMON, address
from config.settings.base import SEALWRIGHT

globals().update(COMMON)
bind = address(SEALWRIGHT["HTTP_PORT"])
workers = SEALWRIGHT["PUBLIC_WORKERS"]
wsgi_app = "config.wsgi_public:application"
proc_name = "sealwright-public"
