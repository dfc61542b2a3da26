"""One module for each question. It has a docstring (its first line is the title), `FIGURES` and
`sides(bench)`.
"""
