"""The control flow of a routine: the order of its blocks, and its loops."""


class Flow:
    def __init__(self, routine):
        self.next = {name: list(dict.fromkeys(block.instructions[-1].labels)) for name, block in routine.blocks.items()}
        self.order = self.reverse_postorder(routine.order[0])
        place = {name: i for i, name in enumerate(self.order)}
        self.loops = {}     # header: blocks, outer loops first
        before = {name: [] for name in self.order}
        for name in self.order:
            for follower in self.next[name]:
                before[follower].append(name)
        for name in self.order:
            for header in self.next[name]:
                if place[header] <= place[name]:
                    self.loops.setdefault(header, {header}).update(self.body(header, name, before))
        self.loops = dict(sorted(self.loops.items(), key=lambda item: place[item[0]]))

    def reverse_postorder(self, entry):
        seen, order, stack = {entry}, [], [(entry, iter(self.next[entry]))]
        while stack:
            name, followers = stack[-1]
            for follower in followers:
                if follower not in seen:
                    seen.add(follower)
                    stack.append((follower, iter(self.next[follower])))
                    break
            else:
                order.append(name)
                stack.pop()
        return order[::-1]

    @staticmethod
    def body(header, latch, before):
        blocks, work = {header}, [latch]
        while work:
            name = work.pop()
            if name not in blocks:
                blocks.add(name)
                work.extend(before[name])
        return blocks
