"""Writes samples/prompts/heritage.jsonl, layer-c.jsonl and sample-split.jsonl.

heritage: the pelican on a bicycle and 19 other animals on vehicles. layer-c: 64 prompts whose answers can be checked
by geometry. sample-split: every third prompt of scenes-heldout.jsonl and every fifth of emoji-heldout.jsonl, with
reference drawings.
"""
import json, math, pathlib

folder = pathlib.Path(__file__).resolve().parent.parent / "samples" / "prompts"


def write(name, rows):
    text = "".join(json.dumps(row, ensure_ascii=False) + "\n" for row in rows)
    (folder / name).write_text(text)
    print(name, len(rows))


def check(kind, **fields):
    return {"check": kind, **fields}


def shape(shape=None, colour=None, **more):
    fields = {"shape": shape, "colour": colour, **more}
    return {key: value for key, value in fields.items() if value is not None}


bicycle = [check("bicycleWheels"), check("bicycleFrame"), check("bicycleSaddle")]


def colour_of_bicycle(colour):
    return [check("bicycleColour", colours=[colour])]


def heritage():
    pairs = [
        ("pelican", "green bicycle"), ("pelican", "bicycle"), ("rabbit", "red bicycle"), ("elephant", "bicycle"),
        ("cat", "blue bicycle"), ("penguin", "bicycle"), ("fox", "yellow bicycle"), ("owl", "bicycle"),
        ("bear", "purple bicycle"), ("duck", "bicycle"), ("pelican", "skateboard"), ("snail", "scooter"),
        ("mouse", "boat"), ("frog", "skateboard"), ("dog", "scooter"), ("turtle", "boat"), ("lion", "motorcycle"),
        ("giraffe", "unicycle"), ("octopus", "tricycle"), ("horse", "train"),
    ]
    rows = []
    for animal, vehicle in pairs:
        article = "an" if animal[0] in "aeiou" else "a"
        rows.append({
            "id": f"heritage-{animal}-{vehicle.replace(' ', '-')}", "family": "heritage",
            "prompt": f"Draw {article} {animal} riding a {vehicle} as SVG.",
            # Which animal it is cannot be seen from geometry.
            "assertions": bicycle + [check("bicycleRider")] + (colour_of_bicycle(vehicle.split()[0]) if " " in vehicle else [])
            if vehicle.endswith("bicycle") else [],
        })
    return rows


def bars():
    numbers = [[3, 7], [6, 2, 8], [5, 9, 8, 7, 9], [4, 8, 2], [9, 6, 3], [2, 4, 6, 8], [7, 3, 9, 5], [8, 4]]
    colours = ["navy", "red", "green", "orange", "purple", "blue", "teal", "pink"]
    for values, colour in zip(numbers, colours):
        listed = ", ".join(map(str, values[:-1])) + f" and {values[-1]}"
        bar = shape("rect", colour, minSize=0.03)
        yield f"bars-{'-'.join(map(str, values))}", f"Draw a {colour} bar chart of {listed} as SVG.", [
            check("count", of=bar, equals=len(values)), check("heights", of=bar, values=values),
            check("baseline", of=bar), check("evenSpacing", of=bar)]


def clocks():
    times = [("three o'clock", 3, 0), ("ten past ten", 10, 10), ("half past twelve", 12, 30), ("nine o'clock", 9, 0),
             ("six o'clock", 6, 0), ("quarter past four", 4, 15), ("half past seven", 7, 30), ("quarter to two", 1, 45)]
    colours = ["blue", "red", "brown", "green", "gray", "gold", "purple", "orange"]
    for (words, hour, minute), colour in zip(times, colours):
        long, short = minute * 6, (hour % 12) * 30 + minute / 2
        # Many clocks are drawn with the hour hand at the full hour; within 8 degrees of either is a pass only for times
        # up to quarter past, so the exact position is asked for.
        yield f"clock-{hour}-{minute:02}", f"Draw a {colour} clock showing {words} as SVG.", [
            check("count", of=shape("circle", minSize=0.4), atLeast=1), check("hand", angle=long),
            check("hand", angle=short), check("longerHand", angle=long, values=[short])]


