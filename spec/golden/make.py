#!/usr/bin/env python3
"""Writes spec/golden/*.lua: operations on small inputs with what PyTorch makes of them.

    python3 spec/golden/make.py [SUBJECT...]         (needs torch)

Each subject is a file of this folder with a function make(), which writes one or more of the Lua
files; cases.py has what they share."""
import importlib
import sys

SUBJECTS = ["core", "indexing", "signals", "linalg", "elements", "reductions",
            "nn_simple"]

for subject in sys.argv[1:] or SUBJECTS:
    importlib.import_module(subject).make()
