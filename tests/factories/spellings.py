"""Spellings of serial numbers and digests that people and programs use."""


def spellings_of(digits: str) -> list[str]:
    """Return how OpenSSL, browsers, Windows and people write a number or digest."""
    pairs = [
        digits.zfill(len(digits) + len(digits) % 2)[i : i + 2] for i in range(0, len(digits), 2)
    ]
    return [
        digits,
        digits.upper(),
        ":".join(pairs),
        ":".join(pairs).upper(),
        " ".join(pairs),
        f"0x{digits}",
        f"0X{digits.upper()}",
        f"\u200e{digits}",
        f"  {digits} ",
    ]
