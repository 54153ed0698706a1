"""Makes the conversations that tiny-chat is trained and measured on.

Everything is drawn from a seeded generator; nothing is downloaded. A `Maker` with
held_out=False draws only operand pairs, tool names and values that a `Maker` with
held_out=True never draws, so the two never share a question of the measured kinds.

    python make_data.py 5          # print five conversations
"""

import json
import random
import sys
import zlib

from phrases import CHAT, NOUNS, PEOPLE, PLACES, REAL_TOOLS, SYSTEM, UNKNOWN, WORDS


def is_held_out(key):
    """One key in eight belongs to the measurement and is never trained on."""
    return zlib.crc32(key.encode()) % 8 == 0


SUM_ASKS = ["What is {a}+{b}?", "{a} + {b}", "{a}+{b}=", "{a}+{b}", "What is {a} + {b}?", "What's {a} plus {b}?", "{a} plus {b}",
            "Add {a} and {b}.", "Please add {a} and {b}.", "Calculate {a} + {b}.", "Compute {a}+{b}", "How much is {a} + {b}?",
            "Can you add {a} to {b}?", "What is the sum of {a} and {b}?", "Sum of {a} and {b}?", "what is {a} plus {b}",
            "I have {a} apples and get {b} more. How many are there?", "A box holds {a} pens, another {b}. How many in all?"]
DIFF_ASKS = ["What is {a}-{b}?", "{a} - {b}", "{a}-{b}=", "{a}-{b}", "What is {a} - {b}?", "What's {a} minus {b}?", "{a} minus {b}",
             "Subtract {b} from {a}.", "Please subtract {b} from {a}.", "Calculate {a} - {b}.", "Compute {a}-{b}", "How much is {a} - {b}?",
             "Take {b} away from {a}.", "What is {a} take away {b}?", "what is {a} minus {b}"]
LEFT_ASKS = ["What is the difference between {a} and {b}?", "I have {a} apples and eat {b}. How many are left?",
             "There are {a} birds and {b} fly away. How many stay?"]
VERBS = ["get", "find", "fetch", "lookup", "read", "check", "show", "query", "load", "list"]
ARGS = ["city", "name", "id", "query", "key", "word", "item", "code", "place", "user", "title", "topic", "path", "number", "text",
        "symbol", "target", "input", "label", "date", "country", "product", "room", "file", "tag", "page", "team", "order"]
NOUN_ASKS = ["What is the {n} of {v}?", "What is the {n} for {v}?", "Tell me the {n} of {v}.", "Find the {n} for {v}.", "{n} of {v}?",
             "Please look up the {n} of {v}.", "Can you get the {n} of {v}?", "I need the {n} for {v}.", "Show me the {n} of {v}, please.",
             "Use {t} for {v}.", "Call {t} with {v}.", "Run {t} on {v}.", "Call {t} with {k} {v}.", "Use the tool for {v}.", "{v}: which {n}?"]


def sum_steps(a, b):
    """The written sum, digit by digit from the right."""
    if a < 10 and b < 10:
        return f"{a}+{b}={a + b}."
    ones = a % 10 + b % 10
    tens = a // 10 + b // 10
    if ones < 10:
        return f"{a % 10}+{b % 10}={ones}. {a // 10}+{b // 10}={tens}. So {a + b}."
    return f"{a % 10}+{b % 10}={ones}, carry 1. {a // 10}+{b // 10}+1={tens + 1}. So {a + b}."


def difference_steps(a, b):
    """The written difference; a smaller minuend is turned round first."""
    if a < b:
        return f"{a}<{b}, turn: {b}-{a}. " + difference_steps(b, a).replace("So ", "So -")
    if a < 10 and b < 10:
        return f"{a}-{b}={a - b}. So {a - b}."
    ones, tens = a % 10 - b % 10, a // 10 - b // 10
    if ones >= 0:
        return f"{a % 10}-{b % 10}={ones}. {a // 10}-{b // 10}={tens}. So {a - b}."
    return f"{a % 10}<{b % 10}, borrow: {a % 10 + 10}-{b % 10}={ones + 10}. {a // 10}-{b // 10}-1={tens - 1}. So {a - b}."


