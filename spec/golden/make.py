#!/usr/bin/env python3
"""Writes spec/golden/*.lua: operations and layers on small inputs with what PyTorch makes of them.

    python3 spec/golden/make.py [SUBJECT...]         (needs torch)

A subject is a file of this folder with a function make(), which writes one or more of the Lua files;
cases.py has what they share."""
import importlib
import pathlib
import sys

HERE = pathlib.Path(__file__).parent


def subjects():
    return sorted(path.stem for path in HERE.glob("*.py") if "\ndef make():" in path.read_text())


for subject in sys.argv[1:] or subjects():
    importlib.import_module(subject).make()
