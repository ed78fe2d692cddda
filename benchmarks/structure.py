"""Count modules, lines, imports and repetition in the source.

    python benchmarks/structure.py [ROOT]

ROOT is a checkout; by default the one that holds this file. The imports counted are all there are:
those inside functions and those for type checkers as well. Blank lines do not count as repeated.
"""

import ast
import sys
from collections import defaultdict
from collections.abc import Iterator
from dataclasses import dataclass
from itertools import combinations
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]
PACKAGE = "emotionrecog"

# Modules and packages from the bottom to the top; those of one layer do not import each other.
LAYERS = (
    ("version", "errors"),
    ("files", "parallel", "runtime", "text"),
    ("audio",),
    ("features",),
    ("datasets",),
    ("splits",),
    ("artifact",),
    ("augmentation", "models"),
    ("pretrained",),
    ("inference",),
    ("plots",),
    ("evaluation",),
    ("training",),
    ("benchmark",),
    ("recognizer",),
    ("cli",),
    ("__main__",),
)
LAYER_OF = {part: number for number, layer in enumerate(LAYERS) for part in layer}
N_REPEATED = 6  # equal lines that count as a repetition


@dataclass(frozen=True)
class Import:
    """One module that another imports, with the names from it and how it is bound."""

    module: str
    imported: str
    line: int
    name: str | None  # what is imported from `imported`; None where it is the module itself
    bound: str  # the name that the importing file uses
    for_types: bool
    deferred: bool

    def __str__(self) -> str:
        """Name the place and what it imports."""
        what = f"{self.imported}.{self.name}" if self.name else self.imported
        return f"{self.module or PACKAGE}, line {self.line}: {what or PACKAGE}"

    @property
    def goes_up(self) -> bool:
        """Whether a part of the package imports one that is not below it."""
        part, other = (name.partition(".")[0] for name in (self.module, self.imported))
        if part == other or part not in LAYER_OF:
            return False
        return LAYER_OF.get(other, len(LAYERS)) >= LAYER_OF[part]


def files(root: Path) -> dict[str, Path]:
    """Return the files of the package by the name of their module, without the package's."""
    source = root / "src" / PACKAGE
    named = {}
    for path in sorted(source.rglob("*.py")):
        parts = path.relative_to(source).with_suffix("").parts
        named[".".join(parts[:-1] if parts[-1] == "__init__" else parts)] = path
    return named


def imports(module: str, source: str, is_package: bool, modules: set[str]) -> list[Import]:
    """Return what the source of a module imports from the package."""
    found = []
    for node, for_types, deferred in _statements(ast.parse(source)):
        package = [PACKAGE, *module.split(".")] if module else [PACKAGE]
        if isinstance(node, ast.Import):
            paths = [(alias.name, None, alias.asname) for alias in node.names]
        else:
            kept = len(package) - node.level + is_package
            base = ".".join([*package[:kept], *([node.module] if node.module else [])])
            base = base if node.level else node.module or ""
            paths = [(base, alias.name, alias.asname) for alias in node.names]
        for path, name, alias in paths:
            first, _, inside = path.partition(".")
            if first != PACKAGE:
                continue
            whole = f"{inside}.{name}".lstrip(".") if name else inside
            if name and whole in modules:
                inside, bound, name = whole, alias or name, None
            else:
                bound = alias or name or path
            found.append(Import(module, inside, node.lineno, name, bound, for_types, deferred))
    return found


def all_imports(root: Path) -> list[Import]:
    """Return every import of one module of the package by another."""
    named = files(root)
    return [
        each
        for module, path in named.items()
        for each in imports(
            module, path.read_text(encoding="utf-8"), path.name == "__init__.py", set(named)
        )
        if each.imported != module
    ]


def circles(found: list[Import]) -> list[tuple[str, ...]]:
    """Return the groups of modules that import each other, directly or not."""
    reached: dict[str, set[str]] = defaultdict(set)
    for each in found:
        reached[each.module].add(each.imported)
    for middle in list(reached):  # Warshall's transitive closure
        for others in reached.values():
            if middle in others:
                others |= reached[middle]
    groups = {
        tuple(sorted(b for b in reached[a] if a in reached.get(b, ()))) for a in list(reached)
    }
    return sorted(group for group in groups if len(group) > 1)


def private_uses(source: str, found: list[Import]) -> list[str]:
    """Return the private names of other modules that a source imports or looks up."""
    modules = {each.bound: each.imported for each in found if each.name is None}
    used = [
        str(each) for each in found if each.name and each.name[0] == "_" and each.name[:2] != "__"
    ]
    for node in ast.walk(ast.parse(source)):
        if isinstance(node, ast.Attribute) and node.attr[0] == "_" and node.attr[:2] != "__":
            name = ast.unparse(node.value)
            if name in modules:
                used.append(f"line {node.lineno}: {modules[name]}.{node.attr}")
    return used