def rows_of_circles():
    lists = [["red", "green", "blue"], ["orange", "purple", "teal"], ["yellow", "red"], ["navy", "gold", "pink"],
             ["green", "white", "red"], ["purple", "orange", "green"], ["blue", "yellow", "black"],
             ["red", "orange", "yellow", "green"]]
    for colours in lists:
        listed = ", ".join(f"a {c}" if i == 0 else f"a {c}" for i, c in enumerate(colours[:-1]))
        words = ", ".join(f"{'an' if c[0] in 'aeiou' else 'a'} {c} circle" for c in colours[:-1])
        last = f"{'an' if colours[-1][0] in 'aeiou' else 'a'} {colours[-1]} circle"
        circle = shape("circle")
        yield f"row-{'-'.join(colours)}", f"Draw {words} and {last} in a row as SVG.", [
            check("count", of=circle, equals=len(colours)), check("row", of=circle),
            check("coloursLeftToRight", of=circle, colours=colours), check("sameSize", of=circle)]


def relations():
    cases = [("a blue square", "to the left of", "a red circle", "leftOf"), ("a red circle", "above", "a green square", "above"),
             ("an orange circle", "above", "a purple circle", "above"), ("a green circle", "below", "a yellow square", "below"),
             ("a pink square", "below", "a navy circle", "below"), ("a red square", "inside", "a blue circle", "inside"),
             ("a teal circle", "inside", "an orange square", "inside"), ("a brown square", "to the right of", "a gold circle", "rightOf"),
             ("a purple circle", "to the left of", "a green circle", "leftOf"), ("a gray square", "to the right of", "a red square", "rightOf")]
    for first, words, second, kind in cases:
        a = shape(first.split()[2], first.split()[1])
        b = shape(second.split()[2], second.split()[1])
        relation = {"leftOf": check("leftOf", of=a, than=b), "rightOf": check("leftOf", of=b, than=a),
                    "above": check("above", of=a, than=b), "below": check("above", of=b, than=a),
                    "inside": check("inside", of=a, than=b)}[kind]
        yield f"relation-{'-'.join(first.split()[1:])}-{kind}", f"Draw {first} {words} {second} as SVG.", [
            check("count", of=a, equals=1), check("count", of=b, equals=1), relation]


SEGMENTS = {"top": (0.5, 0.03), "upperLeft": (0.06, 0.27), "upperRight": (0.94, 0.27), "middle": (0.5, 0.5),
            "lowerLeft": (0.06, 0.73), "lowerRight": (0.94, 0.73), "bottom": (0.5, 0.97)}
LIT = {3: "top upperRight middle lowerRight bottom", 5: "top upperLeft middle lowerRight bottom",
       2: "top upperRight middle lowerLeft bottom", 6: "top upperLeft middle lowerLeft lowerRight bottom"}


def sevens():
    for digit, lit in LIT.items():
        words = {2: "two", 3: "three", 5: "five", 6: "six"}[digit]
        points = []
        for name, (x, y) in SEGMENTS.items():
            points.append(check("colourAt" if name in lit.split() else "notColourAt", colours=["red"], x=x, y=y))
        yield f"seven-segment-{digit}", f"Draw the digit {words} as a red seven-segment display as SVG.", points