class Maker:
    def __init__(self, seed, held_out=False):
        self.rng = random.Random(seed)
        self.held_out = held_out

    def mine(self, draw):
        """Draws until the key is on this maker's side of the split."""
        while True:
            key = draw()
            if is_held_out(key) == self.held_out:
                return key

    # words, values and names ---------------------------------------------------------------

    def made_up_word(self):
        r = self.rng
        if r.random() < 0.25:
            return "".join(r.choice("abcdefghijklmnopqrstuvwxyz") for _ in range(r.randint(3, 7)))
        syllables = [r.choice("bcdfghjklmnprstvwyz") + r.choice(["a", "e", "i", "o", "u", "a", "e", "o", "ia", "ou", "é", "ü"][:r.choice([8, 8, 8, 10, 12])])
                     + r.choice(["", "", "", "n", "r", "s", "l", "m", "t"]) for _ in range(r.randint(2, 3))]
        return "".join(syllables)

    def word(self):
        r = self.rng
        return self.mine(lambda: r.choice(WORDS + NOUNS) if r.random() < 0.3 else self.made_up_word())

    def proper(self):
        r = self.rng
        return self.mine(lambda: r.choice(PLACES + PEOPLE) if r.random() < 0.3 else self.made_up_word().capitalize())

    def integer(self):
        r = self.rng
        return self.mine(lambda: str(r.randint(1, 10 ** r.randint(1, 5) - 1)))

    def value(self, kind=None):
        """An argument's value: a string, or an int where kind is 'integer'."""
        r = self.rng
        if kind == "integer":
            return int(self.integer())
        shape = r.random()
        if shape < 0.4:
            return self.proper()
        if shape < 0.6:
            return self.word()
        if shape < 0.72:
            return f"{self.proper()} {self.proper()}"
        if shape < 0.82:
            return f"{self.word()} {self.word()}"
        if shape < 0.9:
            return self.word()[:3] + r.choice(["-", "", "_"]) + self.integer()
        if shape < 0.95:
            return f"{self.word()}{r.choice(['/', '.', '_', '-'])}{self.word()}{r.choice(['', '.txt', '.md'])}"
        return self.word().upper()[:r.randint(3, 5)]

    # tools -----------------------------------------------------------------------------------

    def tool(self):
        """(definition, ask(value), answer(value, result), kind, key) of a one-argument tool."""
        r = self.rng
        if r.random() < 0.3:
            name, key, kind, text, asks, answer = r.choice(REAL_TOOLS)
            name = self.mine(lambda: name if is_held_out(name) == self.held_out else name + "_" + self.made_up_word())
            noun = None
        else:
            noun = self.word() if r.random() < 0.6 else r.choice(NOUNS)
            name = self.mine(lambda: self.tool_name(noun))
            key = r.choice(ARGS) if r.random() < 0.6 else self.word()
            kind = "integer" if r.random() < 0.15 else "string"
            text = r.choice(["Gets the {n} of a {k}.", "Returns the {n} for the {k}.", "{n} by {k}", "Looks up the {n}.", "Find {n}."])
            text = text.format(n=noun, k=key)
            asks, answer = NOUN_ASKS, f"The {noun} for {{v}} is {{r}}."
        about = {"type": kind}
        if r.random() < 0.3:
            about["description"] = r.choice([f"The {key}", f"The {key} to use", f"{key} to look up", key])
        parameters = {"type": "object", "properties": {key: about}}
        if r.random() < 0.8:
            parameters["required"] = [key]
        if r.random() < 0.05:
            parameters["additionalProperties"] = False
        function = {"name": name, "description": text, "parameters": parameters}
        if r.random() < 0.1:
            del function["description"]
        if r.random() < 0.15:
            items = list(function.items())
            r.shuffle(items)
            function = dict(items)
        definition = {"type": "function", "function": function}

        def ask(value, by_name=False):
            form = r.choice(asks if not by_name else [a for a in asks if "{n}" in a or "{t}" in a or noun is None])
            return form.format(n=noun, v=value, t=name, k=key)

        return {"json": definition, "name": name, "key": key, "kind": kind, "ask": ask, "answer": answer}

    def tool_name(self, noun):
        r = self.rng
        verb = r.choice(VERBS)
        noun = noun if r.random() < 0.7 else self.word()
        shape = r.random()
        if shape < 0.55:
            return f"{verb}_{noun}"
        if shape < 0.7:
            return verb + noun.capitalize()
        if shape < 0.8:
            return f"{noun}_{r.choice(['of', 'for', 'by', verb])}"
        return noun if shape < 0.9 else f"{self.made_up_word()}_{noun}"

    def result(self):
        """(what the tool returns, how the answer says it)."""
        r = self.rng
        plain = r.choice([lambda: str(r.randint(0, 999)), lambda: f"{r.randint(1, 40)} {r.choice(['degrees', 'euros', 'km', 'items', 'points'])}",
                          self.word, lambda: f"{self.word()} {self.word()}", self.proper, lambda: f"{r.randint(0, 23)}:{r.randint(10, 59)}",
                          lambda: r.choice(["sunny", "open", "closed", "done", "rain", "yes", "no", "red", "ready"])])()
        shape = r.random()
        if shape < 0.5:
            return plain, plain
        if shape < 0.93:
            field = r.choice(["result", "value", "answer", "output", self.word()])
            number = plain.isdigit() and r.random() < 0.7
            return json.dumps({field: int(plain) if number else plain}, ensure_ascii=False), plain
        why = r.choice(["not found", "no such entry", "timeout", "unknown " + self.word()])
        return json.dumps({"error": why}, ensure_ascii=False), None

    # turns: each returns a list of messages --------------------------------------------------

    def say(self, content, thought):
        """An assistant's message; three in four think first."""
        message = {"role": "assistant", "content": content}
        if self.rng.random() < 0.75:
            message["reasoning_content"] = thought
        return message

    def operands(self, op):
        r = self.rng
        low = 0 if not self.held_out and r.random() < 0.15 else 10
        while True:
            a, b = r.randint(low, 99), r.randint(low, 99)
            if not self.held_out and low == 0 and r.random() < 0.4:
                a, b = a % 10, b % 10
            measured = a > 9 and b > 9 and is_held_out(f"{op}{min(a, b)},{max(a, b)}")
            if measured == self.held_out:
                return a, b

    def arithmetic(self):
        """(question, steps, result as text, answer) of a sum or a difference."""
        r = self.rng
        op = r.choice("+-")
        a, b = self.operands(op)
        if op == "+":
            ask, steps, c = r.choice(SUM_ASKS), sum_steps(a, b), a + b
        else:
            ask, steps, c = r.choice(DIFF_ASKS + (LEFT_ASKS if a >= b else [])), difference_steps(a, b), a - b
        words = "apples" in ask or "box" in ask or "birds" in ask
        answer = f"The answer is {c}." if words or r.random() < 0.2 else f"{a} {op} {b} = {c}."
        return ask.format(a=a, b=b), steps, c, answer

    def arithmetic_turn(self):
        ask, steps, _, answer = self.arithmetic()
        return [{"role": "user", "content": ask}, self.say(answer, steps)]

    def chat_turn(self):
        r = self.rng
        asks, answers, thought = r.choice(CHAT)
        fill = {"name": self.proper(), "word": self.word(), "word2": self.word()}
        message = r.choice(asks).format(**fill)
        if r.random() < 0.1:
            message = message.lower()
            fill = {k: v.lower() for k, v in fill.items()}
        return [{"role": "user", "content": message}, self.say(r.choice(answers).format(**fill), thought.format(**fill))]

    def name_turns(self):
        name = self.proper()
        turns = [{"role": "user", "content": self.rng.choice(["My name is {n}.", "I am {n}.", "Hi, I'm {n}.", "Hello, my name is {n}."]).format(n=name)},
                 self.say(self.rng.choice(["Nice to meet you, {n}!", "Hello, {n}!"]).format(n=name), f"The name is {name}.")]
        if self.rng.random() < 0.4:
            turns += self.chat_turn() if self.rng.random() < 0.5 else self.arithmetic_turn()
        turns += [{"role": "user", "content": self.rng.choice(["What is my name?", "Do you know my name?", "Who am I?"])},
                  self.say(f"Your name is {name}.", f"The name is {name}.")]
        return turns

    def count_turn(self):
        r = self.rng
        a = r.choice([1, 1, r.randint(0, 40)])
        b = a + r.randint(2, 20)
        ask = r.choice(["Count from {a} to {b}.", "Count {a} to {b}", "Please count from {a} to {b}."] + (["Count to {b}."] * 3 if a == 1 else []))
        return [{"role": "user", "content": ask.format(a=a, b=b)}, self.say(", ".join(map(str, range(a, b + 1))) + ".", f"From {a} to {b}.")]

    def unknown_turn(self):
        r = self.rng
        ask = r.choice(UNKNOWN).format(p=self.proper(), w=self.word())
        answer = r.choice(["I do not know that. I can add, subtract and call tools.", "Sorry, I do not know. I am a very small model."])
        return [{"role": "user", "content": ask}, self.say(answer, "I do not know this.")]

    def tool_turns(self, tool, by_name=False):
        """A question, its call, the tool's result and the answer."""
        r = self.rng
        value = self.value(tool["kind"])
        call = {"type": "function", "function": {"name": tool["name"], "arguments": {tool["key"]: value}}}
        asks = self.say("", f"Call {tool['name']} with {tool['key']} {value}.")
        turns = [{"role": "user", "content": tool["ask"](value, by_name)}, asks | {"tool_calls": [call]}]
        if r.random() < 0.75:
            returned, plain = self.result()
            answer = tool["answer"].format(v=value, r=plain) if plain else f"The tool failed: {json.loads(returned)['error']}."
            turns += [{"role": "tool", "content": returned}, self.say(answer, f"The tool says {plain}." if plain else "The tool failed.")]
        return turns

    # conversations -----------------------------------------------------------------------------

    def tool_conversation(self):
        r = self.rng
        tools = [self.tool() for _ in range(2 if r.random() < 0.2 else 1)]
        turns = []
        for _ in range(r.choice([1, 1, 1, 2, 2, 3])):
            kind = r.random()
            if kind < 0.78:
                turns += self.tool_turns(r.choice(tools), by_name=len(tools) > 1)
                if turns[-1]["role"] != "tool" and turns[-1].get("tool_calls"):
                    break
            else:
                turns += self.arithmetic_turn() if kind < 0.9 else self.chat_turn()
        return {"messages": self.system() + turns, "tools": [t["json"] for t in tools]}

    def plain_conversation(self):
        r = self.rng
        turns = []
        for _ in range(r.choice([1, 1, 1, 1, 2, 2, 3, 4])):
            kind = r.random()
            if kind < 0.58:
                turns += self.arithmetic_turn()
            elif kind < 0.82:
                turns += self.chat_turn()
            elif kind < 0.88:
                turns += self.name_turns()
            elif kind < 0.93:
                turns += self.count_turn()
            else:
                turns += self.unknown_turn()
        return {"messages": self.system() + turns, "tools": None}

    def system(self):
        return [{"role": "system", "content": self.rng.choice(SYSTEM)}] if self.rng.random() < 0.4 else []

    def conversation(self):
        return self.tool_conversation() if self.rng.random() < 0.5 else self.plain_conversation()


if __name__ == "__main__":
    maker = Maker(seed=0)
    for _ in range(int(sys.argv[1]) if len(sys.argv) > 1 else 5):
        print(json.dumps(maker.conversation(), ensure_ascii=False, indent=1))
