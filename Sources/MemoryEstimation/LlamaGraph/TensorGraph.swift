/// A compute graph without values: how large each intermediate tensor is and what needs it.
///
/// It answers one question: how large is the buffer that llama.cpp reserves for such a graph. Nodes are put in order
/// as ggml does it (depth first through sources, first source first), and placed by the rules of ggml's graph
/// allocator: best fit among free blocks, a result takes over the memory of an operand that nothing else needs where
/// the operation allows it, and everything else is freed after its last use.
struct TensorGraph {
  /// A node.
  typealias ID = Int

  private enum Kind {
    /// Weights and caches, which live in buffers of their own.
    case external
    /// Filled in before the graph runs; allocated first, freed after its last use.
    case input
    case computed
    /// A part or another shape of the root's memory.
    case view(root: ID)
  }

  private struct Node {
    var kind: Kind
    var byteCount: Int
    /// Extents and element size, for the question whether two tensors have the same layout.
    var shape: [Int]
    var elementByteCount: Int
    var sources: [ID]
    var mayOverwrite: Bool
    var isOutput = false
    var label: String
  }

  private var nodes: [Node] = []
  private var order: [ID] = []
  private var leaves: [ID] = []
  private var isVisited: [Bool] = []

  /// Stands for all weights and caches.
  private(set) var external: ID = 0

  init() {
    external = add(
      Node(
        kind: .external, byteCount: 0, shape: [], elementByteCount: 0, sources: [], mayOverwrite: false,
        label: "weights"))
  }

  private mutating func add(_ node: Node) -> ID {
    nodes.append(node)
    isVisited.append(false)
    return nodes.count - 1
  }

  /// A tensor that is filled in before the graph runs.
  mutating func input(_ label: String, _ shape: [Int], elementByteCount: Int = 4) throws -> ID {
    add(
      Node(
        kind: .input, byteCount: try Self.byteCount(label, shape, elementByteCount), shape: shape,
        elementByteCount: elementByteCount, sources: [], mayOverwrite: false, label: label))
  }

  /// The result of an operation.
  ///
  /// - Parameters:
  ///   - label: A name for explanations.
  ///   - shape: Its extents.
  ///   - sources: The operands, in ggml's order.
  ///   - overwrites: Whether the result may take over the memory of an operand of the same layout.
  ///   - elementByteCount: Bytes per value.
  /// - Returns: The node.
  /// - Throws: ``EstimationError`` with `overflow`.
  mutating func result(
    _ label: String, _ shape: [Int], _ sources: [ID], overwrites: Bool = false, elementByteCount: Int = 4
  ) throws -> ID {
    add(
      Node(
        kind: .computed, byteCount: try Self.byteCount(label, shape, elementByteCount), shape: shape,
        elementByteCount: elementByteCount, sources: sources, mayOverwrite: overwrites, label: label))
  }

  /// Another view of the memory of `source`.
  mutating func view(_ source: ID) -> ID {
    var root = source
    if case .view(let parent) = nodes[source].kind { root = parent }
    return add(
      Node(
        kind: .view(root: root), byteCount: 0, shape: [], elementByteCount: 0, sources: [source],
        mayOverwrite: false, label: nodes[source].label))
  }

  /// A tensor some rows of which are replaced: it stays where it is, but needs its sources.
  mutating func overwriting(_ target: ID, with sources: [ID]) -> ID {
    add(
      Node(
        kind: .view(root: target), byteCount: 0, shape: [], elementByteCount: 0,
        sources: target == external ? sources : sources + [target], mayOverwrite: false, label: "store"))
  }

  /// Puts a store into a tensor, by default a cache, at the end of the graph: it takes no memory, but needs its sources.
  mutating func store(_ sources: [ID], into target: ID? = nil) {
    expand(overwriting(target ?? external, with: sources))
  }

  /// Keeps a node's memory until the end.
  mutating func markOutput(_ id: ID) { nodes[id].isOutput = true }

  /// Appends a node and all that it needs to the graph.
  mutating func expand(_ id: ID) {
    guard !isVisited[id] else { return }
    isVisited[id] = true
    for source in nodes[id].sources { expand(source) }
    switch nodes[id].kind {
    case .external: break
    case .input: leaves.append(id)
    case .computed, .view: order.append(id)
    }
  }

  /// The number of operations in the graph.
  var nodeCount: Int { order.count }

