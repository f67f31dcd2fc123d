"""The verbs: pure functions of values. They import the domain and the standard library's pure parts, nothing else."""