def tic_tac_toe():
    boards = ["X.O.X.O.X", "XOX.O.X.O", "..X.XOO.X", "O.X.XO..X"]
    for board in boards:
        rows = " / ".join(" ".join("empty" if c == "." else c for c in board[3 * r:3 * r + 3]) for r in range(3))
        marks = [i for i, c in enumerate(board) if c != "."][:4]
        empty = [i for i, c in enumerate(board) if c == "."][:3]
        cells = [check("cellMarked", x=i % 3, y=i // 3, columns=3, rows=3) for i in marks]
        cells += [check("cellEmpty", x=i % 3, y=i // 3, columns=3, rows=3) for i in empty]
        yield f"tic-tac-toe-{board.replace('.', '_')}", f"Draw a tic-tac-toe board with the rows {rows} as SVG.", cells


def flags():
    three = [(["blue", "white", "red"], "vertical"), (["black", "red", "gold"], "horizontal"), (["green", "white", "red"], "vertical"),
             (["red", "white", "blue"], "horizontal"), (["white", "teal", "red"], "horizontal"), (["black", "yellow", "red"], "vertical")]
    for colours, way in three:
        points = []
        for index, colour in enumerate(colours):
            place = (index + 0.5) / 3
            x, y = (place, 0.3) if way == "vertical" else (0.3, place)
            points.append(check("colourAt", colours=[colour], x=round(x, 3), y=round(y, 3)))
        points.append(check("count", of=shape("rect"), atLeast=2))
        yield f"flag-{way}-{'-'.join(colours)}", f"Draw a flag with three {way} stripes: {colours[0]}, {colours[1]} and {colours[2]} as SVG.", points
    yield "flag-japan", "Draw the flag of Japan as SVG.", [
        check("colourAt", colours=["red"], x=0.5, y=0.5), check("notColourAt", colours=["red"], x=0.08, y=0.1),
        check("count", of=shape("circle", "red"), equals=1)]
    yield "flag-sweden", "Draw the flag of Sweden as SVG.", [
        check("colourAt", colours=["blue"], x=0.1, y=0.1), check("colourAt", colours=["yellow"], x=0.9, y=0.5),
        check("colourAt", colours=["blue"], x=0.9, y=0.9), check("colourAt", colours=["yellow"], x=0.37, y=0.08)]


def polygons():
    for count, name, colour in [(3, "triangle", "red"), (5, "pentagon", "blue"), (6, "hexagon", "green"), (8, "octagon", "orange"),
                                (4, "diamond", "purple"), (7, "heptagon", "teal")]:
        largest = shape(None, colour, largest=1)
        yield f"polygon-{name}", f"Draw {'an' if name[0] in 'aeiou' else 'a'} {colour} {name} as SVG.".replace("Draw an orange", "Draw an orange"), [
            check("corners", of=largest, equals=count), check("count", of=shape(None, colour), equals=1),
            check("count", of=shape("circle"), equals=0)]


def chess():
    boards = {"8/8/8/8/8/8/8/K6k": [("marked", 0, 7), ("marked", 7, 7), ("empty", 3, 3)],
              "7k/8/8/3Q4/8/8/8/K7": [("marked", 7, 0), ("marked", 3, 3), ("marked", 0, 7), ("empty", 5, 5)],
              "r6r/8/8/8/8/8/8/R6R": [("marked", 0, 0), ("marked", 7, 0), ("marked", 0, 7), ("marked", 7, 7), ("empty", 4, 4)],
              "8/8/2n5/8/8/5N2/8/8": [("marked", 2, 2), ("marked", 5, 5), ("empty", 0, 0)]}
    for fen, cells in boards.items():
        rules = [check("cellMarked" if kind == "marked" else "cellEmpty", x=x, y=y, columns=8, rows=8) for kind, x, y in cells]
        rules.append(check("count", of=shape("square"), atLeast=32))
        yield f"chess-{fen.replace('/', '.')}", f"Draw the chess position {fen} (FEN) on a board of 8 by 8 squares as SVG.", rules


def bicycles():
    for colour, words in [("red", "a red bicycle"), ("blue", "a blue bicycle seen from the side"), ("green", "a green bicycle without a rider"), ("black", "a bicycle")]:
        yield f"bicycle-{colour}", f"Draw {words} as SVG.", (
            bicycle + [check("count", of=shape("circle", minSize=0.1), atLeast=2)]
            + (colour_of_bicycle(colour) if colour in words else []))


def layer_c():
    rows = []
    for maker in [bars, clocks, rows_of_circles, relations, sevens, tic_tac_toe, flags, polygons, chess, bicycles]:
        for name, prompt, assertions in maker():
            assert 3 <= len(assertions) <= 8, name
            rows.append({"id": "c-" + name, "family": maker.__name__.replace("_", "-"), "prompt": prompt, "assertions": assertions})
    assert len(rows) == 64, len(rows)
    return rows


def sample_split():
    rows = []
    for name, step in [("scenes-heldout", 3), ("emoji-heldout", 5)]:
        lines = [json.loads(line) for line in (folder / f"{name}.jsonl").read_text().splitlines()]
        for index in range(0, len(lines), step):
            line = lines[index]
            rows.append({"id": f"{name}-{index + 1:03}", "family": line["family"], "prompt": line["prompt"], "svg": line["svg"]})
    return rows


write("heritage.jsonl", heritage())
write("layer-c.jsonl", layer_c())
write("sample-split.jsonl", sample_split())
