"""Does a test here cause each error that docs/backend.md lists?"""

import pathlib
import re
import unittest

from support import ROOT

# No request through the gateway causes these: such a path is a 404 there, and a body that does
# not come gets no further.
BEHIND_THE_GATEWAY = {20408, 80403, 80405, 80408, 80409}


class Codes(unittest.TestCase):
    def test_each_of_the_documented_is_the_beginning_of_a_tests_name(self):
        documented = set()
        for row in (ROOT / "docs/backend.md").read_text(encoding="utf-8").splitlines():
            if re.match(r"\| [28]\d{4}", row):
                cells = row.split("|")[1:3]
                documented.update(map(int, re.findall(r"\b[28]\d{4}\b", " ".join(cells))))
        tested = set()
        for file in pathlib.Path(__file__).parent.glob("test_*.py"):
            names = re.findall(r"def test_(\d{5})_", file.read_text(encoding="utf-8"))
            tested.update(map(int, names))
        self.assertGreater(len(documented), 30)
        self.assertEqual(documented - tested, BEHIND_THE_GATEWAY)
