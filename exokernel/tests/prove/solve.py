"""Showing one goal: refuted by z3 from the path's conditions and those instances of the claims that matter. The instances
are found by counterexample: as long as there is one, the claims that it violates, of names that occur, are added."""
import itertools

import z3

import term as t
from claims import ASSUMED, CLAIMS, named, names_in
from memory import BY_NAME, Memory, define

RLIMIT = 400_000_000
TIMEOUT_MS = 1_800_000    # only against a stuck solver: rlimit is what counts, and takes a tenth of this here
FACTS_AT_ONCE = 4        # more of them are mostly beside the point, and make every later check longer;
ROUNDS_OF_FEW, FACTS_LATER = 10, 20      # but where so many rounds find no proof there may be none, and all facts are wanted
PLAIN = dict.fromkeys(("probing", "asymm_branch", "scc", "elim_vars", "subsumption"), False)
ROUNDS_MAX = 60
ROUNDS_AGAINST, FACTS_AGAINST = 10, 10      # for a contradiction among what is assumed: twice what the longest proof takes
GENERATIONS = 3


def to_bits(context):
    """Functions become variables, and these bits, for a SAT solver: steadier by far than z3's own choice for QF_UFBV, whose SAT
    solver does not always come back from simplifying in between."""
    return z3.Then("simplify", "propagate-values", "solve-eqs", "elim-uncnstr", "simplify",
                   z3.With("ackermannize_bv", div0_ackermann_limit=10_000_000, ctx=context), "simplify", "propagate-values", "solve-eqs",
                   "max-bv-sharing", "bit-blast", z3.With("sat", **PLAIN, ctx=context), ctx=context)


class Reads:
    """Which fields a term reads, and where: memoised by subterm."""

    def __init__(self):
        self.known = {}

    def of(self, term):
        """The reads in the term, each an application of a version's function."""
        key = term.get_id()
        if key not in self.known:
            found, visited, work = {}, {key}, [term]
            while work:
                node = work.pop()
                if z3.is_app(node) and node.decl().kind() == z3.Z3_OP_UNINTERPRETED:
                    if node.decl().name() in BY_NAME or node.decl().name().startswith("any_"):
                        found[node.get_id()] = node
                for child in node.children():
                    if child.get_id() not in visited:
                        visited.add(child.get_id())
                        work.append(child)
            self.known[key] = found, term
        return self.known[key][0]


class Claims:
    """Instances of claims at epochs, by substitution into templates."""

    def __init__(self, executor):
        self.executor, self.reads = executor, Reads()
        self.sorts = {name: sorts for name, sorts in {**CLAIMS, **ASSUMED}.items() if name in executor.module.routines}
        self.keys, self.templates, self.instances = {}, {}, {}

    def arguments(self, name):
        return [z3.BitVec(f"name{i}", 32) for i in range(len(self.executor.module.routines[name].arguments))]

    def fields(self, name):
        """The fields that a claim reads."""
        if name not in self.keys:
            term = self.executor.specified(Memory(self.executor.module.layout), name, self.arguments(name))
            found = {BY_NAME[read.decl().name()].key: None for read in self.reads.of(term).values()}
            self.keys[name] = list(found)
        return self.keys[name]

    def instance(self, name, names, epoch):
        versions = {key: epoch.memory.version(key) for key in self.fields(name)}
        vector = (name, *(version.number for version in versions.values()))
        key = (vector, *(each.get_id() for each in names))
        if key not in self.instances:
            if vector not in self.templates:
                memory = Memory(self.executor.module.layout, versions=versions)
                self.templates[vector] = self.executor.specified(memory, name, self.arguments(name))
            fact = z3.substitute(self.templates[vector], *zip(self.arguments(name), names)) if names else self.templates[vector]
            self.instances[key] = fact, names
        return self.instances[key][0]


