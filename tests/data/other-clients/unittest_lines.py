"""Runs test modules and prints a line for each test: `passed NAME` or `failed NAME: why`.

    unittest_lines.py MODULE...

An argument may be a setting instead, `MODULE:NAME=VALUE`, with the value in Python; the name may be an attribute of a class.
"""

import ast
import importlib
import os
import sys
import unittest


class Lines(unittest.TestResult):
    """Prints each result as it comes; what is skipped is told as well."""

    def __init__(self, out):
        super().__init__()
        self.out = out

    def say(self, word, test, error=None):
        name = ".".join(test.id().split(".")[-3:])
        why = "" if error is None else ": " + " ".join(str(error[1]).split())[:200]
        print(f"{word} {name}{why}", file=self.out, flush=True)

    def addSuccess(self, test):
        self.say("passed", test)

    def addError(self, test, err):
        self.say("failed", test, err)

    def addFailure(self, test, err):
        self.say("failed", test, err)

    def addSkip(self, test, reason):
        self.say("skipped", test, (None, reason))


def apply(setting):
    name, value = setting.split("=", 1)
    module, path = name.split(":")
    *owners, attribute = path.split(".")
    owner = importlib.import_module(module)
    for name in owners:
        owner = getattr(owner, name)
    setattr(owner, attribute, ast.literal_eval(value))


def main(arguments):
    out, sys.stdout = sys.stdout, sys.stderr
    modules = [argument for argument in arguments if "=" not in argument]
    for setting in arguments:
        if "=" in setting:
            apply(setting)
    suite = unittest.TestSuite(
        unittest.defaultTestLoader.loadTestsFromName(module) for module in modules
    )
    suite.run(Lines(out))
    # Threads that tests have left behind do not keep us.
    os._exit(0)


main(sys.argv[1:])
