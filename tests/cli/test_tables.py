"""Tables line up whatever the script of the names: letters of CJK are two columns wide, marks on a letter take none."""

import json
import os
import unicodedata

import support

NAMES = ("Ann", "山田太郎", unicodedata.normalize("NFD", "Zoë Ångström"), "정우")


def columns(text):
    """Of a terminal, by Unicode's own table."""
    return sum(
        0 if unicodedata.combining(letter) else 2 if unicodedata.east_asian_width(letter) in "WF" else 1
        for letter in text
    )


class Tables(support.CommandLine):
    @classmethod
    def setUpClass(cls):
        super().setUpClass()
        for drawn, name in zip(cls.people("people", len(NAMES)), NAMES):
            os.rename(cls.path("people", drawn), cls.path("people", name))
        cls.write("tiny.json", json.dumps(support.TINY_MODEL))
        cls.tsugi("pretrain", "people", "-o", "server", *support.TINY)

    def test_columns_line_up_in_any_locale(self):
        for locale in ("C.UTF-8", "C", "POSIX", "no_such_locale"):
            with self.subTest(locale):
                table = self.tsugi("eval", "server", "--photos", "people", env={"LC_ALL": locale}).stdout.splitlines()
                self.assertEqual(len(table), len(NAMES) + 2)
                ends = {columns(line.split(" %")[0]) for line in table[1:]}
                self.assertEqual(len(ends), 1, "\n".join(table))
                self.assertEqual({columns(line) for line in table}, {columns(table[0])}, "\n".join(table))

    def test_lines_of_predict_line_up(self):
        lines = self.tsugi("predict", "server", "people", "--top", "3").stdout.splitlines()
        self.assertEqual(len(lines), 6 * len(NAMES))
        self.assertEqual(len({columns(line) for line in lines}), 1, "\n".join(lines))


if __name__ == "__main__":
    support.main()
