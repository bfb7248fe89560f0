"""Serial numbers."""

from pki.serials import new_serial, serial_hex


def test_x02_serials_are_positive_and_always_twenty_octets():
    for _ in range(2000):
        serial = new_serial()
        encoded = serial.to_bytes(20, "big")
        assert 0x01 <= encoded[0] <= 0x7F
        assert 0 < serial < 2**159


def test_x02_serials_do_not_repeat():
    assert len({new_serial() for _ in range(5000)}) == 5000


def test_serial_text_is_lower_case_hex_without_leading_zeros():
    assert serial_hex(0x0ABC) == "abc"
    assert int(serial_hex(serial := new_serial()), 16) == serial
