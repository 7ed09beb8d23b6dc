"""What the help of each command says."""

EXIT_CODES = """\
Exit codes: 0 all gates ran and passed · 1 a gate failed · 2 wrong usage or configuration ·
3 something could not be measured · 130 interrupted (143 by SIGTERM). With --base, 1 is also for a
failure that the base had.
"""
CHECK = f"""\
Judge the zoo: every gate on every entry, failures first, then the count and the exit code.

    %(prog)s                          # all entries, all gates, all weights re-measured
    %(prog)s slim --only params,structure
    %(prog)s --zoo my/zoo.py          # results.json and weights/ are expected beside it
    %(prog)s --zoo theirs.py          # a zoo file runs confined, in a process of its own
    %(prog)s --base main              # and nothing is worse than where the branch left main
    %(prog)s --since main --verdicts main.json   # measure what changed since that check
    %(prog)s --fail-fast --format github   # stop at the first failure, print annotations
    %(prog)s --explain chain          # what a gate judges and why, with examples
    %(prog)s --why slim               # the network, operation by operation

{EXIT_CODES}"""
RECORD = """\
Record a run that your own training loop has made: measure its weights on the test images, once,
and write them and the record beside the zoo file.

    %(prog)s net --weights best.pth --seed 0
    %(prog)s net --weights b.pth --seed 1 --epochs 9 --batch-size 64
"""
REPRODUCE = """\
Train a recorded run again by the project's command ([tool.torchbudget] train in pyproject.toml) and
compare: byte for byte on the same hardware and versions, elsewhere the misses of the two runs by
the spread of the entry's seeds. The record stays as it is; reproduced.json beside it keeps when and
where a run was last reproduced. Exit code 1 says that it was not.

    %(prog)s net 0
    %(prog)s --in-turn          # one of the fastest runs, another one each week
"""
MERGE_RESULTS = """\
Merge what two branches recorded: a run that one of them added, renewed or removed is as it has it.
A run that both renewed is a conflict, exit code 1: OURS is kept in the file. Once, in a clone:

    git config merge.torchbudget.driver "torchbudget merge-results %O %A %B"
    echo "results.json merge=torchbudget" >> .gitattributes
"""
MERGE_VERDICTS = f"""\
Put the verdicts of all shards of a check together and report them as one check would. A shard that
is missing, or that judged something else, is exit code 3.

    torchbudget check --shard 1/2 --json shard1.json     # on two machines
    torchbudget check --shard 2/2 --json shard2.json
    torchbudget merge-verdicts shard1.json shard2.json

{EXIT_CODES}"""
MAIN = f"""\
Hold PyTorch image classifiers to declared budgets.

    torchbudget record net --weights best.pth --seed 0   # once, at the end of training
    torchbudget check                                    # judge every entry of zoo.py
    torchbudget why net                                  # the network, operation by operation
    torchbudget explain chain                            # what a gate judges and why
    torchbudget reproduce net 0                          # train it again, and compare

The zoo file is the one that --zoo names, else the one that pyproject.toml names
([tool.torchbudget] zoo = "zoo.py"), else zoo.py.

{EXIT_CODES}"""
