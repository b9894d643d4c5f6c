internal import SVGAnalysis

/// How alike two drawings are in what they are made of.
enum StructureScore {
  /// What counts as the same part.
  private struct Part: Hashable {
    var tag: String
    var fill: String
    var stroke: String
  }

  /// The F1 of the multisets of (tag, fill, stroke); 1 when both are empty.
  static func parts(_ a: Drawing, _ b: Drawing) -> Double {
    func count(_ drawing: Drawing) -> [Part: Int] {
      drawing.shapes.reduce(into: [:]) { counts, shape in
        let part = Part(
          tag: shape.tag, fill: shape.fill?.hexText ?? "none", stroke: shape.stroke?.hexText ?? "none")
        counts[part, default: 0] += 1
      }
    }
    let (p, q) = (count(a), count(b))
    let total = a.shapes.count + b.shapes.count
    let shared = p.reduce(0) { $0 + min($1.value, q[$1.key] ?? 0) }
    return total == 0 ? 1 : 2 * Double(shared) / Double(total)
  }

  /// `1 - edits / size of the larger tree`, with Zhang and Shasha's tree edit distance over element names, down to six
  /// levels and 200 elements.
  static func tree(_ a: SanitizedSVG, _ b: SanitizedSVG) -> Double {
    let (p, q) = (PostOrder(a.outline), PostOrder(b.outline))
    let edits = distance(p, q)
    return 1 - Double(edits) / Double(max(p.labels.count, q.labels.count, 1))
  }

  /// A tree in post-order, as the algorithm wants it.
  private struct PostOrder {
    var labels: [String] = []
    /// For each node the leftmost leaf below it.
    var leftmost: [Int] = []

    init(_ root: SVGNode) { _ = visit(root, depth: 0) }

    private mutating func visit(_ node: SVGNode, depth: Int) -> Int? {
      var first: Int?
      if depth < 6 {
        for child in node.children where child.name != SVGNode.textName && labels.count < 200 {
          let leaf = visit(child, depth: depth + 1)
          first = first ?? leaf
        }
      }
      labels.append(node.name)
      leftmost.append(first ?? labels.count - 1)
      return leftmost[labels.count - 1]
    }

    /// Nodes that are the rightmost with their leftmost leaf.
    var keyRoots: [Int] {
      var last: [Int: Int] = [:]
      for (index, leaf) in leftmost.enumerated() { last[leaf] = index }
      return last.values.sorted()
    }
  }

  private static func distance(_ a: PostOrder, _ b: PostOrder) -> Int {
    let width = b.labels.count
    var trees = Array(repeating: 0, count: a.labels.count * width)
    for i in a.keyRoots {
      for j in b.keyRoots {
        let (li, lj) = (a.leftmost[i], b.leftmost[j])
        let (rows, columns) = (i - li + 2, j - lj + 2)
        var forest = Array(repeating: 0, count: rows * columns)
        for x in 1..<rows { forest[x * columns] = x }
        for y in 1..<columns { forest[y] = y }
        for x in 1..<rows {
          for y in 1..<columns {
            let (m, n) = (li + x - 1, lj + y - 1)
            let edit = min(forest[(x - 1) * columns + y], forest[x * columns + y - 1]) + 1
            if a.leftmost[m] == li, b.leftmost[n] == lj {
              let change = a.labels[m] == b.labels[n] ? 0 : 1
              let value = min(edit, forest[(x - 1) * columns + y - 1] + change)
              forest[x * columns + y] = value
              trees[m * width + n] = value
            } else {
              let inner = forest[(a.leftmost[m] - li) * columns + b.leftmost[n] - lj] + trees[m * width + n]
              forest[x * columns + y] = min(edit, inner)
            }
          }
        }
      }
    }
    return trees[trees.count - 1]
  }
}
