"""Writes unicode_properties.hpp and unicode_mappings.hpp: python make_unicode_data.py include/verbatim/text

The reference is what the `tokenizers` package does, so where its parts follow another version of Unicode than Python's
unicodedata (its regular expressions are newer, its normaliser is older), the package itself is asked.
"""
import pathlib
import sys
import unicodedata as ucd

from tokenizers import Regex
from tokenizers import normalizers as nz
from tokenizers import pre_tokenizers as pt

POINTS = [c for c in range(0x110000) if not 0xD800 <= c <= 0xDFFF]
CATEGORIES = "Cn Cc Cf Co Cs Ll Lm Lo Lt Lu Mc Me Mn Nd Nl No Pc Pd Pe Pf Pi Po Ps Sc Sk Sm So Zl Zp Zs".split()


def matching(pattern, among):
    """The code points that the package's regular expressions match with `pattern`."""
    split = pt.Split(Regex(pattern), "removed", invert=True)
    found = set()
    for i in range(0, len(among), 4096):
        text = "".join(map(chr, among[i:i + 4096]))
        found.update(ord(c) for piece, _ in split.pre_tokenize_str(text) for c in piece)
    return found


def alone(splitter, among):
    """The code points that a pre-tokenizer cuts off from the letters around them."""
    found = set()
    for i in range(0, len(among), 512):
        text = "\u4e00" + "".join(chr(c) + "\u4e00" for c in among[i:i + 512])
        found.update(ord(p) for p, _ in splitter.pre_tokenize_str(text) if len(p) == 1)
    return found - {0x4E00}


def categories():
    """General categories as the package's regular expressions see them, and what is newer than unicodedata."""
    category = {c: ucd.category(chr(c)) for c in POINTS}
    unknown = [c for c in POINTS if category[c] == "Cn"]
    new = sorted(matching(r"\P{Cn}", unknown))
    for name in CATEGORIES[1:]:
        if name != "Cs":
            for c in matching(r"\p{%s}" % name, new):
                category[c] = name
    return category, set(new)


def varint(n):
    digits = "0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz+-"
    out = ""
    while n >= 32:
        out += digits[32 + n % 32]
        n //= 32
    return out + digits[n]


def literal(name, text):
    step = 150
    lines = ['    "%s"' % text[i:i + step] for i in range(0, len(text), step)]
    return "inline constexpr char %s[] =\n%s;\n" % (name, "\n".join(lines))


def mapping(table):
    out, last = "", 0
    for c in sorted(table):
        out += varint(c - last) + varint(len(table[c])) + "".join(varint(ord(x)) for x in table[c])
        last = c
    return out


HEAD = """// Unicode as the reference tokenizers see it: %s. Written by tests/peers/make_unicode_data.py.
// Numbers are base-32 digits, least significant first, in the alphabet 0-9 A-Z a-z + -; the upper 32 go on.
// Categories and words: Unicode 16 (the reference's regular expressions). Decompositions: its normaliser's.
#pragma once
#include <cstdint>

namespace verbatim::detail {
"""


def main():
    category, new = categories()
    nfd, nfkd, nfc, lower = (f().normalize_str for f in (nz.NFD, nz.NFKD, nz.NFC, nz.Lowercase))
    hangul = range(0xAC00, 0xD7A4)
    canonical = {c: nfd(chr(c)) for c in POINTS if c not in hangul and nfd(chr(c)) != chr(c)}
    compatibility = {c: nfkd(chr(c)) for c in POINTS if c not in hangul and nfkd(chr(c)) != nfd(chr(c))}
    lowered = {c: lower(chr(c)) for c in POINTS if lower(chr(c)) != chr(c)}
    pairs = {}
    for c in canonical:
        parts = ucd.decomposition(chr(c)).split()
        if len(parts) == 2:
            a, b = (int(x, 16) for x in parts)
            if nfc(chr(a) + chr(b)) == chr(c):
                pairs[a, b] = c
    # A mark that the package's normaliser does not know does not change places with U+0334 (class 1).
    order = {}
    for c in POINTS:
        k = ucd.combining(chr(c))
        order[c] = k if k <= 1 or nfd("a" + chr(c) + "\u0334")[-1] == nfd(chr(c))[-1] else 0
    numeric = alone(pt.Digits(individual_digits=True), POINTS)
    punctuation = alone(pt.Punctuation("isolated"), POINTS)
    strip = nz.StripAccents().normalize_str
    marks = {c for c in POINTS if strip(chr(c)) == ""}
    onig_word = matching(r"\w", POINTS)
    word = pt.Whitespace()
    glued = [c for c in POINTS if not chr(c).isspace()]
    rust_word = set()
    for i in range(0, len(glued), 512):
        text = " ".join("a" + chr(c) + "a" for c in glued[i:i + 512])
        rust_word.update(ord(p[1]) for p, _ in word.pre_tokenize_str(text) if len(p) == 3)
    seconds = {b for _, b in pairs} | set(range(0x1161, 0x1176)) | set(range(0x11A8, 0x11C3))
    records, runs = {}, []
    for c in range(0x110000):
        if 0xD800 <= c <= 0xDFFF:
            record = (CATEGORIES.index("Cs"), 0, 0)
        else:
            unsafe = c in seconds or nfc(chr(c)) != chr(c)
            bits = [c in canonical or c in hangul, c in canonical or c in compatibility or c in hangul, unsafe, c in numeric,
                    c in punctuation, c in marks, c in rust_word, c in lowered, c in onig_word, c in new]
            record = (CATEGORIES.index(category[c]), sum(1 << i for i, b in enumerate(bits) if b), order[c])
        index = records.setdefault(record, len(records))
        if runs and runs[-1][1] == index:
            runs[-1][0] += 1
        else:
            runs.append([1, index])
    assert len(records) < 256
    rows = ["{%d, %d, %d}" % r for r in records]
    rows = ",\n    ".join(", ".join(rows[i:i + 8]) for i in range(0, len(rows), 8))
    properties = [
        HEAD % "categories, flags and orders",
        "/// General category (an index into Cn Cc Cf ...), flag bits, canonical combining class.",
        "struct unicode_record {\n  std::uint8_t category;\n  std::uint16_t flags;\n  std::uint8_t order;\n};",
        "inline constexpr unicode_record unicode_records[] = {\n    " + rows + "};\n",
        "/// (length, record) from U+0000 on",
        literal("unicode_runs", "".join(varint(n) + varint(i) for n, i in runs)),
        "}  // namespace verbatim::detail"]
    composed, last = "", 0
    for (a, b), c in sorted(pairs.items()):
        composed, last = composed + varint(a - last) + varint(b) + varint(c), a
    mappings = [
        HEAD % "decompositions, compositions and lower case",
        "/// (distance from the last code point, length, code points)",
        literal("unicode_canonical", mapping(canonical)),
        literal("unicode_compatibility", mapping(compatibility)),
        literal("unicode_lower", mapping(lowered)),
        "/// (distance from the last first, second, composed)",
        literal("unicode_compositions", composed),
        "}  // namespace verbatim::detail"]
    folder = pathlib.Path(sys.argv[1])
    (folder / "unicode_properties.hpp").write_text("\n".join(properties) + "\n")
    (folder / "unicode_mappings.hpp").write_text("\n".join(mappings) + "\n")


main()
