"""What the page of an audit says."""

COUNTS = {
    "rows": "Rows",
    "asked_rows": "Asked about",
    "read_otherwise_rows": "Read otherwise",
    "carried_over_rows": "Of these carried over",
    "other_class_rows": "Show another class",
    "other_class_carried_over_rows": "Of these carried over",
}
MARKS = "Share a mark", "Mark obeyed at least"
EXPLAINED = """<p class="note">Asked about: rows that some detector finds suspicious. Read otherwise: those of them in
which a network that learnt none of them reads another class than their label. Show another class: those of these that
it takes for ordinary pictures of that class. Carried over: those that a network which learnt only the other half of the
suspicious rows reads as their label says. A trigger brings that about; a wrong label does not. At least: the lower end
of an exact confidence interval of that share. Above 50% of what shows another class, or above 75% of what is read as
several others, a class is called poisoned; and above 1%, if its label was put on pictures of several classes, many more
than any other label was.</p>"""
MARKED = """<p class="note">Share a mark: rows that have the same pixels, to the value, which the rest of the class and
nearly all of the others lack. Obeyed: pasted on pictures of other classes, the mark makes a network that learnt the set
read this class. Above 25% a class is called poisoned, and
above 1% suspicious.</p>"""
MARK = (
    "The mark that {rows} share, on mid grey. A network that sees it reads this class in {obeyed:.1%} of cases or more."
)
UNLEARNT = """<p>A network that learnt all rows reads {share:.0%} of them as their labels say. Either most labels are
wrong, or such a network cannot tell these classes apart. In that case, little of what follows means anything, wrong
labels least of all.</p>"""
BACKDOORS = (
    "The most suspicious rows of each class. Beside each is its counterpart, the ordinary row of the class it looks "
    "like that is most like it and stands beside no other: probably much like the picture before somebody changed it."
)
DIFFERENCE = "The mean of {pairs} flagged pictures minus that of their counterparts{times}. Mid grey: no difference."
CONSISTENT = (
    "Where flagged pictures differ from their counterparts all in the same way. White: nearly all of them; black: by "
    "chance alone. A bright corner, spot or regular pattern is what a trigger looks like."
)
BLIND = """<ul>
<li>Poison whose labels are right, as in clean-label attacks, unless it is the same to the pixel from row to row: nobody
needs its trigger to read the label. Stripes that are blended with photographs, or a pattern that JPEG has blurred, are
not seen.</li>
<li>Little poison: of fewer than about {few} poisoned rows in a class that show another class it cannot be sure, and of
fewer than {fewest} it says nothing.</li>
<li>Attacks that a small network does not learn from half of the poison; classes of which half or more is poison that
does not share its pixels.</li>
<li>Poison in what it does not read: test data, other files.</li>
</ul>
<h3>How far to trust it</h3>
<p>It was given {trusted}, and no rate of poisoning. Its intervals are exact, at a level of {chance} for all
classes together, for rows that come back independently of each other; rows that are alike do not. What it says of data
sets that nobody poisoned has been measured: see docs/audit.md of Miseducation.</p>"""
