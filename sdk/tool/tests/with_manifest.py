"""What the tests of manifests share."""
import tempfile
import unittest
from pathlib import Path

from exo import manifest
from exo.trouble import Trouble


class ManifestCase(unittest.TestCase):
    """Cases around a good manifest, which a subclass has as `good`."""

    good = None

    def setUp(self):
        self.folder = tempfile.TemporaryDirectory()
        self.addCleanup(self.folder.cleanup)
        self.path = Path(self.folder.name) / "system.toml"

    def read(self, text, **given):
        self.path.write_text(text)
        return manifest.read(self.path, **given)

    def refused(self, old, new, line, *words, **given):
        """The good one with `old` replaced is refused with exactly one message, for this line, with these words."""
        self.assertIn(old, self.good)
        with self.assertRaises(Trouble) as caught:
            self.read(self.good.replace(old, new, 1), **given)
        self.assertEqual(len(caught.exception.lines), 1, caught.exception.lines)
        message = caught.exception.lines[0]
        self.assertTrue(message.startswith(f"{self.path}:{line}: "), message)
        for word in words:
            self.assertIn(word, message)
