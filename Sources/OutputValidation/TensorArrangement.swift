internal import GGUFFormat
internal import ModelDescriptions

/// Which tensors of two files are the same, whether they are kept together or apart.
struct TensorArrangement {
  /// The same tensor in both files, in the order of the first.
  private(set) var pairs: [(first: PlacedTensor, second: PlacedTensor)] = []
  /// Tensors of the first file alone.
  private(set) var onlyInFirst: [String] = []
  /// Tensors of the second file alone.
  private(set) var onlyInSecond: [String] = []
  /// Tensors that are kept otherwise.
  private(set) var rearranged: [ModelDifference.Rearranged] = []

  /// Matches the tensors of two files.
  init(_ a: GGUFSplitSet, _ b: GGUFSplitSet) {
    let (ours, theirs) = (GGUFLayout(a), GGUFLayout(b))
    /// The tensors kept apart that `name` of one file stands for, when the other has them, too.
    func apart(_ name: String, _ layout: GGUFLayout?, _ other: GGUFSplitSet, _ otherLayout: GGUFLayout?)
      -> [String]?
    {
      let names = layout?.fused[name]?.parts.map(\.name) ?? [name]
      return names.allSatisfy { PlacedTensor($0, in: other, otherLayout) != nil } ? names : nil
    }
    var matched: [String: Set<String>] = [:]
    for tensor in a.tensors {
      let name = tensor.info.name
      if let same = b.tensor(name) {
        pairs.append((PlacedTensor(tensor), PlacedTensor(same)))
        continue
      }
      guard let names = apart(name, ours, b, theirs) else {
        onlyInFirst.append(name)
        continue
      }
      for part in names {
        guard let x = PlacedTensor(part, in: a, ours), let y = PlacedTensor(part, in: b, theirs) else {
          continue
        }
        pairs.append((x, y))
        let whole = theirs?.place(of: part)?.tensor ?? part
        matched[whole, default: []].insert(part)
      }
      if names != [name] { rearranged.append(.init(first: [name], second: names)) }
    }
    for tensor in b.tensors where a.tensor(tensor.info.name) == nil {
      let name = tensor.info.name
      let parts = theirs?.fused[name]?.parts.map(\.name)
      guard let found = matched[name], found.count == parts?.count ?? 1 else {
        onlyInSecond.append(name)
        continue
      }
      if let parts { rearranged.append(.init(first: parts, second: [name])) }
    }
  }
}
