internal import FileBytes
internal import TensorTypes

/// Matches a checkpoint's tensors with rules and collects what does not match.
struct TensorMapper {
  /// What errors say about tensors that do not match.
  struct Terms {
    /// Whose tensors they are.
    var subject: String
    /// What they should be.
    var expected: String
    /// What helps.
    var remedy: ([TensorProblem], _ names: [(rule: String, file: String)]) -> Wording
  }

  private let terms: Terms
  private let quantization: SourceQuantization
  /// Which weights were chosen where there are several sets, which explains tensors that do not fit.
  private let choices: [String]
  /// Whether tensors are arranged as MLX has them; `nil` for those of a GGUF.
  private let mlx: MLXLayout?
  private let blocks: [BlockRules]
  private var rules: [String: TensorRule] = [:]
  private var stacks: [String: ExpertStack] = [:]
  /// The numbers of the blocks of rules and stacks, by the names that these have in `rules` and `stacks`.
  private var blockNumbers: [String: Int] = [:]
  private var entries: [SourceEntry] = []
  private var quantized: QuantizedWeights
  private var seen: Set<String> = []
  private var problems: [TensorProblem] = []
  /// Matrices of experts with numbers above the highest, by the prefix of their names.
  private var strays: [String: [(expert: Int, name: String)]] = [:]
  /// The blocks whose gate and up projections are written as one tensor.
  private var joined: Set<String> = []
  private var outputs: [OutputTensor]
  /// Weights stored as fp8 in a checkpoint without scales.
  private var rawFP8: [String] = []
  /// The sources that are left out.
  var skipped: [TensorMapping.SkippedTensor] = []

  /// Begins without tensors.
  ///
  /// - Parameters:
  ///   - blocks: The rules.
  ///   - made: Outputs that no tensor of a checkpoint is needed for.
  ///   - terms: What errors say.
  ///   - quantization: How the checkpoint is quantized.
  ///   - choices: See `choices`.
  ///   - mlx: See `mlx`.
  init(
    _ blocks: [BlockRules], made: [OutputTensor] = [], terms: Terms, quantization: SourceQuantization,
    choices: [String] = [], mlx: MLXLayout? = nil
  ) {
    self.choices = choices
    self.mlx = mlx
    self.terms = terms
    self.blocks = blocks
    self.quantization = quantization
    quantized = QuantizedWeights(quantization)
    outputs = made
    for block in blocks {
      for rule in block.rules {
        rules[rule.source] = rule
        blockNumbers[rule.source] = block.block
      }
      if let experts = block.experts {
        stacks[experts.prefix] = ExpertStack(rule: experts)
        blockNumbers[experts.prefix] = block.block
      }
    }
  }

  /// Notes a tensor under its normalised name; scales are set aside.
  mutating func register(name: String, index: Int, _ tensor: SourceTensor) {
    if quantization.method != nil, SourceQuantization.isActivationScale(name) {
      skipped.append(.init(name: tensor.name, reason: "a scale of activations"))
      return
    }
    switch quantized.sort(name: name, index: index, tensor) {
    case .part: break
    case .weight(let entry) where seen.insert(entry.name).inserted: entries.append(entry)
    case .weight, .duplicate: problems.append(.duplicate(name: tensor.name))
    }
  }

  /// Maps what was registered.
  mutating func finish(file: String) throws -> TensorMapping {
    // llama.cpp's converter comes to what it unpacks from words after everything else.
    for entry in entries where !entry.isUnpackedLast { map(entry) }
    for entry in entries where entry.isUnpackedLast { map(entry) }
    reportStrays()
    reportMissing()
    problems += quantized.strays
    guard problems.isEmpty else { throw mismatch(file: file) }
    return TensorMapping(
      outputs: outputs, skipped: skipped, warnings: rawFP8Warnings, encodings: quantized.encodings,
      hasScales: !quantization.forms.isEmpty, automaticType: automaticType)
  }

  /// Without a scale anywhere and without an entry in the configuration, fp8 numbers are the weights: that is what
  /// casting a model to fp8 leaves, and how transformers reads it.
  private var rawFP8Warnings: [String] {
    guard let first = rawFP8.first else { return [] }
    let others = rawFP8.count > 1 ? " and \(rawFP8.count - 1) more tensors are" : " is"
    return [
      "\(first)\(others) stored as 8-bit floats without scales, and config.json says nothing about quantization; "
        + "the values are taken as they are"
    ]
  }

