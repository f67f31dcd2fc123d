"""Sentences about groups, in English."""

from gateway.view import group_words


def test_a_group_is_told_its_new_number_and_what_to_do_with_it() -> None:
    """Both numbers, that nothing is lost, and what to write in the settings."""
    assert group_words.moved("-5", "-100123") == (
        "This group goes by the number -100123 now. The settings name it as -5: that is understood, and everything counts as "
        "before. Write -100123 there when you next change them."
    )