def repetitions(
    paths: list[Path], contract: bool = False
) -> list[tuple[int, Path, int, Path, int]]:
    """Return the longest runs of equal lines in two places: length, and file and line of both.

    Docstrings, signatures and imports count where `contract` is true.
    """
    texts = [(path, _lines(path.read_text(encoding="utf-8"), contract)) for path in paths]
    places: dict[tuple[str, ...], list[tuple[int, int]]] = defaultdict(list)
    for number, (_, lines) in enumerate(texts):
        for i in range(len(lines) - N_REPEATED + 1):
            places[tuple(text for _, text in lines[i : i + N_REPEATED])].append((number, i))
    starts = {pair for same in places.values() for pair in combinations(same, 2)}
    runs = []
    for (a, i), (b, j) in sorted(starts):
        if ((a, i - 1), (b, j - 1)) in starts:
            continue
        n = N_REPEATED
        while ((a, i + n - N_REPEATED + 1), (b, j + n - N_REPEATED + 1)) in starts:
            n += 1
        if a == b and i + n > j:  # a run that overlaps itself is a table
            continue
        runs.append((n, texts[a][0], texts[a][1][i][0], texts[b][0], texts[b][1][j][0]))
    return sorted(runs, key=lambda run: -run[0])


def n_lines(path: Path) -> int:
    """Return the number of lines of a file."""
    return path.read_bytes().count(b"\n")


def _statements(
    node: ast.AST, for_types: bool = False, deferred: bool = False
) -> Iterator[tuple[ast.Import | ast.ImportFrom, bool, bool]]:
    for child in ast.iter_child_nodes(node):
        if isinstance(child, ast.Import | ast.ImportFrom):
            yield child, for_types, deferred
        else:
            types = isinstance(child, ast.If) and "TYPE_CHECKING" in ast.unparse(child.test)
            inside = isinstance(child, ast.FunctionDef | ast.AsyncFunctionDef)
            yield from _statements(child, for_types or types, deferred or inside)


def _lines(source: str, contract: bool) -> list[tuple[int, str]]:
    """Return the lines that are not blank, with their numbers, perhaps without the contract."""
    left_out: set[int] = set()
    for node in ast.walk(ast.parse(source)) if not contract else ():
        is_text = isinstance(node, ast.Expr) and isinstance(node.value, ast.Constant)
        if is_text or isinstance(node, ast.Import | ast.ImportFrom):
            left_out |= set(range(node.lineno, (node.end_lineno or node.lineno) + 1))
        elif isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef):
            left_out |= set(range(node.lineno, node.body[0].lineno))
    lines = enumerate(source.splitlines(), start=1)
    return [(n, line.strip()) for n, line in lines if n not in left_out and line.strip()]


def main(arguments: list[str]) -> None:
    """Print the counts."""
    root = Path(arguments[0]).resolve() if arguments else ROOT
    named = files(root)
    found = all_imports(root)
    sizes = sorted(((n_lines(path), name) for name, path in named.items()), reverse=True)
    parts = {tuple(x.partition(".")[0] for x in (e.module, e.imported)) for e in found}
    print(f"modules: {len(named)}, of which {sum(n > 600 for n, _ in sizes)} over 600 lines")
    for folder, pattern in (("src", "*.py"), ("tests", "*.py"), ("docs", "*.*")):
        texts = [p for p in (root / folder).rglob(pattern) if p.suffix in {".py", ".md", ".rst"}]
        lines = sum(n_lines(p) for p in texts if "_build" not in p.parts)
        print(f"lines of {folder}: {lines:,}")
    print("largest: " + ", ".join(f"{name or PACKAGE} {n:,}" for n, name in sizes[:8]))
    print(f"arrows between the parts of the package: {sum(a != b for a, b in parts if a and b)}")
    upwards = [each for each in found if each.goes_up]
    print(f"imports that go up: {len(upwards)}")
    for each in upwards:
        print(f"  {each}{' (for types)' if each.for_types else ''}")
    print(f"circles: {len(circles(found))}")
    for group in circles(found):
        print("  " + ", ".join(name or PACKAGE for name in group))
    for folder in ("src", "tests"):
        paths = sorted((root / folder).rglob("*.py"))
        runs = repetitions(paths)
        n_all = len(repetitions(paths, contract=True))
        print(f"runs of {N_REPEATED} or more equal lines in {folder}: {len(runs)}")
        print(f"  with docstrings, signatures and imports: {n_all}")
        for n, a, i, b, j in runs[:10]:
            print(f"  {n} lines: {a.relative_to(root)}:{i} and {b.relative_to(root)}:{j}")


if __name__ == "__main__":
    main(sys.argv[1:])