  private var automaticType: TensorType {
    for entry in entries where entry.tensor.shape.count >= 2 {
      if entry.tensor.elementType == .bf16 { return .bf16 }
      if entry.tensor.elementType == .f16 { return .f16 }
    }
    return .f16
  }

  private mutating func map(_ entry: SourceEntry) {
    if let rule = rules[entry.name] {
      guard let readings = readings(of: entry, shapes: rule.shapes) else { return }
      let scale = takeScale(of: entry, readings)
      if let mlx {
        if let whole = mlx.output(
          of: rule, shape: readings[0].shape, source: entry.index, scale: scale,
          block: blockNumbers[entry.name])
        {
          outputs.append(whole)
        }
        return
      }
      checkColumns(entry, readings, rule.outputs.flatMap(\.runs).map(\.order))
      func runs(_ output: RuleOutput) -> [RowRun] {
        output.runs.map {
          RowRun(source: entry.index, firstRow: $0.first, rowCount: $0.count, order: $0.order, scale: scale)
        }
      }
      if let whole = rule.joined, var shape = rule.outputs.first?.ggmlShape {
        shape[1] = rule.outputs.reduce(0) { $0 + $1.ggmlShape[1] }
        append(
          whole.name, whole.slot, blockNumbers[entry.name], shape,
          TensorFeed(runs: rule.outputs.flatMap(runs)))
        return
      }
      for output in rule.outputs {
        append(
          output.name, output.slot, blockNumbers[entry.name], output.ggmlShape,
          TensorFeed(runs: runs(output), columns: output.columns, operation: output.operation))
      }
      return
    }
    let expert = ExpertStack.Part.parse(entry.name, prefixes: stacks.keys)
    if let expert, let number = expert.part.expert, let rule = stacks[expert.prefix]?.rule,
      number >= rule.count, rule.role(named: expert.part.name) != nil
    {
      strays[expert.prefix, default: []].append((number, entry.tensor.name))
      return
    }
    guard let (prefix, part) = expert, case let layouts = stacks[prefix]?.rule.layouts(of: part) ?? [],
      let usual = layouts.first
    else {
      problems.append(.unknown(name: entry.tensor.name, nearest: nearest(entry.name)))
      return
    }
    guard let readings = readings(of: entry, shapes: [usual.shape] + layouts.dropFirst().map(\.shape)),
      case let fitting = layouts.filter({ $0.shape == readings[0].shape }), let first = fitting.first
    else {
      stacks[prefix]?.isBroken = true
      return
    }
    let slots = fitting.count > 1 ? chosen(among: fitting, prefix: prefix) : first
    let scale = takeScale(of: entry, readings)
    checkColumns(entry, readings, slots.runs.map(\.order))
    for slot in slots.runs {
      let run = RowRun(
        source: entry.index, firstRow: slot.firstRow, rowCount: slot.rowCount, order: slot.order, scale: scale
      )
      if stacks[prefix]?.fill(slot.role, expert: slot.expert, run) == false {
        problems.append(.duplicate(name: entry.tensor.name))
      }
    }
    for role in stacks[prefix]?.takeComplete(byExpert: part.expert != nil) ?? [] { appendStack(prefix, role) }
  }

  private mutating func appendStack(_ prefix: String, _ role: ExpertRule.Role) {
    guard let stack = stacks[prefix] else { return }
    if let mlx {
      outputs.append(mlx.output(of: stack, role, block: blockNumbers[prefix]))
      return
    }
    if stack.rule.joinsGateAndUp, role != .down {
      let shape = stack.rule.matrix(role)
      guard stack.joinedRuns.count == 2 * stack.rule.count, joined.insert(prefix).inserted else { return }
      append(
        stack.rule.joinedOutput, .expertGateUp, blockNumbers[prefix],
        [shape[1], 2 * shape[0], stack.rule.count], TensorFeed(runs: stack.joinedRuns))
      return
    }
    append(
      stack.rule.output(role), stack.rule.slot(role), blockNumbers[prefix],
      stack.rule.matrix(role).reversed() + [stack.rule.count], TensorFeed(runs: stack.runs(role)))
  }

  /// The layout of a tensor whose shape fits both, a matrix as wide as high: its fellows tell.
  private func chosen(among layouts: [ExpertRule.Layout], prefix: String) -> ExpertRule.Layout {
    for entry in entries {
      guard let (other, part) = ExpertStack.Part.parse(entry.name, prefixes: stacks.keys), other == prefix,
        let known = stacks[prefix]?.rule.layouts(of: part), known.count == layouts.count
      else { continue }
      let fitting = known.indices.filter { known[$0].shape == entry.tensor.shape }
      if fitting.count == 1, let index = fitting.first { return layouts[index] }
    }
    return layouts[0]
  }

