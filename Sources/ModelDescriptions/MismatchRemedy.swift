internal import FileBytes

/// What to do about tensors that do not fit, told from what they have in common.
struct MismatchRemedy {
  private let problems: [TensorProblem]
  private let model: HyperParameters
  /// Numbers of the layers of the trunk that there are tensors of.
  private let layers: [Int]
  /// The tensors of next-token blocks, as the files name them.
  private let nextTokenNames: Set<String>

  init(_ problems: [TensorProblem], model: HyperParameters, names: [(rule: String, file: String)]) {
    self.problems = problems
    self.model = model
    nextTokenNames = Set(names.lazy.filter { $0.rule.hasPrefix("mtp.") }.map(\.file))
    layers = names.compactMap { name in
      let parts = name.rule.split(separator: ".", maxSplits: 3)
      guard parts.count == 4, parts[0] == "model", parts[1] == "layers" else { return nil }
      return Int(parts[2])
    }
  }

  /// The advice.
  var text: Wording {
    if problems.allSatisfy(isNextToken) { return nextTokenText }
    if problems.contains(where: { if case .expertNumbers = $0 { true } else { false } }) {
      return
        "the experts kept the numbers that they had before others were taken out; number them from 0 in the "
        + "order of the router's rows, which the program that pruned them knows"
    }
    if let rows = routerRows, let experts = model.experts {
      return
        "the router has \(rows) rows, config.json says \(experts.count) experts; check that config.json belongs "
        + "to these shards"
    }
    let count = (layers.max() ?? -1) + 1
    if count > model.layerCount {
      return
        "the tensors are of \(count) layers, num_hidden_layers in config.json is \(model.layerCount); check "
        + "that config.json belongs to these shards"
    }
    return "check that config.json belongs to these shards and that all shards are there"
  }

  /// The rows of a router that has another number of them than there are experts.
  private var routerRows: Int? {
    for case .shape(let name, let found, let expected) in problems
    where name.hasSuffix(".gate.weight") && found.count == 2 && found[1] == expected.last
      && !isNextToken(name)
    {
      return found[0]
    }
    return nil
  }

  private var nextTokenText: Wording {
    if nextTokenNames.isEmpty {
      return
        "the checkpoint has no next-token block; convert it without \(.nextTokenBlock), or check that all shards are there"
    }
    let isIncomplete = problems.allSatisfy { if case .missing = $0 { true } else { false } }
    if isIncomplete {
      return
        "the next-token block is not complete; check that all shards are there, or leave it out with \(.trunkAlone)"
    }
    let experts = model.experts.map { ", which has \($0.count) experts" } ?? ""
    return
      "the next-token block does not fit the trunk\(experts); llama.cpp loads blocks of one form only, so leave "
      + "it out with \(.trunkAlone)"
  }

  private func isNextToken(_ name: String) -> Bool {
    name.hasPrefix("mtp.") || nextTokenNames.contains(name)
  }

  private func isNextToken(_ problem: TensorProblem) -> Bool {
    switch problem {
    case .unknown(let name, _), .missing(let name), .duplicate(let name), .shape(let name, _, _),
      .elementType(let name, _), .scaleMissing(let name, _, _), .scaleLeftOver(let name, _, _),
      .packedColumns(let name):
      isNextToken(name)
    case .expertNumbers(let prefix, _): prefix.hasPrefix("mtp.")
    }
  }
}
