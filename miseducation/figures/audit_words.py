"""What the page of an audit says."""

COUNTS = {
    "rows": "Rows",
    "asked_rows": "Suspicious",
    "read_otherwise_rows": "Read as another class",
    "carried_over_rows": "Of these carried over",
    "other_class_rows": "Show another class",
    "other_class_carried_over_rows": "Of these carried over",
}
MARKS = "Share a mark", "Mark works at least"
EXPLAINED = """<p class="note">Suspicious: rows that some detector finds suspicious. Read as another class: suspicious
rows that a network which learnt none of them does not read as their label says. Show another class: those of them that
this network takes for ordinary pictures of the other class. Carried over: those that are read as their label says by a
network which learnt only the other half of the suspicious rows. A trigger has this effect; a wrong label has not. At
least: the lower end of an exact confidence interval of this share. A class is called poisoned if the share is above 50%
of the rows that show another class, or above 75% of the rows that are read as several other classes. If its label is on
pictures of several classes, on many more of them than any other label, 1% is enough.</p>"""
MARKED = """<p class="note">Share a mark: rows that have exactly the same values in some pixels, which the other rows of
the class and nearly all rows of other classes do not have. Works: pasted on pictures of other classes, the mark makes a
network that learnt the data set read this class. Above 25%, the class is called poisoned; above 1%, suspicious.</p>"""
MARK = "The mark that {rows} share, on mid grey. With it, a network reads this class in {obeyed:.1%} of cases or more."
UNREAD = """<p>Networks read only {share:.0%} of the rows as their labels say. Either many labels are wrong, or such
networks cannot tell these classes apart. In the second case, the results below are not reliable, least of all the wrong
labels.</p>"""
BACKDOORS = (
    "The most suspicious rows of each class. Beside each is its counterpart: the most similar ordinary row of the "
    "class it looks like (each row is used once). It is probably much like the picture before somebody changed it."
)
DIFFERENCE = "The mean of {pairs} flagged pictures minus that of their counterparts{times}. Mid grey: no difference."
CONSISTENT = (
    "Where flagged pictures all differ from their counterparts in the same way. White: nearly all of them do; black: "
    "no more than by chance. A bright corner, spot or regular pattern is typical of a trigger."
)
BLIND = """<ul>
<li>Poison whose labels are right, as in clean-label attacks, unless it has exactly the same pixel values from row to
row: a network can learn these labels without the trigger. The audit does not notice stripes that are blended with
photographs, or a pattern that JPEG has blurred.</li>
<li>Little poison: with fewer than about {few} poisoned rows in a class that show another class, the audit cannot be
certain, and with fewer than {fewest} it says nothing.</li>
<li>Attacks that a small network does not learn from half of the poison; classes of which half or more is poison that
does not share its pixels.</li>
<li>Poison in data that it does not read: test data, other files.</li>
</ul>
<h3>How reliable it is</h3>
<p>The audit was given {trusted}, and no poisoning rate. Its intervals are exact, at a level of {chance} for all classes
together, if rows carry over independently of each other; similar rows do not. The verdicts on data sets that nobody
poisoned were measured: see docs/audit.md of Miseducation.</p>"""
