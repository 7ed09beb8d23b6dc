"""Nothing depends on what only some systems have."""

import ast

from test_repository import MODULES


def test_no_text_depends_on_the_encoding_of_the_system():
    """`make lint` finds what it can tell is a path, this all that looks like one."""
    lacking = []
    for module, path in MODULES.items():
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
            if isinstance(node, ast.Call) and not is_told_its_encoding(node):
                lacking.append(f"{module}:{node.lineno}: {ast.unparse(node)[:80]}")
    assert lacking == []


def is_told_its_encoding(call: ast.Call) -> bool:
    """Whether a call names an encoding, or needs none as far as its words tell."""
    name = call.func.attr if isinstance(call.func, ast.Attribute) else getattr(call.func, "id", "")
    keywords = {keyword.arg: ast.unparse(keyword.value) for keyword in call.keywords}
    if name in ("run", "Popen", "check_output"):
        return "text" not in keywords and "universal_newlines" not in keywords
    owner = ast.unparse(call.func.value) if isinstance(call.func, ast.Attribute) else ""
    if owner in ("os", "Image", "tarfile", "zipfile", "gzip"):
        return True
    binary = any("b" in ast.unparse(word) for word in call.args[-1:]) or "b" in keywords.get(
        "mode", ""
    )
    return "encoding" in keywords or not (
        name in ("read_text", "write_text") or (name in ("open", "fdopen") and not binary)
    )
