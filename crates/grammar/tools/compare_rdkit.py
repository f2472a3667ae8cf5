"""Holds the crate's chemistry against RDKit's. Needs `pip install rdkit` and the example `molecules` (see its head).

    python3 compare_rdkit.py fragments OUT          the published table of fragments, from the copy that RDKit carries
    python3 compare_rdkit.py compare BINARY SMILES… [--fragments FILE]
    python3 compare_rdkit.py odd SMILES OUT GRAMMAR  mutations of molecules, and texts drawn from `languages/zinc.cfg`
    python3 compare_rdkit.py golden SMILES OUT      answers for the tests, as tab-separated lines
"""

import gzip
import math
import os
import pickle
import random
import re
import subprocess
import sys
import time

from rdkit import Chem, RDConfig, RDLogger, rdBase
from rdkit.Chem import Crippen, Descriptors

RDLogger.DisableLog("rdApp.*")
sys.path.append(os.path.join(RDConfig.RDContribDir, "SA_Score"))
import sascorer  # noqa: E402


def fragments(out):
    path = os.path.join(RDConfig.RDContribDir, "SA_Score", "fpscores.pkl.gz")
    with open(out, "w") as file:
        for row in pickle.load(gzip.open(path)):
            file.write(" ".join([repr(float(row[0]))] + [str(i) for i in row[1:]]) + "\n")


def rdkit(smiles):
    """None if refused, else log P, weight, accessibility, sizes of rings, canonical SMILES."""
    molecule = Chem.MolFromSmiles(smiles) if smiles else None
    if molecule is None or molecule.GetNumAtoms() == 0:
        return None
    rings = sorted(len(ring) for ring in Chem.GetSSSR(molecule))
    return (
        Crippen.MolLogP(molecule),
        Descriptors.MolWt(molecule),
        sascorer.calculateScore(molecule),
        rings,
        Chem.MolToSmiles(molecule),
    )


def ours(binary, lines, table):
    command = [binary] + ([table] if table else [])
    start = time.perf_counter()
    answer = subprocess.run(command, input="\n".join(lines) + "\n", capture_output=True, text=True, check=True).stdout
    seconds = time.perf_counter() - start
    found = []
    for row in answer.splitlines():
        part = row.split("\t")
        if part[0] == "0":
            found.append((None, part[1]))
            continue
        score = math.nan if part[3] == "-" else float(part[3])
        rings = [int(size) for size in part[4].split(",") if size]
        found.append(((float(part[1]), float(part[2]), score, rings, part[5]), ""))
    return found, seconds


def compare(binary, paths, table, show=8):
    for path in paths:
        lines = [line.rstrip("\n") for line in open(path)]
        theirs = [rdkit(line) for line in lines]
        mine, seconds = ours(binary, lines, table)
        valid = sum(their is not None for their in theirs)
        wrong = [(line, their is not None, why) for line, their, (own, why) in zip(lines, theirs, mine) if (their is None) != (own is None)]
        both = [(line, their, own) for line, their, (own, _) in zip(lines, theirs, mine) if their and own]
        print(f"{path}: RDKit {rdBase.rdkitVersion}, {len(lines)} strings, {valid} valid, {1e6 * seconds / len(lines):.0f} us each here")
        print(f"  validity agrees {100 * (1 - len(wrong) / len(lines)):.3f} %")
        for line, is_valid, why in wrong[:show]:
            print(f"    RDKit {'takes' if is_valid else 'refuses'} {line}   {why}")
        fields = [("log P within 1e-3", 0, 1e-3), ("weight within 1e-2", 1, 1e-2), ("accessibility within 1e-3", 2, 1e-3)]
        for name, at, tolerance in fields:
            off = [(line, their[at], own[at]) for line, their, own in both if not abs(their[at] - own[at]) <= tolerance]
            print(f"  {name}: {100 * (1 - len(off) / len(both)):.3f} %")
            for line, their, own in off[:show]:
                print(f"    {line}  RDKit {their:.4f}  here {own:.4f}")
        off = [(line, their[3], own[3]) for line, their, own in both if their[3] != own[3]]
        print(f"  sizes of rings: {100 * (1 - len(off) / len(both)):.3f} %")
        for row in off[:show]:
            print("   ", *row)
        canonical(binary, both, show)


