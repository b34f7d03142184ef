"""Plans that want what the sandbox does not have, or too much of it."""

from tests.replies.kinds import Case, plan

MANY = 10**9

CASES: dict[str, Case] = {
    "infinite loop": plan("while True:\n    pass"),
    "infinite loop that catches all": plan(
        "while True:\n    try:\n        while True:\n            pass\n    except BaseException:\n        pass"
    ),
    "list bomb": plan("x = [0]\nwhile True:\n    x = x + x"),
    "text bomb": plan('x = "a"\nwhile True:\n    x = x + x'),
    "one huge list": plan(f"x = [0] * {MANY}"),
    "squared integer": plan("x = 10\nwhile True:\n    x = x * x"),
    "infinite recursion": plan("def f(n):\n    return f(n + 1)\n\nf(0)"),
    "deep nesting": plan("(" * 5_000 + "1" + ")" * 5_000),
    "deep list": plan("x = []\nfor _ in range(3000):\n    x = [x]\nx"),
    "import numpy": plan("import numpy as np\nnp.zeros(3)"),
    "import torch": plan("import torch"),
    "import torch, caught": plan("try:\n    import torch\nexcept ImportError:\n    torch = None\ntorch"),
    "import subprocess": plan('import subprocess\nsubprocess.run(["ls"])'),
    "import os.system": plan('import os\nos.system("ls")'),
    "open": plan('open("/etc/passwd").read()'),
    "environment": plan('import os\nos.environ["HOME"]'),
    "eval": plan('eval("1 + 1")'),
    "dunder": plan("().__class__.__bases__[0].__subclasses__()"),
    "class inheritance": plan("class A(dict):\n    pass\n\nA()"),
    "yield": plan("def f():\n    yield 1\n\nlist(f())"),
    "del": plan('d = {"a": 1}\ndel d["a"]\nd'),
    "with": plan("with lock:\n    pass"),
    "match": plan("match 1:\n    case 1:\n        pass"),
    "global": plan("n = 0\n\ndef f():\n    global n\n    n = n + 1\n\nf()\nn"),
    "return outside a function": plan("x = get_budget()\nreturn x"),
    "sleep": plan('import time\ntime.sleep(3)\n"slept"'),
    "random": plan("import random\nrandom.random() < 2"),
    "clock": plan("import datetime\nisinstance(str(datetime.datetime.now()), str)"),
    "exit": plan("raise SystemExit(0)"),
    "keyboard interrupt": plan("raise KeyboardInterrupt"),
    "own error": plan('raise ValueError("no good")'),
    "error after a call": plan("get_budget()\n1 / 0"),
    "assertion": plan("assert 1 == 2, 'never'"),
    "undefined name": plan("best"),
    "f-string error": plan('f"{1 +}"'),
    "syntax error": plan("x = [1, 2\ny = 3"),
    "indentation error": plan("if True:\nx = 1"),
    "python 2": plan('print "hello"'),
    "shell in python": plan("!ls\nx = 1"),
}
