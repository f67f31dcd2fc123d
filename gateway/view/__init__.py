"""The words: every sentence that a person reads in a chat is one function or constant here, values in and whole Markdown out.

A translation rewrites these modules and nothing else. What comes in as text is Markdown already (escaped, or code) unless the
docstring says otherwise.
"""