def canonical(binary, both, show):
    """Equal forms exactly where RDKit's canonical SMILES are equal: over the set, and over other spellings of each molecule."""
    rng = random.Random(1)
    respelled, of = [], []
    for line, their, own in both[:3000]:
        molecule = Chem.MolFromSmiles(line)
        order = list(range(molecule.GetNumAtoms()))
        rng.shuffle(order)
        shuffled = Chem.RenumberAtoms(molecule, order)
        for text in (Chem.MolToSmiles(shuffled, canonical=False), Chem.MolToSmiles(molecule, doRandom=True), their[4]):
            respelled.append(text)
            of.append((line, their[4], own[4]))
    found, _ = ours(binary, respelled, None)
    off = []
    for text, (line, their, own), (other, _) in zip(respelled, of, found):
        same = Chem.MolToSmiles(Chem.MolFromSmiles(text)) == their
        if same and (other is None or other[4] != own):
            off.append((line, text))
    print(f"  canonical form of {len(respelled)} other spellings: {100 * (1 - len(off) / len(respelled)):.3f} % the same")
    for row in off[:show]:
        print("   ", *row)
    first, off = {}, 0
    for line, their, own in both:
        off += first.setdefault(own[4], their[4]) != their[4]
    print(f"  different molecules with one form: {off} of {len(both)}")


def golden(path, out):
    with open(out, "w") as file:
        file.write(f"# SMILES, validity, log P, weight, sizes of rings, by RDKit {rdBase.rdkitVersion}; written by tools/compare_rdkit.py\n")
        for line in open(path):
            line = line.rstrip("\n")
            answer = rdkit(line)
            if answer is None:
                file.write(f"{line}\t0\n")
            else:
                file.write(f"{line}\t1\t{answer[0]:.6f}\t{answer[1]:.3f}\t{','.join(map(str, answer[3]))}\n")


def odd(path, out, grammar, seed=20261128):
    rng = random.Random(seed)
    molecules = open(path).read().split()
    letters = list("CCCCcccnNOOoSsFI()()==##--12345678[]H+@/\\BP")
    atoms = "C N O S P F B c n o s [nH] [N+] [n+] [O-] [NH3+] [S+] [C-] [CH] [nH+] [c-] [B-] [cH-]".split()
    token = re.compile(r"\[[^\]]*\]|Cl|Br|.")

    def characters(text):
        text = list(text)
        for _ in range(rng.choice([1, 1, 1, 2, 3])):
            kind, at = rng.randrange(4), rng.randrange(len(text))
            if kind == 0 and len(text) > 1:
                del text[at]
            elif kind == 1:
                text.insert(at, rng.choice(letters))
            elif kind == 2:
                text[at] = rng.choice(letters)
            else:
                other = rng.randrange(len(text))
                text[at], text[other] = text[other], text[at]
        return "".join(text)

    def symbols(text):
        text = token.findall(text)
        for _ in range(rng.choice([1, 1, 2])):
            at = rng.choice([at for at, symbol in enumerate(text) if symbol[0] in "[BCNOSPFIcnos"])
            kind = rng.randrange(4)
            if kind < 2:
                text[at] = rng.choice(atoms)
            elif kind == 2:
                text.insert(at, rng.choice("=#-"))
            else:
                text[at] = text[at].swapcase() if text[at] in "CNOScnos" else text[at]
        return "".join(text)

    rules = {}
    for line in open(grammar):
        if " -> " in line:
            left, right = line.strip().split(" -> ", 1)
            rules.setdefault(left, []).extend(part.split() for part in right.split(" | ") if "class" not in part)

    def draw(most=277):
        open_symbols, text = ["smiles"], []
        while open_symbols:
            symbol = open_symbols.pop()
            if symbol[0] == "'":
                text.append(symbol[1:-1].replace("\\\\", "\\"))
                continue
            most -= 1
            if most < 0:
                return None
            open_symbols.extend(reversed(rng.choice(rules[symbol])))
        return "".join(text)

    texts = [characters(rng.choice(molecules)) for _ in range(6000)]
    texts += [symbols(rng.choice(molecules)) for _ in range(2000)]
    drawn = set()
    while len(drawn) < 2000:
        drawn.add(draw())
        drawn.discard(None)
    open(out, "w").write("\n".join(texts + sorted(drawn)) + "\n")


if __name__ == "__main__":
    command, arguments = sys.argv[1], sys.argv[2:]
    if command == "fragments":
        fragments(*arguments)
    elif command == "odd":
        odd(*arguments)
    elif command == "golden":
        golden(*arguments)
    else:
        table = None
        if "--fragments" in arguments:
            at = arguments.index("--fragments")
            table = arguments[at + 1]
            del arguments[at : at + 2]
        compare(arguments[0], arguments[1:], table)