  private static func byteCount(_ label: String, _ shape: [Int], _ elementByteCount: Int) throws -> Int {
    var size = elementByteCount
    for extent in shape { size = try Checked.product("compute buffer: " + label, size, extent) }
    return size
  }

  /// The size of the buffer, and the tensors that lie in it where it is fullest, largest first.
  func reserve() -> (byteCount: Int, atPeak: [(label: String, byteCount: Int)]) {
    var placement = Placement(count: nodes.count)
    var children = [Int](repeating: 0, count: nodes.count)
    var views = [Int](repeating: 0, count: nodes.count)
    for id in leaves { placement.allocate(id, nodes[id].byteCount) }
    for id in order {
      if case .view(let root) = nodes[id].kind { views[root] += 1 }
      for source in nodes[id].sources { children[source] += 1 }
    }
    for id in order {
      if case .computed = nodes[id].kind { place(id, &placement, children: children, views: views) }
      for source in nodes[id].sources {
        children[source] -= 1
        guard children[source] == 0, views[source] == 0 else { continue }
        var owner = source
        if case .view(let root) = nodes[source].kind {
          views[root] -= 1
          guard views[root] == 0, children[root] == 0 else { continue }
          owner = root
        }
        if placement.isHeld(owner), !nodes[owner].isOutput { placement.free(owner) }
      }
    }
    // Sets have no order of their own: tensors of one size come in the order of the graph.
    let held = placement.heldAtPeak.sorted {
      (placement.size(of: $1), $0) < (placement.size(of: $0), $1)
    }
    return (placement.peak, held.map { (label: nodes[$0].label, byteCount: placement.size(of: $0)) })
  }

  private func place(_ id: ID, _ placement: inout Placement, children: [Int], views: [Int]) {
    let node = nodes[id]
    if node.mayOverwrite {
      for source in node.sources
      where placement.isHeld(source) && !nodes[source].isOutput && children[source] == 1 && views[source] == 0
        && nodes[source].shape == node.shape && nodes[source].elementByteCount == node.elementByteCount
      {
        placement.handOver(from: source, to: id)
        return
      }
    }
    placement.allocate(id, node.byteCount)
  }
}

/// Where tensors lie in a buffer without end.
private struct Placement {
  /// The alignment of ggml's CPU buffers.
  private static let alignment = 64

  private var blocks: [(offset: Int, size: Int)] = [(0, Int.max / 4)]
  private var held: [(offset: Int, size: Int)?]
  private(set) var peak = 0
  private(set) var heldAtPeak: [Int] = []
  private var current: Set<Int> = []

  init(count: Int) { held = [(offset: Int, size: Int)?](repeating: nil, count: count) }

  func isHeld(_ id: Int) -> Bool { held[id] != nil }

  func size(of id: Int) -> Int { sizes[id] ?? 0 }
  private var sizes: [Int: Int] = [:]

  mutating func allocate(_ id: Int, _ byteCount: Int) {
    let size = Checked.padded(byteCount, to: Self.alignment)
    // The best fit among all blocks but the last, later ones first among equals; else the last, which has no end.
    var best = blocks.count - 1
    var bestSize = Int.max
    for index in blocks.indices.dropLast() where blocks[index].size >= size && blocks[index].size <= bestSize
    {
      best = index
      bestSize = blocks[index].size
    }
    let offset = blocks[best].offset
    blocks[best].offset += size
    blocks[best].size -= size
    if blocks[best].size == 0 { blocks.remove(at: best) }
    held[id] = (offset, size)
    sizes[id] = size
    current.insert(id)
    if offset + size > peak {
      peak = offset + size
      heldAtPeak = Array(current)
    }
  }

  mutating func handOver(from source: Int, to id: Int) {
    held[id] = held[source]
    sizes[id] = sizes[source]
    held[source] = nil
    current.remove(source)
    current.insert(id)
  }

  mutating func free(_ id: Int) {
    guard let block = held[id] else { return }
    held[id] = nil
    current.remove(id)
    guard block.size > 0 else { return }
    let place = blocks.firstIndex { $0.offset > block.offset } ?? blocks.count
    blocks.insert((block.offset, block.size), at: place)
    if place + 1 < blocks.count, blocks[place].offset + blocks[place].size == blocks[place + 1].offset {
      blocks[place].size += blocks[place + 1].size
      blocks.remove(at: place + 1)
    }
    if place > 0, blocks[place - 1].offset + blocks[place - 1].size == blocks[place].offset {
      blocks[place - 1].size += blocks[place].size
      blocks.remove(at: place)
    }
  }
}
