"""Public keys that stand in for keys which are not made yet.

Policy is asked before a key is made. Making an RSA key only to ask takes up to a second of a core,
so three are written down; their private keys were never stored. No certificate is made of them.
"""

import base64
from functools import cache

from pki import keys
from pki.algorithms import KeyAlgorithm

_RSA_2048 = (
    "MIIBIjANBgkqhkiG9w0BAQEFAAOCAQ8AMIIBCgKCAQEAzFNsyxFzC+hlHRtvjZQXuC+KWM784m3JcEzxj3QOySf6"
    "0y4QVP8EMadXpg2wwJWEHyDLwb1sjoGFebKX+h1vbRTf1V/GaM+XdyaF2XpqCo1USWa64nrlhvxtVj/e0wxB1J5S"
    "SSt/ed1NQuhQfXMUeDH3ZPfDSxJXrHTIcSTk1XeE4qoD9JyuAaubVMl7VfttQ3cV/5yTZTykgNWJtBRyYg8bPXps"
    "TnjOgEBeRDVP0/TmPIl0Lh5zGLSqSqWLzsy4TOlFaCzQYu45dIfBAxiEy1epsP2PiaBotc93YDM1pfD7XDokaDTX"
    "yStlbWqMrsvs3aNmYLjlsE+AfeJDDwgCEQIDAQAB"
)
_RSA_3072 = (
    "MIIBojANBgkqhkiG9w0BAQEFAAOCAY8AMIIBigKCAYEApomVpwLV15NdlH4GwkKkozsQE6/Ztrkqz+CNb5iSxQGt"
    "7SPS2zOGzdYJIYuuXPGkddupJ0M2fL4SVbiIDD/Hv5de6yTpzQYZGFI26J+MmJwCeQ8SXqBSMB6FteyK5XnyuUIw"
    "F7JXqSctoKb3YnELDt8mW8YYeDR6oH5AR3J71Y1e8IIyH58yKgOCnnuBIBpJXCbpuzc0mRNVw2UZSfEwi0pC5F32"
    "BeIVoT/dRvRPtNe1LpYOo5TxXpp9aUs4YLLKzhVDHiadH/wEjijwE6YUoXwy8alPkf8GYfHHcsgCsJSSVyAWnXGo"
    "TCBeRvBs4c+a/5fHEoIOlqjp9CySxJbY2tdYWHRmkibQpkzQCqCQSuqzmtO5CVwuu01HcvWYUDYQqAdWWYSJtUBi"
    "XHL1aoah1PqfNdbua86Fgj61nHXjD8b3VE1lDOIM4tgIH4qjiVzGFyBsTW1IwbuSZapdDRZL/l4bpuzJ2CB2ferY"
    "C+l7Yo1zj+HdNUjn3LF+084qfn5zAgMBAAE="
)
_RSA_4096 = (
    "MIICIjANBgkqhkiG9w0BAQEFAAOCAg8AMIICCgKCAgEAhzNB9EihY/QTOPQxahm4iK58Y2p5vLWj3hsHPmQRxTwe"
    "Vkqb0wJJbYj913scM3vwTsZpRvaZKJQ0q4EexcFNXoak8gn+sD8ko+X5iL2nMxXo6BypRytXCzVm4e5Oo7dmqPi/"
    "+S1vEHPVbSeYacrQ2zocpTTBDy6hXtXSEZR9YHTokcYAMhAcq6Qunt74QkhL5BuiyKqMMiWFnoKgjuVc7JcwhuRK"
    "IQY06jvon01/+KwoNQAFwYQ2KaJ1un817wWvnK47sm2EDCrzsQPw0rNE5f2bc8XRe03ojgU1UIYYcIEbb/HkDkw5"
    "aRuYp1K9YFc/umoxImnz9dY7kzgxtSa668FspHxCozGraGeCH0Ssyc99/ASadWFobntmNG/3rEuwDr3/TuObQ6LG"
    "eCOQXXSp4CZH1cgAe8QO8NunxQ4wQSHa/DG0cqCAUDbbbHC2bwz694nbEWlq4nygUY/aq8zTdOjBORvamSHRZlyS"
    "JqghMX7MpwGLlyPxI0+Q1kcnvAA7iiisNADxDftFmHNt2mWMLFL1Av0FWOKRXCMxf7IhTyYHrvygXIvB4K3QObsL"
    "DlQEMRd81UeOXJ/cJP+DCuceUbYSy3GjLLSoZ4a786dv/gNIKWnlkEvp8rTxZ2K/i01257LpPNfD8bl6Qy6fcBVV"
    "DsMnikRLrLNuJrQPyvsBWBkCAwEAAQ=="
)
_WRITTEN = {
    KeyAlgorithm.RSA_2048: _RSA_2048,
    KeyAlgorithm.RSA_3072: _RSA_3072,
    KeyAlgorithm.RSA_4096: _RSA_4096,
}


@cache
def public_key_der(algorithm: KeyAlgorithm) -> bytes:
    """Return some public key of this algorithm, SubjectPublicKeyInfo DER."""
    written = _WRITTEN.get(algorithm)
    if written is not None:
        return base64.b64decode(written)
    return keys.public_key_to_der(keys.generate_private_key(algorithm).public_key())
