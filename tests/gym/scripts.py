"""What the model is made to say, turn by turn, as token ids: tool calls that an untrained model would not make, in the forms
that a trainer's models do make and that come out different when their text is tokenised or rendered again."""
import functools
import json
import re
import urllib.request

SPECIAL = re.compile(r"(<\|im_end\|>|</?think>|</?tool_call>)")
QUIET = "<think>\n\n</think>\n\n"
END = "<|im_end|>"
AS_TEMPLATE = "written as the template does"


class tokenizer:
    """The server's."""

    def __init__(self, url):
        self.url = url.removesuffix("/v1") + "/tokenize"

    @functools.cache
    def __call__(self, text):
        body = json.dumps({"prompt": text, "add_special_tokens": False}).encode()
        request = urllib.request.Request(self.url, body, {"Content-Type": "application/json"})
        return json.load(urllib.request.urlopen(request, timeout=60))["tokens"]

    def apart(self, text):
        """Ids that nobody would tokenise `text` to: a token per character, special tokens whole."""
        pieces = [p for part in SPECIAL.split(text) for p in ([part] if SPECIAL.fullmatch(part) else part)]
        ids = [i for piece in pieces for i in self(piece)]
        assert ids != self(text), f"{text!r} is tokenised in one way only"
        return ids


def call(name, arguments):
    return "<tool_call>\n" + json.dumps({"name": name, "arguments": arguments}) + "\n</tool_call>"


def odd_call(name, arguments):
    """The same call in JSON that no template writes."""
    return '<tool_call> {"arguments" :' + json.dumps(arguments, separators=(" ,", ":")) + f',  "name":"{name}" }}\n\n</tool_call>'


def synonyms(ids):
    """For the rows of example_multi_step: both synonyms of `hot`, their values, an answer. (name, turns, max_output_tokens)."""
    def turns(write, encode, before=QUIET):
        say = [write("get_synonym_value", {"synonym": "Blazing"}), write("get_synonym_value", {"synonym": "Warm"}),
               write("extract_synonym_values", {"synonym_values": [711, 407]}), "The values are 711 and 407."]
        return [encode(before + text + END) for text in say]

    both = odd_call("get_synonym_value", {"synonym": "Blazing"}) + "\n" + odd_call("get_synonym_value", {"synonym": "Warm"})
    at_once = [ids.apart("<think>\nhot: Blazing, then Warm\n</think>\n\n" + both + END),
               ids.apart("I have both – 711 and 407.\n" + odd_call("extract_synonym_values", {"synonym_values": [711, 407]}) + END),
               ids.apart("Done.\n\n" + END)]
    cut = turns(call, ids.apart)
    limit = max(map(len, cut))
    cut[-1] = ids.apart(QUIET + "The values are 711 and 407" + ", which is what was asked for" * 10)[:limit]
    return [(AS_TEMPLATE, turns(call, ids), 256),
            ("a token per character", turns(call, ids.apart), 512),
            ("two calls at once, odd JSON", at_once, 512),
            ("cut by length", cut, limit),
            ("no reasoning, odd JSON", turns(odd_call, ids, before=""), 256)]


def weather(ids):
    """For the rows of example_single_tool_call."""
    def turns(encode, write, *cities, before=QUIET, said="It is cold there."):
        return [encode(before + "\n".join(write("get_weather", {"city": city}) for city in cities) + END), encode(QUIET + said + END)]

    return [(AS_TEMPLATE, turns(ids, call, "San Francisco"), 256),
            ("a token per character", turns(ids.apart, call, "San Francisco"), 512),
            ("no reasoning", turns(ids.apart, odd_call, "San Francisco", before=""), 512),
            ("empty answer", turns(ids.apart, odd_call, "Zürich", before="<think>\nWhere? Zürich.\n</think>\n\n", said=""), 512),
            ("three calls at once", turns(ids.apart, call, "New York", "Austin", "Boston"), 512)]


def talk(ids):
    """A conversation with a user, in which an answer is cut inside a character: (what the user says, ids, max_output_tokens)."""
    euro = ids("\u20ac")
    assert len(euro) > 1, "the model has a token for the sign that is to be cut"
    cut = ids.apart(QUIET + "It costs 3 ") + euro[:1]
    return [("What does it cost?", cut, len(cut)),
            ("What?", ids.apart("<think>\nI was cut off.\n</think>\n\n3 \u20ac." + END), 256),
            ("And for two?", ids.apart(QUIET + "6 \u20ac." + END), 256)]
