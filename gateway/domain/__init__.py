"""The nouns: frozen values, standard library only. They know no clock, no I/O and no library."""
