internal import TensorTypes

/// A tensor of a checkpoint under the name of the weight that it stands for.
struct SourceEntry {
  /// The normalised name, without what the names of codes end with.
  var name: String
  /// What the name of the codes ends with beside that.
  var ending = ""
  var index: Int
  var tensor: SourceTensor

  /// Whether it holds integers packed into words.
  var isUnpackedLast: Bool { !ending.isEmpty && tensor.elementType == .i32 }
}

/// What a tensor may stand for.
struct WeightReading {
  /// The shape of the weight.
  var shape: [Int]
  /// How it is quantized; `nil` for values as they are.
  var form: WeightForm?
}

/// The tensors that belong to quantized weights, and what becomes of them.
struct QuantizedWeights {
  /// What a tensor is.
  enum Kind {
    /// A weight, or the codes of one.
    case weight(SourceEntry)
    /// A scale or something of the kind, which is kept here.
    case part
    /// A second one of the same meaning.
    case duplicate
  }

  private let quantization: SourceQuantization
  private var parts: [String: [SourceQuantization.Part: SourceEntry]] = [:]
  /// Sources that are not what their header says.
  private(set) var encodings: [Int: SourceEncoding] = [:]

  init(_ quantization: SourceQuantization) { self.quantization = quantization }

  /// Sorts out a tensor.
  mutating func sort(name: String, index: Int, _ tensor: SourceTensor) -> Kind {
    guard let (weight, part, ending) = quantization.part(name) else {
      return .weight(SourceEntry(name: name, index: index, tensor: tensor))
    }
    let entry = SourceEntry(name: weight, ending: ending, index: index, tensor: tensor)
    if part == .codes { return .weight(entry) }
    return parts[weight, default: [:]].updateValue(entry, forKey: part) == nil ? .part : .duplicate
  }

  /// What a tensor may stand for; nothing when its type is none of a weight.
  func readings(of entry: SourceEntry) -> [WeightReading] {
    let (type, shape) = (entry.tensor.elementType, entry.tensor.shape)
    if entry.ending.isEmpty {
      switch type {
      case .f16, .bf16, .f32, .f64: return [WeightReading(shape: shape)]
      // 8-bit floats without any scales are weights, too.
      case .f8E4M3, .f8E5M2:
        if quantization.forms.isEmpty { return [WeightReading(shape: shape)] }
      default: break
      }
    }
    return quantization.forms(ofCodes: type, ending: entry.ending).compactMap { form in
      form.shape(ofCodes: shape).map { WeightReading(shape: $0, form: form) }
    }
  }

  /// The scales of a weight, if it has any; checks types and shapes.
  ///
  /// In a checkpoint with scales, codes without one are hundreds of times too large, and 16-bit numbers with one
  /// may have been multiplied already; neither is guessed.
  ///
  /// - Parameters:
  ///   - entry: The weight.
  ///   - readings: What it may stand for, all of the shape that the model calls for.
  ///   - problems: Receives what is wrong.
  /// - Returns: The scales; `nil` for values as they are, and when something is wrong.
  mutating func takeScale(
    of entry: SourceEntry, readings: [WeightReading], problems: inout [TensorProblem]
  ) -> BlockScale? {
    var parts = parts.removeValue(forKey: entry.name) ?? [:]
    let scale = scale(of: entry, readings: readings, parts: &parts, problems: &problems)
    // What this weight has no use for, unless more is wrong with it.
    if scale != nil || readings.allSatisfy({ $0.form == nil }) {
      for part in parts.values.sorted(by: { $0.index < $1.index }) {
        problems.append(.unknown(name: part.tensor.name, nearest: nil))
      }
    }
    return scale
  }