  private mutating func append(
    _ name: String, _ slot: TensorSlot, _ block: Int?, _ shape: [Int], _ feed: TensorFeed
  ) {
    outputs.append(
      OutputTensor(name: name, slot: slot, block: block, ggmlShape: shape, content: .feed(feed)))
  }

  /// What a tensor stands for when it is to have one of some shapes; `nil` after saying why it cannot.
  private mutating func readings(of entry: SourceEntry, shapes: [[Int]]) -> [WeightReading]? {
    let readings = quantized.readings(of: entry)
    guard let first = readings.first else {
      problems.append(.elementType(name: entry.tensor.name, found: entry.tensor.elementType.rawValue))
      quantized.drop(entry)
      return nil
    }
    let fitting = readings.filter { shapes.contains($0.shape) }
    guard let shape = fitting.first?.shape else {
      let expected = first.form?.shapeOfCodes(of: shapes[0]) ?? shapes[0]
      problems.append(.shape(name: entry.tensor.name, found: entry.tensor.shape, expected: expected))
      quantized.drop(entry)
      return nil
    }
    return fitting.filter { $0.shape == shape }
  }

  private mutating func takeScale(of entry: SourceEntry, _ readings: [WeightReading]) -> BlockScale? {
    if readings[0].form == nil, [.f8E4M3, .f8E5M2].contains(entry.tensor.elementType) {
      rawFP8.append(entry.tensor.name)
    }
    return quantized.takeScale(of: entry, readings: readings, problems: &problems)
  }

  /// Refuses packed codes whose columns would become rows: several share a byte.
  private mutating func checkColumns(_ entry: SourceEntry, _ readings: [WeightReading], _ orders: [RowOrder])
  {
    guard readings[0].form?.encoding != nil else { return }
    let isTurned = orders.contains { if case .columns = $0 { true } else { false } }
    if isTurned { problems.append(.packedColumns(name: entry.tensor.name)) }
  }

  /// Reports experts with numbers that are too high: one problem per block when nothing but the numbers is wrong.
  private mutating func reportStrays() {
    for (prefix, found) in strays.sorted(by: { $0.key < $1.key }) {
      guard let stack = stacks[prefix] else { continue }
      let numbers = stack.presentExperts.union(found.map(\.expert))
      if numbers.count == stack.rule.count {
        problems.append(.expertNumbers(prefix: prefix, numbers: numbers.sorted()))
        stacks[prefix]?.isBroken = true
      } else {
        problems += found.map { .unknown(name: $0.name, nearest: nil) }
      }
    }
  }

  private mutating func reportMissing() {
    for block in blocks {
      for rule in block.rules where !rule.isOptional && !seen.contains(rule.source) {
        problems.append(.missing(name: rule.source))
      }
      if let prefix = block.experts?.prefix, let stack = stacks[prefix], !stack.isBroken {
        problems += stack.missingNames.map { .missing(name: $0) }
      }
    }
  }

  private func nearest(_ name: String) -> String? {
    // A search over everything for each of very many names would take minutes.
    guard problems.count < 16 else { return nil }
    return NearestName.find(name, in: rules.keys.sorted())
  }

  private func mismatch(file: String) -> DescriptionError {
    let shown = problems.prefix(40).map(\.summary)
    let more = problems.count - shown.count
    return DescriptionError(
      .tensorMismatch,
      Fault(
        file: file, subject: Wording(terms.subject), expected: Wording(terms.expected),
        found: "\(problems.count) problem\(problems.count == 1 ? "" : "s")",
        problems: (shown + (more > 0 ? ["and \(more) more"] : [])).map { Wording($0) },
        remedy: ([remedy] + choices.map { Wording($0) }).joined(separator: "; ")),
      problems: problems)
  }

  /// What helps; scales that do not fit come from tools that touched the checkpoint, not from a lost shard.
  private var remedy: Wording {
    for problem in problems {
      switch problem {
      case .scaleMissing:
        return "the scales of quantized weights were lost; fetch the checkpoint again"
      case .scaleLeftOver:
        return "if the weights were multiplied with their scales already, remove the scales and the "
          + "quantization_config; else fetch the checkpoint again"
      default: continue
      }
    }
    return terms.remedy(problems, entries.map { ($0.name, $0.tensor.name) })
  }
}
