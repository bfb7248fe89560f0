"""Private keys of this installation, one row for each, behind a key backend."""

from typing import ClassVar

from django.db import models

from apps import clock, ids
from pki.algorithms import KeyAlgorithm

KEY_ALGORITHM_CHOICES = [(a.value, a.label) for a in KeyAlgorithm]


class Key(models.Model):
    """A private key behind a key backend; the row never holds it in the clear.

    Authorities and OCSP responders point to their keys; other users of keys do the same.
    """

    # Encryption contexts and audit rows were written under this name before the model had an
    # app of its own. A ciphertext opens only under the very text that it was sealed with.
    stored_label: ClassVar[str] = "authorities.Key"

    id = models.UUIDField(primary_key=True, default=ids.uuid7, editable=False)
    backend = models.CharField(max_length=30, default="software", editable=False)
    algorithm = models.CharField(max_length=20, choices=KEY_ALGORITHM_CHOICES, editable=False)
    public_key_der = models.BinaryField(help_text="SubjectPublicKeyInfo, DER")
    spki_sha256 = models.CharField(max_length=64, unique=True, editable=False)
    sealed_private_key = models.BinaryField(
        blank=True, default=b"", help_text="PKCS#8 DER under envelope encryption; software only"
    )
    reference = models.CharField(
        max_length=200, blank=True, help_text="label inside the backend; hardware only"
    )
    created_at = models.DateTimeField(default=clock.now, editable=False)
    destroyed_at = models.DateTimeField(null=True, blank=True, editable=False)

    class Meta:
        """The table keeps the name from before the model had an app of its own (ADR 0017)."""

        db_table = "authorities_key"

    def __str__(self) -> str:
        """Name algorithm and the start of the key's digest."""
        return f"{self.algorithm} {self.spki_sha256[:16]}"