  private mutating func scale(
    of entry: SourceEntry, readings: [WeightReading], parts: inout [SourceQuantization.Part: SourceEntry],
    problems: inout [TensorProblem]
  ) -> BlockScale? {
    let type = entry.tensor.elementType.rawValue
    let candidates = readings.compactMap { reading in reading.form.map { (form: $0, shape: reading.shape) } }
    guard let first = candidates.first else {
      if let scale = parts.removeValue(forKey: .scale) {
        problems.append(
          .scaleLeftOver(name: entry.tensor.name, scale: scale.tensor.name, elementType: type))
      }
      return nil
    }
    guard let scale = parts.removeValue(forKey: .scale) else {
      problems.append(
        .scaleMissing(
          name: entry.tensor.name, scale: partName(entry, first.form.scaleEnding), elementType: type))
      return nil
    }
    if case .words = first.form.codes, let shape = parts.removeValue(forKey: .shape),
      shape.tensor.shape != [2]
    {
      problems.append(.shape(name: shape.tensor.name, found: shape.tensor.shape, expected: [2]))
    }
    let named = candidates.filter { $0.form.scaleEnding == scale.ending }
    let typed = named.filter { $0.form.scaleTypes.contains(scale.tensor.elementType) }
    guard let usual = typed.first else {
      problems.append(.elementType(name: scale.tensor.name, found: scale.tensor.elementType.rawValue))
      return nil
    }
    guard
      let (form, shape) = typed.first(where: {
        $0.form.scaleShapes(of: $0.shape).contains(scale.tensor.shape)
      })
    else {
      problems.append(
        .shape(
          name: scale.tensor.name, found: scale.tensor.shape,
          expected: usual.form.scaleShapes(of: usual.shape).first ?? []))
      return nil
    }
    var common: BlockScale.Common?
    if let wanted = form.common {
      guard let found = parts.removeValue(forKey: .common) else {
        problems.append(
          .scaleMissing(name: entry.tensor.name, scale: partName(entry, wanted.ending), elementType: type))
        return nil
      }
      guard found.tensor.shape.count <= 2, found.tensor.shape.allSatisfy({ $0 == 1 }) else {
        problems.append(.shape(name: found.tensor.name, found: found.tensor.shape, expected: [1]))
        return nil
      }
      guard [.f32, .bf16, .f16].contains(found.tensor.elementType) else {
        problems.append(.elementType(name: found.tensor.name, found: found.tensor.elementType.rawValue))
        return nil
      }
      common = BlockScale.Common(source: found.index, divides: wanted.divides)
    }
    var bias: Int?
    if let ending = form.biasEnding {
      guard let found = parts.removeValue(forKey: .bias) else {
        problems.append(
          .scaleMissing(name: entry.tensor.name, scale: partName(entry, ending), elementType: type))
        return nil
      }
      guard found.tensor.elementType == scale.tensor.elementType else {
        problems.append(.elementType(name: found.tensor.name, found: found.tensor.elementType.rawValue))
        return nil
      }
      guard found.tensor.shape == scale.tensor.shape else {
        problems.append(
          .shape(name: found.tensor.name, found: found.tensor.shape, expected: scale.tensor.shape))
        return nil
      }
      bias = found.index
    }
    encodings[entry.index] = form.encoding
    if scale.tensor.elementType == .u8 { encodings[scale.index] = .element(form.byteScales) }
    return form.scale(
      source: scale.index, stored: scale.tensor.shape, of: shape, common: common, bias: bias)
  }

  /// Leaves out the scales of a weight that is refused.
  mutating func drop(_ entry: SourceEntry) { parts[entry.name] = nil }

  /// Parts of weights that are not there.
  var strays: [TensorProblem] {
    parts.values.flatMap(\.values).sorted { $0.index < $1.index }
      .map { .unknown(name: $0.tensor.name, nearest: nil) }
  }

  /// The name of a part beside the codes of a weight.
  private func partName(_ entry: SourceEntry, _ ending: String) -> String {
    if quantization.forms.first?.replacesWeightEnding == true {
      return String(entry.tensor.name.dropLast(".weight".count)) + ending
    }
    return String(entry.tensor.name.dropLast(entry.ending.count)) + ending
  }
}
