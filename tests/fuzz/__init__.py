"""Mutated inputs for every reader, and the law that none of them may break.

A reader reads the input, or raises one of our errors, which names the file. A command ends with a
documented exit code, and one line on stderr where that is no pass. No code in an input is run, and
no input is changed.
"""
