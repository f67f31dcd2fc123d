"""What people have to mend."""


class TollbridgeError(Exception):
    """Something a person has to mend; the message says what is wrong and what to do. Every adapter raises only these."""