class Attempt:
    """One goal."""

    generations = GENERATIONS      # of names of names, that claims are used of: at most

    def __init__(self, claims, goal):
        self.claims, self.goal = claims, goal
        self.last = None       # answer of z3
        self.share = 0         # of the limit, that the hardest check took
        self.terms, self.added, self.reads = [], set(), set()
        self.names = {}        # sort: {key: (generation, names)}
        self.depth = 0         # generations that were wanted: those of names of names come in when nothing else is left
        self.facts = 0

    def prove(self, rounds=ROUNDS_MAX, at_once=None):
        for term in (*self.goal.conditions, t.negation(self.goal.holds)):
            self.add(term, 0)
        self.begin_with_itself()
        for number in range(rounds):
            solver = self.fresh_solver()
            answer = self.last = solver.check()
            self.count(solver)
            if answer != z3.sat:
                return "proved" if answer == z3.unsat else "unknown"
            violated = self.against(solver.model().translate(z3.main_ctx()))
            if not violated:
                return "refuted"
            few = FACTS_AT_ONCE if number < ROUNDS_OF_FEW else FACTS_LATER
            for fact, generation, _ in violated[:at_once or few]:
                self.facts += 1
                self.add(fact, generation + 1)
        return "unknown"

    def begin_with_itself(self):
        """A claim is mostly kept because it held of the same thing before: so that is the first fact, not one to be found."""
        if self.goal.claim and not self.goal.epochs[-1].bare:
            self.add(self.claims.instance(*self.goal.claim, self.goal.epochs[-1]), 0)

    def count(self, solver):
        self.share = max(self.share, solver.statistics().get_key_value("rlimit count") / RLIMIT)

    def fresh_solver(self):
        """A new one each time: only its first check goes by preprocessing to bits, which is far faster here. It has a context of
        its own: some of what z3 does in a check takes as long as there are terms in the context, and its counts begin at none."""
        apart = z3.Context()
        solver = to_bits(apart).solver()
        solver.set("rlimit", RLIMIT, "timeout", TIMEOUT_MS)
        terms = z3.AstVector()
        for term in self.terms:
            terms.push(term)
        solver.add(terms.translate(apart))
        return solver

    def add(self, term, generation):
        if term.get_id() in self.added:
            return
        self.added.add(term.get_id())
        self.terms.append(term)
        for read in self.claims.reads.of(term).values():
            if read.get_id() not in self.reads:
                self.reads.add(read.get_id())
                self.note(read, generation)

    def note(self, read, generation):
        if read.decl().name() not in BY_NAME:
            self.name(*named(read.decl().name()), 0)
            return
        version = BY_NAME[read.decl().name()]
        where = tuple(z3.simplify(child) for child in read.children())
        definition = define(version, tuple(read.children()))
        if definition is not None:
            self.add(definition, generation)
        for sort, names in names_in(version.key, where):
            self.name(sort, tuple(z3.simplify(name) for name in names), generation)

    def name(self, sort, names, generation):
        self.names.setdefault(sort, {}).setdefault(tuple(name.get_id() for name in names), (generation, names))

    def against(self, model):
        """What the counterexample goes against, of names that are as near as can be."""
        violated = self.violated(model)
        while not violated and self.depth < self.generations:
            self.depth += 1
            violated = self.violated(model)
        return violated

    def violated(self, model):
        """[(fact, generation, age)] that the counterexample goes against, the simplest first, and of these the latest state's."""
        values = {sort: self.distinct(model, found.values()) for sort, found in self.names.items()}
        found = []
        for name, sorts in self.claims.sorts.items():
            for chosen in itertools.product(*(values.get(sort, []) for sort in sorts)):
                generation = max((each[0] for each in chosen), default=0)
                names = [name for _, each in chosen for name in each]
                for epoch in (e for e in self.goal.epochs if name in ASSUMED or not e.bare):
                    self.consider(model, self.claims.instance(name, names, epoch), generation, -epoch.number, found)
        for sorts, fact in self.goal.quantified:
            for chosen in itertools.product(*(values.get(sort, []) for sort in sorts)):
                generation = max((each[0] for each in chosen), default=0)
                self.consider(model, fact(*(name for _, each in chosen for name in each)), generation, 0, found)
        return sorted(found, key=lambda each: each[1:])

    def consider(self, model, fact, generation, age, found):
        if fact.get_id() not in self.added and t.is_false(model.eval(fact, model_completion=True)):
            found.append((fact, generation, age))

    def distinct(self, model, found):
        """One of those names that are the same in the counterexample: the oldest."""
        kept = {}
        for generation, names in sorted(found, key=lambda each: each[0]):
            if generation <= self.depth:
                key = tuple(model.eval(name, model_completion=True).as_long() for name in names)
                kept.setdefault(key, (generation, names))
        return list(kept.values())
