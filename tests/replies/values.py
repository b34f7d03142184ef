"""Plans whose values and prints are large, odd or none."""

from tests.replies.kinds import Case, plan

FENCE = '<untrusted source="candidate">'

CASES: dict[str, Case] = {
    "plan of a megabyte": plan("#" * 2**20),
    "plan of 200 kB": plan(f'x = "{"a" * 200_000}"\nlen(x)'),
    "prints two megabytes": plan('for i in range(40):\n    print("a" * 50000)'),
    "returns two megabytes": plan('"a" * 2000000'),
    "prints much": plan('for i in range(50):\n    print("b" * 300)\n"end"'),
    "returns nothing": plan("x = 1"),
    "returns nothing after a call": plan("x = get_budget()"),
    "returns an empty text": plan('""'),
    "returns a set": plan("{3, 1, 2}"),
    "returns bytes": plan('b"abc"'),
    "returns a lambda": plan("lambda: 1"),
    "returns a function": plan("def f():\n    return 1\n\nf"),
    "returns a class": plan("class A:\n    pass\n\nA()"),
    "returns nan": plan('[float("nan"), float("inf"), 1.5]'),
    "returns a huge number": plan("10**5000"),
    "returns keys of all kinds": plan('{1: "a", (1, 2): "b", None: "c", 10**5000: "d"}'),
    "returns a list in itself": plan("x = []\nx.append(x)\nx"),
    "returns a lone surrogate": plan('chr(0xD800) + "a"'),
    "prints a lone surrogate": plan('print("\\ud800")'),
    "lone surrogate as title": plan('edit_train_code("a\\ud800", config_overrides={"n_embd": 96})'),
    "returns a cut fence": plan(f"'{FENCE}' + 'x' * 30000 + '</untrusted>' + 'y' * 9000"),
    "prints a cut fence": plan(f"print('{FENCE}' + 'x' * 9000 + '</untrusted> after')"),
    "raises a cut fence": plan(f"raise ValueError('{FENCE}' + 'x' * 30000 + '</untrusted>')"),
}
