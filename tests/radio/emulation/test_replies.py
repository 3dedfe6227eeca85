"""Replies of a virtual Pluto, byte by byte as Debian's iiod sends them to libiio 0.24."""

from radio.emulation import replies


def test_a_value_counts_its_nul_but_not_the_newline_after_it():
    assert replies.value("fdd") == b"4\nfdd\0\n"
    assert replies.value("") == b"1\n\0\n"


def test_a_refusal_is_a_negative_number_alone():
    assert replies.integer(-22) == b"-22\n"


def test_values_of_a_channel_are_padded_to_words_and_keep_the_refusals_among_them():
    told = replies.values(["abc", -22, "abcd"])
    body = b"\0\0\0\4abc\0" + b"\xff\xff\xff\xea" + b"\0\0\0\5abcd\0\0\0\0"
    assert told == b"%d\n%s\n" % (len(body), body)


def test_received_samples_come_as_one_chunk_behind_the_mask_of_the_open_channels():
    length, mask, data = replies.block(b"12345678").split(b"\n", 2)
    assert (length, data) == (b"8", b"12345678")
    assert int(mask, 16) == 0b11


def test_the_context_is_as_long_as_it_says():
    assert replies.document(b"<context/>") == b"10\n<context/>\n"
