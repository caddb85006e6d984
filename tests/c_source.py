"""c_source.py - a C file as tests read it: its tokens, and the function or the declaration in which each of them stands.

Comments and the preprocessor's lines are no tokens, and white space says nothing: a file has the same tokens however it is
laid out."""

import collections
import re

Token = collections.namedtuple("Token", "start text")
# A name, where it stands, whether it is a function's; which tokens are its own.
Owner = collections.namedtuple("Owner", "name at function first last")

LEXEME = re.compile(r"""
    (?P<skipped> /\*.*?\*/ | //[^\n]* | ^[ \t]*\#(?:\\\n|/\*.*?\*/|[^\n])* )
  | "(?:\\.|[^"\\\n])*" | '(?:\\.|[^'\\\n])*'
  | [A-Za-z_]\w* | \.?\d(?:[eEpP][-+]|[\w.])*
  | <<= | >>= | \.\.\. | -> | \+\+ | -- | << | >> | && | \|\| | [-+*/%&|^=!<>]=
  | \S""", re.DOTALL | re.MULTILINE | re.VERBOSE)
WORD = re.compile(r"[A-Za-z_]\w*")
AGGREGATE = {"enum", "struct", "union"}
WRAPPERS = {"AD__CODE_AND_TEXT"}        # macros around whole functions, behind a name
OUTER = {"extern", "namespace"}         # braces around declarations


def tokens(text):
    return [Token(m.start(), m.group()) for m in LEXEME.finditer(text) if not m.group("skipped")]


def owners(all_tokens):
    """The functions and declarations of a file, in order. An enum's constants and a struct's arrays have each its own."""
    depth, item = 0, []             # of the item: (index of the token, how deep)
    braced = function = False
    wrapper = outer = 0             # tokens of a wrapper still to come; braces around everything
    for index, token in enumerate(all_tokens):
        if not item and token.text in WRAPPERS:
            wrapper = 4             # its name, a parenthesis, the name of the text, a comma
        if wrapper > 0 or not item and token.text == ")":
            wrapper = max(wrapper - 1, 0)
            continue
        if not item and depth == 0 and token.text == "}" and outer > 0:
            outer -= 1
            continue
        depth -= token.text in (")", "]", "}")
        if token.text == "{" and depth == 0:
            if item and all_tokens[item[0][0]].text in OUTER:
                outer, item = outer + 1, []
                continue
            braced, function = True, heads_function(all_tokens, item)
        item.append((index, depth))
        depth += token.text in ("(", "[", "{")
        if depth == 0 and (token.text == ";" or function and braced and token.text == "}"):
            yield from named(all_tokens, item, function)
            braced, function, item = False, False, []
    if depth != 0 or outer != 0:
        raise ValueError("its braces are not even")


def heads_function(all_tokens, item):
    at_top = [all_tokens[i].text for i, depth in item if depth == 0]
    return "(" in at_top and "=" not in at_top


def named(all_tokens, item, function):
    words = [(all_tokens[i].text, depth) for i, depth in item]
    first, last = item[0][0], item[-1][0]
    if not function and "{" in {word for word, depth in words if depth == 0} and AGGREGATE & {word for word, _ in words[:3]}:
        begun, name = first, "-"
        for (index, _), (word, _), (after, _) in zip(item, words, words[1:]):
            if WORD.fullmatch(word) and after in ("=", "["):
                if index > begun:
                    yield Owner(name, begun, False, begun, index - 1)
                begun, name = index, word
        yield Owner(name, begun, False, begun, last)
    else:
        at = head_name(words)
        yield Owner("-" if at is None else words[at][0], item[at or 0][0], function, first, last)


def head_name(words):
    """Where the word is that is declared: before the parameters, the length or the value."""
    found = None
    for at, ((word, depth), (after, _)) in enumerate(zip(words, words[1:])):
        if depth != 0:
            continue
        if WORD.fullmatch(word) and word != "__attribute__" and after in ("(", "[", "=", ";"):
            found = at
        if after in ("[", "=", "{", ";"):
            break
    return found
